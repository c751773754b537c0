"""Law 4.2 as stories.

Lines: `task 2 exactly-once`, `barrier CHANNEL ID`, `trigger ID`, `end CHANNEL`, `abort ID [older]`, `leader lost|back`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier
from millstream_taskmanager.task.alignment import (
    Alignment,
    Block,
    Decision,
    Decline,
    Forget,
    Guarantee,
    TakeSnapshot,
    Unblock,
)
from tests.stories.runner import check, stories


class AlignmentTeller:
    """One task's alignment."""

    def __init__(self) -> None:
        self.alignment = Alignment(0, Guarantee.EXACTLY_ONCE)

    def __call__(self, line: str) -> Iterator[str]:
        return map(said, self.decisions(line.split()))

    def decisions(self, words: list[str]) -> list[Decision]:
        """Do what the words say."""
        match words:
            case ["task", channels, guarantee]:
                self.alignment = Alignment(int(channels), Guarantee(guarantee.replace("-", " ")))
                return []
            case ["barrier", channel, number]:
                return self.alignment.barrier(int(channel), Barrier(CheckpointId(int(number))))
            case ["trigger", number]:
                return self.alignment.trigger(Barrier(CheckpointId(int(number))))
            case ["end", channel]:
                return self.alignment.end(int(channel))
            case ["abort", number, *older]:
                return self.alignment.abort(CheckpointId(int(number)), older_too=older == ["older"])
            case ["leader", word]:
                return self.alignment.leader(present=word == "back")
            case _:
                raise AssertionError(words)


def said(decision: Decision) -> str:
    """A decision as a line."""
    match decision:
        case Block(channel):
            return f"block {channel}"
        case Unblock(channels):
            return f"unblock {' '.join(map(str, channels))}"
        case TakeSnapshot(barrier):
            return f"snapshot {barrier.checkpoint}"
        case Forget(checkpoint, older_too):
            return f"forget {checkpoint}{' and older' if older_too else ''}"
        case Decline(checkpoint, reason):
            return f"decline {checkpoint}: {reason}"


@pytest.mark.parametrize("path", stories("alignment"), ids=lambda path: path.stem)
def test_law_4_2(path: Path, rewrite: bool) -> None:
    check(path, AlignmentTeller(), rewrite=rewrite)
