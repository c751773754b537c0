"""How many bytes records take in memory, about: a few of each batch are looked at, each with what it holds directly.

A record that shares its strings with others counts them each time, and one that holds much far below counts less than
it takes; both are bounded by what a batch has.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

_SAMPLE: Final = 8  # records of a batch, spread over it
_ITEMS: Final = 16  # items of one collection that are looked at; the others count like them
_DEPTH: Final = 3
_COLUMNS: Final = 32  # bytes of a record's hash, time and place, and of its place in a list
_FIRST_GUESS: Final = 256.0  # bytes of a record before any has come


class HeldBytes:
    """A sum over batches."""

    def __init__(self) -> None:
        self._sum = 0.0
        self.of_record = _FIRST_GUESS
        """Bytes of a record of the last batch."""

    def add(self, values: Sequence[Any]) -> float:
        """A batch more; gives the bytes of all."""
        sample = values[:: max(1, len(values) // _SAMPLE)]
        self.of_record = _COLUMNS + sum(_size(value, _DEPTH) for value in sample) / len(sample)
        self._sum += self.of_record * len(values)
        return self._sum

    def forget(self) -> None:
        """They are gone."""
        self._sum = 0.0


def _size(value: object, depth: int) -> float:
    size = sys.getsizeof(value, 64)
    if depth == 0 or isinstance(value, str | bytes | bytearray | int | float):
        return size
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return size + _items(mapping.keys(), depth) + _items(mapping.values(), depth)
    if isinstance(value, tuple | list | set | frozenset):
        return size + _items(cast("Collection[object]", value), depth)
    attributes = cast("Mapping[str, object] | None", getattr(value, "__dict__", None))
    return size + (_items(attributes.values(), depth) if attributes else 0)


def _items(items: Collection[object], depth: int) -> float:
    count = len(items)
    if not count:
        return 0
    looked_at = min(count, _ITEMS)
    return sum(_size(item, depth - 1) for item in islice(items, looked_at)) * count / looked_at
