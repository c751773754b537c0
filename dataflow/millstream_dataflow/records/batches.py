"""Batches: the unit of flow. A record object per value would cost four times as much (measured), so values and times
lie apart.

A batch belongs to whoever holds it last: an operator may hand on the lists of the batch it got, and may change none
that it has handed on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Times = npt.NDArray[np.int64]


@dataclass(slots=True)
class RowBatch:
    """Python values and, parallel to them, their event times in milliseconds (None: this stream has no times)."""

    values: list[Any]
    timestamps: list[int] | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(slots=True)
class ColumnBatch:
    """Arrow columns and, parallel to their rows, event times in milliseconds (None: this stream has no times)."""

    columns: pa.RecordBatch
    timestamps: Times | None = None

    def __len__(self) -> int:
        return self.columns.num_rows


Batch = RowBatch | ColumnBatch


def times_list(timestamps: Sequence[int] | Times | None) -> list[int] | None:
    """Times as rows carry them."""
    if timestamps is None:
        return None
    return timestamps.tolist() if isinstance(timestamps, np.ndarray) else list(timestamps)
