"""The tokens of clients: who has none of them isn't served, and none is ever in a log."""

import logging
import os
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.security import AcceptedTokens, accepted_tokens, authorization, client_token, shown_token

ONE, OTHER = "first-token-of-a-test", "other-token-of-a-test"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.touch(0o600)
    path.write_text(f"# of people\n\n  {ONE} \r\n# of machines\n{OTHER}\n", encoding="utf-8")
    return path


def configured(file: Path) -> Configuration:
    return Configuration().with_text("security.token-file", str(file))


@pytest.fixture
def tokens(file: Path) -> AcceptedTokens:
    found = accepted_tokens(configured(file))
    assert found is not None
    return found


def test_without_the_key_there_are_none() -> None:
    assert accepted_tokens(Configuration()) is None
    assert client_token(Configuration()) is None


def test_each_line_is_accepted_and_nothing_else(tokens: AcceptedTokens) -> None:
    assert tokens.accepts(ONE)
    assert tokens.accepts(OTHER)
    for wrong in ("", ONE[:-1], f"{ONE}x", f"{ONE}\n{OTHER}", "# of people", "of people", "\udcff", "é" * 20):
        assert not tokens.accepts(wrong)


def test_a_client_shows_the_first(file: Path, tokens: AcceptedTokens) -> None:
    token = client_token(configured(file))
    assert token == ONE
    assert authorization(token) == ("authorization", f"Bearer {ONE}")
    assert tokens.accepts(shown_token([("user-agent", "x"), authorization(token)]))


@pytest.mark.parametrize(
    "metadata",
    [None, [], [("authorization", ONE)], [("authorization", f"Basic {ONE}")], [("authorization", b"Bearer x")]],
)
def test_a_call_that_shows_none_is_refused(
    tokens: AcceptedTokens, metadata: list[tuple[str, str | bytes]] | None
) -> None:
    assert shown_token(metadata) == ""
    assert not tokens.accepts(shown_token(metadata))


def test_the_file_is_read_again_when_it_changed(file: Path, tokens: AcceptedTokens) -> None:
    file.write_text(f"{OTHER}\nshort\n", encoding="utf-8")
    assert not tokens.accepts(ONE)
    assert tokens.accepts(OTHER)
    assert not tokens.accepts("short")


@pytest.mark.parametrize("case", ["gone", "empty"])
def test_a_file_that_holds_none_any_more_lets_nobody_in(
    file: Path, tokens: AcceptedTokens, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    if case == "gone":
        file.unlink()
    else:
        file.write_bytes(b"")
    assert not tokens.accepts(ONE)
    assert not tokens.accepts("")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    file.write_text(ONE, encoding="utf-8")
    assert tokens.accepts(ONE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "there is no token in it"),
        ("# none\n\n", "there is no token in it"),
        (f"{ONE}\nfifteen-letters\n", "token 2 of it has under 16 characters"),
    ],
)
def test_at_start_a_file_that_can_t_protect_is_a_mistake(file: Path, content: str, reason: str) -> None:
    file.write_text(content, encoding="utf-8")
    for use in (accepted_tokens, client_token):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            use(configured(file))
        (problem,) = caught.value.problems
        assert (problem.key, problem.value) == ("security.token-file", str(file))
        assert "fifteen" not in str(problem)


def test_at_start_a_file_that_isn_t_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        accepted_tokens(configured(tmp_path / "none"))


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o400, 0), (0o440, 0), (0o644, 1)])
def test_tokens_that_others_may_read_are_warned_of(
    file: Path, mode: int, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(mode)
    assert accepted_tokens(configured(file)) is not None
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warnings


def test_a_strangers_group_that_can_read_them_is_warned_of(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(0o440)
    stranger = file.stat().st_gid + 1
    monkeypatch.setattr("os.getegid", lambda: stranger)
    monkeypatch.setattr("os.getgroups", lambda: [stranger])
    assert accepted_tokens(configured(file)) is not None
    assert len(caplog.records) == 1


def test_a_secret_s_file_behind_links_is_read_again_when_its_link_moves(tmp_path: Path) -> None:
    for version, token in (("v1", ONE), ("v2", OTHER)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tokens").write_text(token, encoding="utf-8")
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "tokens").symlink_to("data/tokens")
    tokens = accepted_tokens(configured(tmp_path / "tokens"))
    assert tokens is not None
    assert tokens.accepts(ONE)
    (tmp_path / "new").symlink_to("v2")
    os.replace(tmp_path / "new", tmp_path / "data")  # noqa: PTH105  # as Kubernetes does it
    assert not tokens.accepts(ONE)
    assert tokens.accepts(OTHER)


def test_no_token_is_in_a_log_or_an_object(
    file: Path, tokens: AcceptedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens.accepts("a-token-that-is-wrong")
        file.write_text(f"{OTHER}\n{ONE}\n", encoding="utf-8")
        tokens.accepts(ONE)
    seen = caplog.text + repr(vars(tokens))
    assert all(token not in seen for token in (ONE, OTHER, "a-token-that-is-wrong"))
