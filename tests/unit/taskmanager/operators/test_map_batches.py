"""Columns by the batch."""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.operators.specifications import MapBatchesSpecification
from millstream_dataflow.records import ColumnBatch
from millstream_taskmanager.operators.base import SLICE
from millstream_taskmanager.operators.map_batches import MapBatchesOperator
from millstream_taskmanager.user_code.errors import UserCodeError
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
    with pytest.raises(UserCodeError, match="returned 1 row for 2") as raised:
        list(opened(lambda columns: columns.slice(1)).process(0, ColumnBatch(numbers(2), np.array([1, 2]))))
    assert raised.value.record == "<2 rows of n: int64>"


def test_something_else_is_refused() -> None:
    with pytest.raises(UserCodeError, match=r"returned builtins\.dict"):
        list(opened(lambda columns: columns.to_pydict()).process(0, ColumnBatch(numbers(2))))


def test_a_mistake_of_ours_with_what_it_returned_is_not_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millstream_taskmanager.operators.map_batches._MEMORY", None)
    with pytest.raises(TypeError):
        list(opened(lambda _: numbers(1)).process(0, ColumnBatch(numbers(2))))


# ---------------------------------------------------------------------------------------------- whose memory it is


def memory(columns: pa.RecordBatch) -> Any:  # noqa: ANN401  # numpy takes Arrow's buffers, and its stubs don't say so
    """That of the first column's values."""
    return columns.columns[0].buffers()[1]


def written(columns: pa.RecordBatch) -> pa.RecordBatch:
    """Writes into what it was given, if it can."""
    np.frombuffer(memory(columns), np.int64)[:] = 99
    return columns


def test_a_function_cannot_write_what_others_have_as_well() -> None:
    shared = numbers(3)
    with pytest.raises(UserCodeError, match="read-only"):
        list(opened(written).process(0, ColumnBatch(shared)))
    assert shared.to_pydict() == {"n": [0, 1, 2]}


class Refilled:
    """Gives the same memory each time, with other numbers in it."""

    def __init__(self) -> None:
        self.memory = np.zeros(2, np.int64)

    def __call__(self, columns: pa.RecordBatch) -> pa.RecordBatch:
        self.memory += 1
        return pa.RecordBatch.from_arrays([columns.column("n"), pa.array(self.memory)], ["n", "count"])


def test_what_a_function_keeps_is_not_what_it_has_given() -> None:
    operator = opened(Refilled())
    batches = [batch for _ in range(2) for batch in operator.process(0, ColumnBatch(numbers(2)))]
    given = [batch.columns.to_pydict() for batch in batches if isinstance(batch, ColumnBatch)]
    assert given == [{"n": [0, 1], "count": [1, 1]}, {"n": [0, 1], "count": [2, 2]}]


def dictionaries(values: pa.Array[Any]) -> pa.Array[Any]:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), values)


@pytest.mark.parametrize(
    "made",
    [
        lambda values: pa.Array.from_buffers(
            pa.int64(), 2, [None, pa.py_buffer(memoryview(values.buffers()[1]).toreadonly())]
        ),
        dictionaries,
        lambda values: dictionaries(pa.StructArray.from_arrays([values], ["n"])),
        lambda values: pa.StructArray.from_arrays([dictionaries(values)], ["n"]),
        lambda values: pa.ExtensionArray.from_storage(
            pa.opaque(dictionaries(values).type, "a", "b"), dictionaries(values)
        ),
        lambda values: pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), dictionaries(values)),
    ],
    ids=["a view", "a dictionary", "a dictionary of structs", "in a struct", "in an extension", "in a list"],
)
def test_memory_that_a_function_keeps_is_copied_wherever_it_lies(made: Callable[[Any], pa.Array[Any]]) -> None:
    kept = np.array([1, 2])
    operator = opened(lambda _: pa.RecordBatch.from_arrays([made(pa.array(kept))], ["n"]))
    [batch] = operator.process(0, ColumnBatch(numbers(2)))
    assert isinstance(batch, ColumnBatch)
    before = batch.columns.to_pylist()
    kept[:] = 99
    assert batch.columns.to_pylist() == before
    assert "99" not in str(before)


def test_of_a_part_of_a_large_array_the_part_is_copied() -> None:
    kept = pa.array(np.arange(100_000))
    operator = opened(lambda _: pa.RecordBatch.from_arrays([kept.slice(500, 2)], ["n"]))
    [batch] = operator.process(0, ColumnBatch(numbers(2)))
    assert isinstance(batch, ColumnBatch)
    assert batch.columns.to_pydict() == {"n": [500, 501]}
    assert batch.columns.get_total_buffer_size() < 1_000


@pytest.mark.parametrize("column", [pa.array([1, 2]), dictionaries(pa.array([1, 2]))], ids=["numbers", "a dictionary"])
def test_what_is_handed_on_is_not_copied(column: pa.Array[Any]) -> None:
    columns = pa.RecordBatch.from_arrays([column], ["n"])
    [batch] = opened(lambda columns: columns.rename_columns(["m"]).slice(1)).process(0, ColumnBatch(columns))
    assert isinstance(batch, ColumnBatch)
    assert places(batch.columns) == places(columns)


def places(columns: pa.RecordBatch) -> list[int]:
    """Where the first column lies, its dictionary as well."""
    [column] = columns.columns
    whole = [column, column.dictionary] if isinstance(column, pa.DictionaryArray) else [column]
    return [buffer.address for array in whole for buffer in array.buffers() if buffer is not None]


def test_where_nobody_changes_records_columns_are_given_as_they_are() -> None:
    operator = MapBatchesOperator(MapBatchesSpecification(written), reuse=True)
    operator.open(OperatorBench().context())
    [batch] = operator.process(0, ColumnBatch(numbers(2)))
    assert isinstance(batch, ColumnBatch)
    assert batch.columns.to_pydict() == {"n": [99, 99]}
