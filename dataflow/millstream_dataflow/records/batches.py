"""Batches: the unit of flow. A record object per value would cost four times as much (measured), so values and times
lie apart.

A batch belongs to whoever holds it last: an operator may hand on the lists of the batch it got, and may change none
that it has handed on.

A program that only describes its rows, and what plans its job, need neither numpy nor Arrow: 0.25 s of imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Times = npt.NDArray[np.int64]


def __getattr__(name: str) -> object:
    if name != "Times":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np  # noqa: PLC0415  # see the module
    import numpy.typing as npt  # noqa: PLC0415  # see the module

    return npt.NDArray[np.int64]


@dataclass(slots=True)
class RowBatch:
    """Python values and, parallel to them, their event times in milliseconds (None: this stream has no times)."""

    values: list[Any]
    timestamps: list[int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, end: int) -> RowBatch:
        """The rows from `start` to before `end`."""
        return RowBatch(self.values[start:end], None if self.timestamps is None else self.timestamps[start:end])


@dataclass(slots=True)
class ColumnBatch:
    """Arrow columns and, parallel to their rows, event times in milliseconds (None: this stream has no times)."""

    columns: pa.RecordBatch
    timestamps: Times | None = None

    def __len__(self) -> int:
        return self.columns.num_rows

    def slice(self, start: int, end: int) -> ColumnBatch:
        """The rows from `start` to before `end`, not copied."""
        timestamps = None if self.timestamps is None else self.timestamps[start:end]
        return ColumnBatch(self.columns.slice(start, end - start), timestamps)


Batch = RowBatch | ColumnBatch


def times_list(timestamps: Sequence[int] | Times | None) -> list[int] | None:
    """Times as rows carry them."""
    if timestamps is None:
        return None
    return list(timestamps) if isinstance(timestamps, Sequence) else timestamps.tolist()
