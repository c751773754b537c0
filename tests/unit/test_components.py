"""A missing component is a skip on a laptop and a failure in CI."""

import pytest

from tests.support.components import require

LINE = "sudo apt-get install postgresql"


@pytest.mark.parametrize("ci", ["true", ""])
def test_what_is_there_is_used(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    require(True, "PostgreSQL", LINE)


def test_a_laptop_skips_and_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"PostgreSQL is missing; get it with: {LINE}"):
        require(False, "PostgreSQL", LINE)


def test_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI a missing component is a failure"):
        require(False, "PostgreSQL", LINE)
