"""What one consumer does to a record never shows in another."""

import re
import threading

import pyarrow as pa
import pytest

from millstream_dataflow.errors import SerializationError
from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.operators.copies import copied, copy_of
from millstream_taskmanager.operators.errors import failure_of
from tests.support.failing import GUILTY_LINE, KINDS, Failing, FailingOnce


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


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_record_whose_class_raises(kind: type[Exception], restartable: bool) -> None:
    record = Failing(kind)
    for copying in (lambda: copied(RowBatch([1, record])), lambda: copy_of(record)):
        with pytest.raises(SerializationError, match=rf"^{re.escape(repr(record))} has more .* be copied: ") as caught:
            copying()
        failure = failure_of(caught.value)
        assert failure.restartable is restartable
        assert failure.source_line.endswith(GUILTY_LINE)
        assert f"{kind.__name__}: {Failing.words}" in failure.traceback


def test_what_goes_away_at_once_is_no_error() -> None:
    assert isinstance(copy_of(FailingOnce(OSError)), FailingOnce)


def test_tuples_of_tuples_are_looked_through() -> None:
    fixed, open_ = ("a", (1, (2.5, None))), ("a", (1, ([2.5], None)))
    assert copy_of(fixed) is fixed
    assert copy_of(open_) == open_
    assert copy_of(open_)[1][1][0] is not open_[1][1][0]
