"""The versions of this process."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from millstream_runtime.versions import own_version, own_versions, version_of


@pytest.mark.parametrize("name", ["cloudpickle", "millstream", "pyarrow", "msgspec"])
def test_a_version_is_the_one_that_python_knows(name: str) -> None:
    assert version_of(name) == importlib.metadata.version(name)


def test_the_first_place_of_imports_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyarrow-0.1+local.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), str(tmp_path), *sys.path])
    assert version_of("pyarrow") == "0.1+local"


def test_a_distribution_of_another_kind_is_found_by_python_s_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "oldtimer.egg-info").mkdir()
    (tmp_path / "oldtimer.egg-info/PKG-INFO").write_text("Metadata-Version: 1.0\nName: oldtimer\nVersion: 1.5\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert version_of("oldtimer") == "1.5"


def test_what_nobody_has_installed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_of("no-such-distribution") is None
    monkeypatch.setattr(sys, "path", [])
    assert own_version() == "0+not.installed"


def test_those_that_must_agree_are_all_known() -> None:
    assert "none" not in (own_versions().cloudpickle, own_versions().pyarrow)
