"""What one consumer does to a record never shows in another."""

import threading

import pyarrow as pa
import pytest

from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.operators.copies import copied, copy_of


@pytest.mark.parametrize("values", [[1, "a", None], [(1, "a"), (2.5, b"")], []], ids=["plain", "tuples", "empty"])
def test_immutable_values_are_shared(values: list[object]) -> None:
    batch = RowBatch(values)
    assert copied(batch) is batch


def test_columns_are_shared() -> None:
    batch = ColumnBatch(pa.RecordBatch.from_pydict({"n": [1]}))
    assert copied(batch) is batch


@pytest.mark.parametrize("value", [[1], {"a": [1]}, (1, [2])], ids=["list", "dict", "list in a tuple"])
def test_mutable_values_are_copied(value: object) -> None:
    batch = RowBatch([1, value], [3, 4])
    other = copied(batch)
    assert other == batch
    assert other is not batch
    assert isinstance(other, RowBatch)
    assert other.values[1] is not value


def test_what_cannot_be_pickled_is_copied_too() -> None:
    class Local:
        def __init__(self) -> None:
            self.items = [1]

    original = Local()
    other = copied(RowBatch([original]))
    assert isinstance(other, RowBatch)
    other.values[0].items.append(2)
    assert original.items == [1]


def test_what_cannot_be_copied_at_all_says_so() -> None:
    with pytest.raises(TypeError, match="lock"):
        copied(RowBatch([threading.Lock()]))


def test_tuples_of_tuples_are_looked_through() -> None:
    fixed, open_ = ("a", (1, (2.5, None))), ("a", (1, ([2.5], None)))
    assert copy_of(fixed) is fixed
    assert copy_of(open_) == open_
    assert copy_of(open_)[1][1][0] is not open_[1][1][0]
