"""Columns by the batch."""

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.operators.specifications import MapBatchesSpecification
from millstream_dataflow.records import ColumnBatch
from millstream_taskmanager.operators.base import SLICE
from millstream_taskmanager.operators.errors import UserCodeError
from millstream_taskmanager.operators.map_batches import MapBatchesOperator
from tests.support.tasks import OperatorBench


def opened(function: object) -> MapBatchesOperator:
    operator = MapBatchesOperator(MapBatchesSpecification(function))
    operator.open(OperatorBench().context())
    return operator


def numbers(count: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"n": pa.array(range(count), pa.int64())})


def test_rows_keep_their_times() -> None:
    times = np.array([7, 8], np.int64)
    [batch] = opened(lambda columns: columns.rename_columns(["m"])).process(0, ColumnBatch(numbers(2), times))
    assert isinstance(batch, ColumnBatch)
    assert batch.columns.to_pydict() == {"m": [0, 1]}
    assert batch.timestamps is not None
    assert batch.timestamps.tolist() == [7, 8]


def test_without_times_there_may_be_fewer_or_more() -> None:
    assert list(opened(lambda columns: columns.slice(0, 0)).process(0, ColumnBatch(numbers(2)))) == []
    big = numbers(SLICE + 1)
    batches = list(opened(lambda _: big).process(0, ColumnBatch(numbers(2))))
    assert [len(batch) for batch in batches if isinstance(batch, ColumnBatch)] == [SLICE, 1]


def test_with_times_there_must_be_as_many() -> None:
    with pytest.raises(UserCodeError, match="returned 1 rows for 2") as raised:
        list(opened(lambda columns: columns.slice(1)).process(0, ColumnBatch(numbers(2), np.array([1, 2]))))
    assert raised.value.record == "<2 rows of n: int64>"


def test_something_else_is_refused() -> None:
    with pytest.raises(UserCodeError, match=r"returned builtins\.dict"):
        list(opened(lambda columns: columns.to_pydict()).process(0, ColumnBatch(numbers(2))))
