"""Law 7.3 as stories.

Lines: `task 0 0 1 [from TIME]` (the input of each channel), `watermark CHANNEL TIME`, `idle CHANNEL`, `active CHANNEL`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.records.controls import MIN_TIME, StreamStatus, Watermark
from millstream_taskmanager.operators.valve import Change, Valve
from tests.stories.runner import check, stories


class ValveTeller:
    """One task's valve."""

    def __init__(self) -> None:
        self.valve = Valve([0])

    def __call__(self, line: str) -> Iterator[str]:
        return map(said, self.changes(line.split()))

    def changes(self, words: list[str]) -> list[Change]:
        """Do what the words say."""
        match words:
            case ["task", *inputs, "from", time]:
                self.valve = Valve([int(number) for number in inputs], time=int(time))
                return []
            case ["task", *inputs]:
                self.valve = Valve([int(number) for number in inputs], time=MIN_TIME)
                return []
            case ["watermark", channel, time]:
                return self.valve.watermark(int(channel), Watermark(int(time)))
            case ["idle" | "active" as word, channel]:
                return self.valve.status(int(channel), StreamStatus(word == "idle"))
            case _:
                raise AssertionError(words)


def said(change: Change) -> str:
    """A change as a line."""
    match change:
        case Watermark(time):
            return f"watermark {time}"
        case StreamStatus(idle):
            return "idle" if idle else "active"


@pytest.mark.parametrize("path", stories("valve"), ids=lambda path: path.stem)
def test_law_7_3(path: Path, rewrite: bool) -> None:
    check(path, ValveTeller(), rewrite=rewrite)
