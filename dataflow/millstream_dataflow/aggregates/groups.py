"""The rows of a batch by key and period of time, without a Python object for each row."""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from millstream_dataflow.expressions.arrow_kinds import Column, compute

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows in the order of their groups, within a group as they came."""

    order: I64
    starts: I64
    """Where in the order each group begins."""
    firsts: I64
    """The first row of each group."""

    @property
    def sizes(self) -> I64:
        """How many rows each group has."""
        return np.diff(self.starts, append=len(self.order))

    def __len__(self) -> int:
        return len(self.starts)

    def sliced(self, values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The values of each group."""
        return np.split(values[self.order], self.starts[1:])


def grouped(keys: Column, periods: I64) -> Groups:
    """The groups of rows with one key and one period. NaN is one key, null is one too."""
    codes = _codes(keys)
    combined = codes
    if len(periods) and periods.min() != periods.max():
        _, numbers = np.unique(periods, return_inverse=True)
        combined = codes * (int(numbers.max()) + 1) + numbers
    order = np.argsort(combined, kind="stable")
    ordered = combined[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(order) else order
    return Groups(order, starts, order[starts])


def _codes(keys: Column) -> I64:
    """A number for each distinct key."""
    if pa.types.is_null(keys.type):
        return np.zeros(len(keys), np.int64)
    if isinstance(keys, pa.DictionaryArray):
        keys = compute.cast(keys, cast("Any", keys.type).value_type)
    encoded = compute.dictionary_encode(keys, null_encoding="encode")
    codes: I64 = cast("Any", encoded).indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
