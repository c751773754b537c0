"""Fields of records, by position or name."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from millstream.datastream.fields import FieldMax, FieldMin, FieldSum, with_field
from millstream_dataflow.expressions.records import field_of
from millstream_dataflow.types import Row


class Pair(NamedTuple):
    key: str
    number: int


@dataclass(frozen=True)
class Event:
    key: str
    number: int


RECORDS: list[tuple[Any, int | str, Any]] = [
    (("a", 5), 1, ("a", 9)),
    (("a", 5), -1, ("a", 9)),
    (["a", 5], 1, ["a", 9]),
    (Pair("a", 5), 1, Pair("a", 9)),
    (Pair("a", 5), "number", Pair("a", 9)),
    (Event("a", 5), "number", Event("a", 9)),
    ({"number": 5, "key": "a"}, "number", {"number": 9, "key": "a"}),
    (Row("a", 5), 1, Row("a", 9)),
    (Row(key="a", number=5), "number", Row(key="a", number=9)),
    (5, 0, 9),
]


@pytest.mark.parametrize(("record", "field", "expected"), RECORDS, ids=repr)
def test_a_field_is_read_and_replaced_in_a_copy(record: object, field: int | str, expected: object) -> None:
    before = copy.deepcopy(record)
    assert field_of(record, field) == 5
    changed = with_field(record, field, 9)
    assert changed == expected
    assert type(changed) is type(expected)
    assert record == before


@pytest.mark.parametrize(
    ("function", "expected"), [(FieldSum("number"), 12), (FieldMin("number"), 5), (FieldMax("number"), 7)], ids=repr
)
def test_two_records_become_one_that_is_the_first_but_for_the_field(
    function: Callable[[Event, Event], Event], expected: int
) -> None:
    assert function(Event("first", 5), Event("second", 7)) == Event("first", expected)


def test_a_sum_of_texts_is_their_concatenation() -> None:
    assert FieldSum(0)("a", "b") == "ab"


@pytest.mark.parametrize(
    ("record", "field", "error"),
    [
        (("a",), 3, IndexError),
        ([1], 3, IndexError),
        ({"a": 1}, "b", KeyError),
        (Event("a", 1), "missing", AttributeError),
        (Row(a=1), "missing", KeyError),
        (7, 1, IndexError),
    ],
)
def test_a_field_that_is_not_there(record: object, field: int | str, error: type[Exception]) -> None:
    with pytest.raises(error):
        FieldSum(field)(record, record)


def test_a_record_that_can_not_be_copied_is_named() -> None:
    class Mutable:
        number = 5

    with pytest.raises(TypeError, match="a Mutable can't be copied with another 'number'; use reduce"):
        FieldSum("number")(Mutable(), Mutable())
