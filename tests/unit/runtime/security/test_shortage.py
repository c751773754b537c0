"""Certificates and tokens that change while they can't be read: a try that failed isn't the last."""

import logging
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import security
from millstream_runtime.security import AcceptedTokens, internal_tls
from millstream_runtime.security.renewing import AGAIN_S, Renewing
from millstream_runtime.security.setting_file import SettingFile
from millstream_runtime.security.tokens import KEPT_S
from tests.support.certificates import WorkingSet
from tests.support.shortage import no_descriptors

ONE, OTHER = "first-token-of-a-test", "other-token-of-a-test"


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> SettingFile:
    path = tmp_path / "file"
    path.touch(0o600)
    path.write_text(ONE, encoding="utf-8")
    found = SettingFile.of(Configuration().with_text(security.TOKEN_FILE.key, str(path)), security.TOKEN_FILE)
    assert found is not None
    return found


def test_a_reading_that_failed_is_tried_again_without_a_change(
    file: SettingFile, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    renewing = Renewing([file], file.read, clock)
    file.path.write_text(OTHER, encoding="utf-8")
    with no_descriptors():
        for _ in range(3):
            assert renewing.get() == ONE.encode()
            clock.now += AGAIN_S
    assert len(caplog.records) == 1
    clock.now -= 1
    assert renewing.get() == ONE.encode()
    clock.now += 1
    assert renewing.get() == OTHER.encode()


def test_a_reading_that_succeeded_is_not_repeated(file: SettingFile, clock: Clock) -> None:
    made: list[bytes] = []
    renewing = Renewing([file], lambda: made.append(file.read()), clock)
    file.path.write_text(OTHER, encoding="utf-8")
    for _ in range(3):
        renewing.get()
        clock.now += AGAIN_S
    assert made == [ONE.encode(), OTHER.encode()]


def test_a_renewed_certificate_that_can_t_be_read_leaves_the_former_in_use(working_set: WorkingSet) -> None:
    tls = internal_tls(working_set.configuration())
    assert tls is not None
    former = tls.server_context()
    working_set.stored(working_set.issued()).replace(working_set.cluster / "internal.pem")
    with no_descriptors():
        assert tls.server_context() is former


def test_tokens_that_can_t_be_read_at_the_moment_stay_good_for_a_while(
    file: SettingFile, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = AcceptedTokens(file, clock)
    file.path.write_text(OTHER, encoding="utf-8")
    end = clock.now + KEPT_S
    with no_descriptors():
        while clock.now < end:
            assert tokens.accepts(ONE)
            assert not tokens.accepts(OTHER)
            clock.now += AGAIN_S
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        for _ in range(3):
            assert not tokens.accepts(ONE)
            clock.now += AGAIN_S
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]
    assert tokens.accepts(OTHER)
    assert not tokens.accepts(ONE)


def test_tokens_that_are_gone_are_gone_at_once(file: SettingFile, clock: Clock) -> None:
    """Also where they couldn't be read before."""
    tokens = AcceptedTokens(file, clock)
    file.path.write_text(OTHER, encoding="utf-8")
    with no_descriptors():
        assert tokens.accepts(ONE)
    file.path.unlink()
    assert not tokens.accepts(ONE)
    file.path.write_text(ONE, encoding="utf-8")
    assert tokens.accepts(ONE)
