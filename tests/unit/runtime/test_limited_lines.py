"""What strangers do fills no log."""

import asyncio
import logging

import pytest

from millstream_runtime import limited_lines
from millstream_runtime.limited_lines import LimitedLines

LOG = logging.getLogger("test.lines")
TEXT = "the connection from %s is closed"


async def test_one_line_of_a_kind_and_then_their_number(caplog: pytest.LogCaptureFixture) -> None:
    limited = LimitedLines(LOG)
    for number in range(1500):
        limited.say(logging.WARNING, TEXT, number)
    limited.say(logging.WARNING, "%s others are open", 5)
    assert caplog.messages == ["the connection from 0 is closed", "5 others are open"]
    limited.close()
    assert caplog.messages[2:] == ["the connection from 1499 is closed; 1498 more like it since the line before"]


async def test_the_rest_is_said_after_a_while_and_then_the_next_at_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_lines, "BETWEEN_LINES", 0.02)
    limited = LimitedLines(LOG)
    for number in range(2):
        limited.say(logging.WARNING, TEXT, number)
    async with asyncio.timeout(20):
        while limited._kinds:  # noqa: ASYNC110  # nothing tells of a line but the log
            await asyncio.sleep(0.01)
    limited.say(logging.WARNING, TEXT, 2)
    assert caplog.messages == [f"the connection from {number} is closed" for number in range(3)]
    limited.close()
