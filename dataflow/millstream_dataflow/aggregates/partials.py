"""Accumulators of groups of rows, made of columns: what `add` would have made of each row, one after the other.

Numbers are added and compared by numpy, for all groups at once; of other values each group is asked by itself.
"""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from millstream_dataflow.aggregates.aggregate import Aggregate
from millstream_dataflow.aggregates.groups import Groups
from millstream_dataflow.aggregates.single import Count, Max, Mean, Min, Sum
from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.expressions import evaluated
from millstream_dataflow.expressions.arrow_kinds import Column, kind_of_arrow, normal
from millstream_dataflow.expressions.kinds import GREATEST, NUMBERS, Kind

Numbers = npt.NDArray[Any]


def partials(aggregate: Aggregate[Any, Any], batch: pa.RecordBatch, groups: Groups) -> list[Any]:
    """The accumulator of each group. Raises what says that a row can't be taken; the row itself says why."""
    if isinstance(aggregate, Count) and aggregate.counts_all:
        return _listed(groups.sizes)
    column = evaluated(aggregate.column, batch)
    if isinstance(aggregate, Count):
        return _listed(_counts(column, groups))
    column = cast("Column", normal(column))
    kind = kind_of_arrow(column.type)
    if kind is Kind.NULL:
        return [aggregate.create_accumulator() for _ in range(len(groups))]
    if isinstance(aggregate, Sum | Mean):
        if kind not in NUMBERS:
            raise InvalidTypesError(f"{aggregate!r} takes numbers, but got {kind.value}")
        return _sums(aggregate, column, groups)
    if kind in NUMBERS:
        return _extremes(aggregate, column, groups, is_float=kind is Kind.FLOAT)
    return _one_by_one(aggregate, column, groups)


def _listed(values: Numbers) -> list[Any]:
    listed: list[Any] = values.tolist()
    return listed


def _counts(column: Column, groups: Groups) -> npt.NDArray[np.int64]:
    valid = column.is_valid().to_numpy(zero_copy_only=False).astype(np.int64)
    return np.add.reduceat(valid[groups.order], groups.starts)


def _filled(column: Column, fill: float) -> Numbers:
    filled = column.fill_null(pa.scalar(fill, column.type)) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False)


def _sums(aggregate: Sum | Mean, column: Column, groups: Groups) -> list[Any]:
    counts: list[int] = _counts(column, groups).tolist()
    values = _filled(column, 0)
    if values.dtype == np.int64 and _may_overflow(values):
        totals: list[Any] = [sum(part.tolist()) for part in groups.sliced(values)]
    else:
        totals = _added(values, groups)
    if isinstance(aggregate, Mean):
        return [(count, total if count else 0) for count, total in zip(counts, totals, strict=True)]
    return [total if count else None for count, total in zip(counts, totals, strict=True)]


def _added(values: Numbers, groups: Groups) -> list[Any]:
    if values.dtype == np.int64:
        return _listed(np.add.reduceat(values[groups.order], groups.starts))
    # One after the other, as records are: `reduceat` adds floats pairwise.
    group_of = np.repeat(np.arange(len(groups)), groups.sizes)
    return _listed(np.bincount(group_of, values[groups.order], len(groups)))


def _may_overflow(values: Numbers) -> bool:
    largest = max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0
    return largest * len(values) > GREATEST


def _extremes(aggregate: Aggregate[Any, Any], column: Column, groups: Groups, *, is_float: bool) -> list[Any]:
    """By numpy where no value is missing, else one by one of those that are there."""
    if column.null_count or not isinstance(aggregate, Min | Max):
        return _one_by_one(aggregate, column, groups)
    values = _filled(column, 0)[groups.order]
    if isinstance(aggregate, Max):
        return _listed(np.maximum.reduceat(values, groups.starts))
    with np.errstate(invalid="ignore"):
        return _listed((np.fmin if is_float else np.minimum).reduceat(values, groups.starts))


def _one_by_one(aggregate: Aggregate[Any, Any], column: Column, groups: Groups) -> list[Any]:
    """Merging accumulators of one value each, which are the values."""
    values: Sequence[Any] = column.to_pylist()
    order, starts = groups.order.tolist(), [*groups.starts.tolist(), len(groups.order)]
    found: list[Any] = []
    for start, end in pairwise(starts):
        kept = aggregate.create_accumulator()
        for place in order[start:end]:
            kept = aggregate.merge(kept, values[place])
        found.append(kept)
    return found
