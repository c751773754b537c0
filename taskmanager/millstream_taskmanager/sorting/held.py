"""How many bytes records take in memory, about: a few of each batch are looked at, each with what it holds directly.

What several of those hold together (the names of rows, say) counts once; what one holds far below counts less than it
takes, and is bounded by what a batch has.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Any, Final, cast

_SAMPLE: Final = 8  # records of a batch, spread over it
_ITEMS: Final = 16  # items of one collection that are looked at; the others count like them
_DEPTH: Final = 3
_COLUMNS: Final = 32  # bytes of a record's hash, time and place, and of its place in a list
_BATCH: Final = 1_000  # bytes of a batch's lists and arrays without what is in them: many are of one record
_FIRST_GUESS: Final = 256.0  # bytes of a record before any has come


class HeldBytes:
    """A sum over batches."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._records = 0

    @property
    def of_record(self) -> float:
        """Bytes of a record of those that are held, on average."""
        return self._sum / self._records if self._records else _FIRST_GUESS

    def add(self, values: Sequence[Any]) -> float:
        """A batch more; gives the bytes of all."""
        sample = values[:: max(1, len(values) // _SAMPLE)]
        seen = set[int]()
        of_record = _COLUMNS + sum(_size(value, _DEPTH, seen) for value in sample) / len(sample)
        self._sum += _BATCH + of_record * len(values)
        self._records += len(values)
        return self._sum

    def forget(self) -> None:
        """They are gone."""
        self._sum = 0.0
        self._records = 0


def _size(value: object, depth: int, seen: set[int]) -> float:
    if id(value) in seen or isinstance(value, type | Enum):
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value, 64)
    if depth == 0 or isinstance(value, str | bytes | bytearray | int | float):
        return size
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return size + _items(mapping.keys(), depth, seen) + _items(mapping.values(), depth, seen)
    if isinstance(value, tuple | list | set | frozenset):
        return size + _items(cast("Collection[object]", value), depth, seen)
    return size + _items(list(_attributes(value)), depth, seen)


def _attributes(value: object) -> Iterator[object]:
    """Of a record of somebody's class, a `Row` or a dataclass, say."""
    yield from cast("Mapping[str, object]", getattr(value, "__dict__", {})).values()
    kind: Any = type(value)
    for name in _slots(kind):
        yield getattr(value, name, None)


@lru_cache(maxsize=1_024)
def _slots(kind: type[Any]) -> tuple[str, ...]:
    """The slots that a class and its bases name, as they are found from outside."""
    found: list[str] = []
    for base in kind.__mro__:
        named: str | Collection[str] = base.__dict__.get("__slots__", ())
        for name in (named,) if isinstance(named, str) else named:
            if name in {"__dict__", "__weakref__"}:
                continue
            private = name.startswith("__") and not name.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple(found)


def _items(items: Collection[object], depth: int, seen: set[int]) -> float:
    count = len(items)
    if not count:
        return 0
    looked_at = min(count, _ITEMS)
    return sum(_size(item, depth - 1, seen) for item in islice(items, looked_at)) * count / looked_at
