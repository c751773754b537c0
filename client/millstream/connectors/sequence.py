"""The whole numbers from one to another as a source: `from_sequence`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from millstream_dataflow.connectors import Read, Source, SourceContext, SplitReader
from millstream_dataflow.records import RowBatch


class Numbers(NamedTuple):
    """A split: the numbers from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, init=False)
class NumberSequenceSource(Source[Numbers]):
    """Gives `first` to `last`, both included, as ints. Each subtask reads one run of them, in order.

    A split's position is its next number.
    """

    first: int
    last: int
    has_enumerator = False

    def __init__(self, start: int, end: int) -> None:
        """`start` and `end` are PyFlink's names; the fields are called as in what earlier versions have stored."""
        object.__setattr__(self, "first", start)
        object.__setattr__(self, "last", end)

    def static_splits(self, parallelism: int) -> Sequence[Numbers]:
        """Runs of about equal length, one a subtask; fewer when there are fewer numbers."""
        count = max(self.last - self.first + 1, 0)
        runs = min(parallelism, count)
        borders = [self.first + count * i // runs for i in range(runs + 1)] if runs else [self.first]
        return [Numbers(start, end - 1) for start, end in pairwise(borders)]

    def create_reader(self, context: SourceContext, split: Numbers, position: int | None) -> SplitReader:
        """From the run's first number, or from where a reader stopped."""
        return _NumbersReader(split, split.first if position is None else position)


class _NumbersReader(SplitReader):
    def __init__(self, numbers: Numbers, following: int) -> None:
        self._last = numbers.last
        self._next = following

    def read(self, limit: int) -> Read:
        """The next numbers, the last of them together with the end."""
        end = min(self._next + limit, self._last + 1)
        numbers = list(range(self._next, end))
        self._next = end
        return Read(RowBatch(numbers) if numbers else None, ended=end > self._last)

    def position(self) -> int:
        """The next number."""
        return self._next
