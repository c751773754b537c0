"""Law 5 as stories.

Lines: `task CHANNELS`, `restored CHANNELS REASON`, `end of data CHANNEL REASON`, `exhausted REASON`, `emitted`,
`completed [last]`, `end CHANNEL`, `data CHANNEL`.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from millstream_dataflow.records import EndReason
from millstream_taskmanager.task.ending import AnnounceEnd, Close, Ending, Finish, Step
from millstream_taskmanager.task.protocol import ProtocolError
from tests.stories.runner import check, stories


class EndingTeller:
    """One task's ending."""

    def __init__(self) -> None:
        self.ending = Ending(0)

    def __call__(self, line: str) -> Iterable[str]:
        try:
            steps = self.steps(line.split())
        except ProtocolError as error:
            return [f"refused: {error}"]
        finished = ", counts as finished" if self.ending.finished else ""
        return [*map(said, steps), f"({self.ending.phase.value}{finished})"]

    def steps(self, words: list[str]) -> Iterable[Step]:
        """Do what the words say."""
        match words:
            case ["task", channels]:
                self.ending = Ending(int(channels))
                return self.ending.start()
            case ["restored", channels, reason]:
                self.ending = Ending(int(channels), restored=EndReason(reason))
                return self.ending.start()
            case ["end", "of", "data", channel, reason]:
                return self.ending.end_of_data(int(channel), EndReason(reason))
            case ["exhausted", reason]:
                return self.ending.exhausted(EndReason(reason))
            case ["emitted"]:
                return self.ending.emitted()
            case ["completed", *last]:
                return self.ending.completed(last=last == ["last"])
            case ["end", channel]:
                self.ending.end(int(channel))
            case ["data", channel]:
                self.ending.check_data(int(channel))
            case _:
                raise AssertionError(words)
        return []


def said(step: Step) -> str:
    """A step as a line."""
    match step:
        case Finish(fire):
            return "finish: fire the highest watermark" if fire else "finish: fire nothing"
        case AnnounceEnd(reason):
            return f"announce the end: {reason.value}"
        case Close():
            return "close"


@pytest.mark.parametrize("path", stories("ending"), ids=lambda path: path.stem)
def test_law_5(path: Path, rewrite: bool) -> None:
    check(path, EndingTeller(), rewrite=rewrite)
