"""A source of what a test lists: records, with times or without, and moments at which there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.connectors import (
    Boundedness,
    Read,
    Source,
    SourceContext,
    SplitEnumerator,
    SplitReader,
)
from millstream_dataflow.records import RowBatch
from tests.support.slow_reader import SlowReader


@dataclass(frozen=True)
class Nothing:
    """In a list of records: none comes before that time, milliseconds; None: the reader doesn't know."""

    until: int | None


@dataclass(frozen=True)
class ListSource(Source[tuple[Any, ...]]):
    """Splits that are tuples of items: a value, a (value, time) pair if `timed`, a Nothing, or None for `nothing at
    the moment`.
    """

    splits: tuple[tuple[Any, ...], ...]
    timed: bool = False
    has_enumerator: bool = False
    boundedness: Boundedness = Boundedness.BOUNDED
    batch: int = 2  # records that are read at once
    discovery_interval: int | None = None
    slow: bool = False  # each batch is fetched in a thread, and waited for

    def static_splits(self, parallelism: int) -> Sequence[tuple[Any, ...]]:
        return self.splits

    def create_enumerator(self, context: SourceContext, state: int | None) -> "ListEnumerator":
        return ListEnumerator(self.splits, state, one_at_a_time=self.discovery_interval is not None)

    def create_reader(self, context: SourceContext, split: tuple[Any, ...], position: int | None) -> SplitReader:
        reader = ListReader(self, split, position or 0)
        return SlowReader(context, reader) if self.slow else reader


class ListEnumerator(SplitEnumerator[tuple[Any, ...]]):
    """Gives all splits at once, or one at a discovery."""

    def __init__(self, splits: Sequence[tuple[Any, ...]], state: int | None, *, one_at_a_time: bool) -> None:
        self.splits = splits
        self.given = state or 0
        self.one_at_a_time = one_at_a_time

    def discover(self) -> Sequence[tuple[Any, ...]]:
        end = self.given + 1 if self.one_at_a_time else len(self.splits)
        found = self.splits[self.given : end]
        self.given = min(end, len(self.splits))
        return found

    def snapshot(self) -> int:
        return self.given


class ListReader(SplitReader):
    """Reads a list."""

    def __init__(self, source: ListSource, split: tuple[Any, ...], position: int) -> None:
        self.source = source
        self.split = split
        self.next = position

    def read(self, limit: int) -> Read:
        if self.next < len(self.split) and (nothing := _nothing(self.split[self.next])):
            self.next += 1
            return Read(ready_at=nothing.until)
        end = self.next
        while end < min(len(self.split), self.next + min(limit, self.source.batch)) and not _nothing(self.split[end]):
            end += 1
        items = list(self.split[self.next : end])
        self.next = end
        bounded = self.source.boundedness is Boundedness.BOUNDED
        ended = bounded and end >= len(self.split)
        if not items:
            return Read(ended=ended)
        if self.source.timed:
            return Read(RowBatch([item[0] for item in items], [item[1] for item in items]), ended=ended)
        return Read(RowBatch(items), ended=ended)

    def position(self) -> int:
        return self.next


def _nothing(item: object) -> Nothing | None:
    if item is None:
        return Nothing(None)
    return item if isinstance(item, Nothing) else None
