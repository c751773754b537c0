"""Jobs for tests with real processes: input whose every record is known, at a pace, and the truth in plain Python."""

import csv
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream_dataflow.connectors import Boundedness, Read, Source, SourceContext, SplitEnumerator, SplitReader
from millstream_dataflow.records import RowBatch

Event = tuple[int, int, int]
"""Key, value, time in milliseconds."""


def event(number: int, keys: int) -> Event:
    """Event `number` of a stream: every 10 ms one, keys in turn, a value that no other event has."""
    return number * 7 % keys, number, number * 10


@dataclass(frozen=True)
class PacedEvents(Source[tuple[int, int]]):
    """Events 0 to `count`, dealt out to splits in blocks.

    `held` is a file. While it exists each split is read at `rate` events a second (0: at once) and its last event is
    kept back: a test decides when the input ends. A split that was restored goes on at its pace from then.
    """

    count: int
    splits: int
    rate: int
    keys: int = 10
    held: str = ""
    boundedness: Boundedness = Boundedness.BOUNDED
    discovery_interval: int | None = None

    def create_enumerator(self, context: SourceContext, state: Any) -> "BlockEnumerator":  # noqa: ANN401  # the interface's
        return BlockEnumerator(self, given=bool(state))

    def create_reader(self, context: SourceContext, split: tuple[int, int], position: Any) -> "PacedReader":  # noqa: ANN401  # the interface's
        return PacedReader(self, context, split, split[0] if position is None else position)


class BlockEnumerator(SplitEnumerator[tuple[int, int]]):
    """Gives all blocks at once."""

    def __init__(self, source: PacedEvents, *, given: bool) -> None:
        self.source = source
        self.given = given

    def discover(self) -> Sequence[tuple[int, int]]:
        if self.given:
            return ()
        self.given = True
        size = -(-self.source.count // self.source.splits)
        starts = range(0, self.source.count, size)
        return [(start, min(start + size, self.source.count)) for start in starts]

    def snapshot(self) -> bool:
        return self.given


class PacedReader(SplitReader):
    """Reads a block at its pace."""

    def __init__(self, source: PacedEvents, context: SourceContext, split: tuple[int, int], position: int) -> None:
        self.source = source
        self.context = context
        self.end = split[1]
        self.next = position
        self.first = position
        self.started = context.now()

    def read(self, limit: int) -> Read:
        now = self.context.now()
        end = min(self.end, self.next + limit)
        if self.source.held and Path(self.source.held).exists():
            end = min(end, self.end - 1)
            if self.source.rate:
                end = min(end, self.first + (now - self.started) * self.source.rate // 1_000)
        if end <= self.next:
            return Read(ended=self.next >= self.end, ready_at=now + 10)
        events = [event(number, self.source.keys) for number in range(self.next, end)]
        self.next = end
        return Read(RowBatch(events, [moment for _, _, moment in events]), ended=end >= self.end)

    def position(self) -> int:
        return self.next


def truth(count: int, keys: int, window: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(window start, key) -> (events, sum of values), of all events."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for number in range(count):
        key, value, moment = event(number, keys)
        place = moment - moment % window, key
        events, total = found.get(place, (0, 0))
        found[place] = events + 1, total + value
    return found


def read_rows(directory: Path) -> Iterator[list[str]]:
    """All rows of the finished files of a CSV sink, without headers."""
    for part in sorted(directory.glob("part-*.csv")):
        with part.open(newline="", encoding="utf-8") as file:
            yield from list(csv.reader(file))[1:]


def window_rows(directory: Path) -> dict[tuple[int, int], tuple[int, int]]:
    """Rows `window_start,key,events,total`; fails when a window stands there twice."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    twice = Counter[tuple[int, int]]()
    for start, key, events, total in read_rows(directory):
        place = int(start), int(key)
        twice[place] += 1
        found[place] = int(events), int(total)
    assert not [place for place, count in twice.items() if count > 1], f"windows that came twice: {twice}"
    return found


def hidden_files(directory: Path) -> list[Path]:
    """What a sink has not finished."""
    return [path for path in directory.rglob("*") if path.is_file() and path.name.startswith((".", "_"))]


def sleep_for_ever(value: Any) -> Any:  # noqa: ANN401  # any record
    """A function that is stuck where Python can be interrupted."""
    time.sleep(3_600)
    return value


def compute_for_ever(value: Any) -> Any:  # noqa: ANN401  # any record
    """A function that is stuck in C code, holding the interpreter."""
    sum(range(1 << 60))
    return value
