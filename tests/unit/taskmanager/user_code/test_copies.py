"""What one consumer does to a record never shows in another."""

import pickle
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pytest

from millstream_dataflow.errors import SerializationError
from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_dataflow.types import Row
from millstream_taskmanager.user_code.copies import copied, copy_of
from millstream_taskmanager.user_code.errors import failure_of
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
        assert "During handling" not in failure.traceback, "that it can't be pickled either"


def test_what_goes_away_at_once_is_no_error() -> None:
    assert isinstance(copy_of(FailingOnce(OSError)), FailingOnce)


def test_tuples_of_tuples_are_looked_through() -> None:
    fixed, open_ = ("a", (1, (2.5, None))), ("a", (1, ([2.5], None)))
    assert copy_of(fixed) is fixed
    assert copy_of(open_) == open_
    assert copy_of(open_)[1][1][0] is not open_[1][1][0]


class Color(Enum):
    """There is one of each."""

    RED = 1


class Point(NamedTuple):
    """Nothing but its fields."""

    x: int
    y: Any = None


class Marked(Point):
    """Has attributes as well."""


class Reordered(Point):
    """Shows other fields than it has."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.x,))


@dataclass
class Account:
    """An ordinary class."""

    total: int
    names: Any = ()


@dataclass(slots=True)
class Slotted:
    """Without a dictionary."""

    total: int


class Numbers(list[int]):
    """A list and attributes."""


class Told:
    """Says itself what is copied of it."""

    def __init__(self) -> None:
        self.kept, self.handle = 1, 2

    def __getstate__(self) -> dict[str, int]:
        return {"kept": self.kept}


class Made:
    """Has a say in how it is made."""

    made = 0

    def __new__(cls) -> Self:
        made = super().__new__(cls)
        made.number = cls.made = cls.made + 1
        return made

    def __init__(self) -> None:
        self.number: int


FIXED: list[Any] = [Point(1), Point(1, ("a", Point(2))), frozenset({1}), (frozenset({Point(1)}),), Color.RED]
OPEN: list[Any] = [
    *([], [1], [[1]], {}, {"a": 1}, {"a": [1]}, {Point(1): (1, 2)}, {1, 2}, bytearray(b"a"), deque([1])),
    *(Point(1, []), Marked(1), Reordered(1), (Point(1, [2]),), frozenset({Account}), [Account(1)]),
    *(Account(1), Account(1, ["a"]), Slotted(1), Numbers([1]), Told(), Made(), Row(a=1, b="x"), Row(1, [2])),
]


@pytest.mark.parametrize("value", FIXED, ids=repr)
def test_what_nobody_can_change(value: object) -> None:
    assert copy_of(value) is value


@pytest.mark.parametrize("value", OPEN, ids=lambda value: f"{type(value).__name__} {value!s:.30}")
def test_copies_are_those_of_pickle(value: Any) -> None:  # noqa: ANN401  # any record
    twin, pickled = copy_of(value), pickle.loads(pickle.dumps(value))
    assert type(twin) is type(value)
    assert twin is not value or twin == frozenset({Account})
    assert repr(vars(twin) if hasattr(twin, "__dict__") else twin) == repr(
        vars(pickled) if hasattr(pickled, "__dict__") else pickled
    )


def test_copies_have_nothing_in_common_that_can_be_changed() -> None:
    value = {"a": [Account(1, {"b": [1]})]}
    twin = copy_of(value)
    twin["a"][0].names["b"].append(2)
    assert value == {"a": [Account(1, {"b": [1]})]}
    account = Account(1)
    copy_of(account).total = 2
    assert account == Account(1)
    row = Row(a=1)
    copy_of(row)["a"] = 2
    assert row == Row(a=1)


def test_attributes_that_a_class_does_not_know_are_copied() -> None:
    marked = Numbers([1])
    marked.unit = "ms"  # type: ignore[attr-defined]  # that is the point
    assert copy_of(marked).unit == "ms"
