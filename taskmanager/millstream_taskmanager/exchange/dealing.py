"""A batch dealt out to channels: the target of each row is known, the rows of each target become a batch, in their
order.
"""

from collections.abc import Iterator
from itertools import compress
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from millstream_dataflow.records import Batch, ColumnBatch, RowBatch

Targets = npt.NDArray[np.int16]
"""A channel's position for each row. In 16 bits numpy sorts by radix: 0.15 ms for 32 k, of 64 bits 1.2 ms."""

Part = tuple[int, Batch]
"""A channel's position, and what goes there."""

_FEW = 4  # channels: see `deal`


def deal(batch: Batch, targets: Targets, channels: int) -> Iterator[Part]:
    """The parts of a batch that are not empty.

    Rows are picked for each of a few channels, and sorted by target and cut for many. Measured for 4 k tuples with
    times on a busy machine, nanoseconds a row: 2 channels 78 and 127, 4 channels 147 and 183, 8 channels 238 and 177.
    """
    if isinstance(batch, RowBatch) and channels <= _FEW:
        return _picked(batch, targets, channels)
    return _sorted(batch, targets, channels)


def _picked(batch: RowBatch, targets: Targets, channels: int) -> Iterator[Part]:
    for channel in range(channels):
        chosen = (targets == channel).tobytes()
        values = list(compress(batch.values, chosen))
        if values:
            yield (
                channel,
                RowBatch(values, None if (times := batch.timestamps) is None else list(compress(times, chosen))),
            )


def _sorted(batch: Batch, targets: Targets, channels: int) -> Iterator[Part]:
    order = np.argsort(targets, kind="stable")
    ends: list[int] = np.cumsum(np.bincount(targets, minlength=channels)).tolist()
    ordered = _ordered_rows(batch, order.tolist()) if isinstance(batch, RowBatch) else _ordered_columns(batch, order)
    start = 0
    for channel, end in enumerate(ends):
        if end > start:
            yield channel, _cut(ordered, start, end)
        start = end


def every_nth(batch: RowBatch, first: int, step: int) -> RowBatch:
    """Each `step`-th row from `first` on."""
    return RowBatch(batch.values[first::step], None if batch.timestamps is None else batch.timestamps[first::step])


def _ordered_rows(batch: RowBatch, order: list[int]) -> RowBatch:
    if len(order) == 1:  # itemgetter of one place gives the bare item
        return batch
    pick = itemgetter(*order)
    return RowBatch(list(pick(batch.values)), None if batch.timestamps is None else list(pick(batch.timestamps)))


def _ordered_columns(batch: ColumnBatch, order: npt.NDArray[np.intp]) -> ColumnBatch:
    return ColumnBatch(batch.columns.take(order), None if batch.timestamps is None else batch.timestamps[order])


def _cut(batch: Batch, start: int, end: int) -> Batch:
    if isinstance(batch, RowBatch):
        times = None if batch.timestamps is None else batch.timestamps[start:end]
        return RowBatch(batch.values[start:end], times)
    moments = None if batch.timestamps is None else batch.timestamps[start:end]
    return ColumnBatch(batch.columns.slice(start, end - start), moments)
