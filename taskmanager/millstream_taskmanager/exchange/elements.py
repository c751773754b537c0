"""How many bytes a batch counts: what it would be on the wire, about. Columns know it; rows are sampled, since a walk
through every value would cost more than moving it. No code of the user runs here, so nothing is pickled to be
measured.
"""

import sys
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, cast

import pyarrow as pa

from millstream_dataflow.records import Batch, RowBatch

_RENEWED_EVERY = 64  # batches: a walk over the sample costs 30 us, which is 0.5 us a batch
_SAMPLE = 16  # rows of a batch, spread over it
_ITEMS = 16  # items of one collection that are looked at; the others count like them
_DEPTH = 4  # collections in collections; below, Python's own figure
_TIME = 8  # bytes of a timestamp

# As msgpack has them, the longest form: the bound matters, not the byte.
_FLAT: dict[type, int] = {type(None): 1, bool: 1, int: 9, float: 9}
_TEXT = (str, bytes, bytearray)


class SizeEstimator:
    """Bytes of the batches of one edge."""

    __slots__ = ("_bytes_per_row", "_schema", "_until_sample", "_width")

    def __init__(self) -> None:
        self._bytes_per_row = 1.0
        self._until_sample = 0
        self._schema: pa.Schema | None = None
        self._width: float | None = None  # bytes of a row of that schema, where all have as many

    def size(self, batch: Batch) -> int:
        """At least 1, so that data is told from controls, which count nothing."""
        if not isinstance(batch, RowBatch):
            times = 0 if batch.timestamps is None else batch.timestamps.nbytes
            return max(1, self._columns_size(batch.columns) + times)
        if self._until_sample == 0:
            self._bytes_per_row = _bytes_per_row(batch.values)
            self._until_sample = _RENEWED_EVERY
        self._until_sample -= 1
        per_row = self._bytes_per_row if batch.timestamps is None else self._bytes_per_row + _TIME
        return max(1, int(per_row * len(batch.values)))

    def _columns_size(self, columns: pa.RecordBatch) -> int:
        """`nbytes` looks at every buffer: 9 us for four columns, where the width of a row is found in 0.7."""
        if self._schema is None or not self._schema.equals(columns.schema):
            self._schema = columns.schema
            self._width = _row_width(columns.schema)
        return columns.nbytes if self._width is None else int(self._width * columns.num_rows)


def _row_width(schema: pa.Schema) -> float | None:
    """Bytes, where no value is of a length of its own; None: some are, or lie in a dictionary."""
    if any(map(pa.types.is_dictionary, schema.types)):
        return None
    try:
        return sum(kind.bit_width for kind in schema.types) / 8
    except ValueError:
        return None


def _bytes_per_row(values: list[Any]) -> float:
    sample = values[:: max(1, len(values) // _SAMPLE)]
    return sum(_value_size(value, _DEPTH) for value in sample) / max(1, len(sample))


def _value_size(value: object, depth: int) -> float:
    kind = type(value)
    if (flat := _FLAT.get(kind)) is not None:
        return flat
    if isinstance(value, _TEXT):
        return 5 + len(value)
    if depth == 0:
        return sys.getsizeof(value, 64)
    if kind in {tuple, list, set, frozenset}:
        return 5 + _items_size(cast("Collection[object]", value), depth - 1)
    if kind is dict:
        mapping = cast("Mapping[object, object]", value)
        return 5 + _items_size(mapping, depth - 1) + _items_size(mapping.values(), depth - 1)
    return _object_size(value, depth - 1)


def _items_size(items: Collection[object], depth: int) -> float:
    if not items:
        return 0
    looked_at = min(len(items), _ITEMS)
    return sum(_value_size(item, depth) for item in islice(items, looked_at)) * len(items) / looked_at


def _object_size(value: object, depth: int) -> float:
    """An object is its attributes; one without any (an array, an extension's) says its own size."""
    attributes = cast("Mapping[str, object] | None", getattr(value, "__dict__", None))
    if not attributes:
        return sys.getsizeof(value, 64)
    return 5 + _items_size(attributes.values(), depth)
