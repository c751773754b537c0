"""Values of the program itself as a source: `from_collection`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.connectors import Read, Source, SourceContext, SplitReader
from millstream_dataflow.records import RowBatch


@dataclass(frozen=True)
class CollectionSource(Source[int]):
    """Gives the values in their order, once. They travel with the job, so this is for small inputs and for tests.

    One split, whose position is the index of the next value.
    """

    values: tuple[Any, ...]
    has_enumerator = False
    keeps_records = True

    @classmethod
    def of(cls, values: Iterable[Any]) -> "CollectionSource":
        """Takes the values out of any iterable, now."""
        return cls(tuple(values))

    def static_splits(self, parallelism: int) -> Sequence[int]:
        """One, of no further meaning."""
        return (0,)

    def create_reader(self, context: SourceContext, split: int, position: int | None) -> SplitReader:
        """From the first value, or from where a reader stopped."""
        return _CollectionReader(self.values, position or 0)


class _CollectionReader(SplitReader):
    def __init__(self, values: tuple[Any, ...], index: int) -> None:
        self._values = values
        self._index = index

    def read(self, limit: int) -> Read:
        """The next values, the last of them together with the end."""
        taken = self._values[self._index : self._index + limit]
        self._index += len(taken)
        batch = RowBatch(list(taken)) if taken else None
        return Read(batch, ended=self._index >= len(self._values))

    def position(self) -> int:
        """The index of the next value."""
        return self._index
