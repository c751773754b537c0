"""Fields of records, by position or name."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from millstream.datastream.extremes import MaxBy, MinBy
from millstream.datastream.fields import FieldMax, FieldMin, FieldSum, with_field
from millstream_dataflow.errors import InvalidProgramError
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


NAN = math.nan


@pytest.mark.parametrize(
    ("function", "chosen"),
    [
        (FieldMin(1), {(1.5, NAN): 1.5, (NAN, 1.5): 1.5}),
        (FieldMax(1), {(1.5, NAN): NAN, (NAN, 1.5): NAN}),
    ],
    ids=repr,
)
def test_nan_is_greater_than_every_number(
    function: Callable[[object, object], Any], chosen: dict[tuple[float, float], float]
) -> None:
    for (one, other), expected in chosen.items():
        assert function(("a", one), ("b", other))[1] is expected


@pytest.mark.parametrize(
    ("function", "chosen"),
    [
        (MinBy(1), "aaabba"),
        (MinBy(1, first=False), "baabbb"),
        (MaxBy(1), "abbaaa"),
        (MaxBy(1, first=False), "bbbaab"),
    ],
    ids=repr,
)
def test_which_of_two_records_is_kept(function: Callable[[object, object], Any], chosen: str) -> None:
    values = [(1, 1.0), (1, 2), (1, NAN), (2, 1), (NAN, 1), (NAN, float("nan"))]
    assert "".join(function(("a", one), ("b", other))[0] for one, other in values) == chosen


def test_a_sum_of_texts_is_their_concatenation() -> None:
    assert FieldSum(0)("a", "b") == "ab"


@pytest.mark.parametrize(
    ("record", "field", "words"),
    [
        (("a",), 3, "tuple records have no field 3; the fields are 'f0'"),
        ([1], 3, "list records have no field 3; the fields are 'f0'"),
        ({"a": 1}, "b", "there is no field 'b' in dict records; the fields are 'a'"),
        (Event("a", 1), "missing", "there is no field 'missing' in .*Event records; the fields are 'key', 'number'"),
        (Row(a=1), "missing", "there is no field 'missing' in Row records; the fields are 'a'"),
        (7, 1, "int records have no field 1; no field has a name"),
    ],
)
@pytest.mark.parametrize("function", [FieldSum, FieldMin, FieldMax, MinBy, MaxBy])
def test_a_field_that_is_not_there(
    function: Callable[[int | str], Callable[[object, object], object]], record: object, field: int | str, words: str
) -> None:
    with pytest.raises(InvalidProgramError, match=f"^{words}$") as raised:
        function(field)(record, record)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("function", [FieldSum, FieldMin, FieldMax, MinBy, MaxBy])
def test_values_of_a_field_that_have_nothing_in_common(
    function: Callable[[int | str], Callable[[object, object], object]],
) -> None:
    words = r"^(sum|min|max|min_by|max_by)\(1\) can't take 5 and 'b' together: .*; use another field, or reduce"
    with pytest.raises(InvalidProgramError, match=words):
        function(1)(("a", 5), ("a", "b"))


class Broken:
    """A record whose field is computed, by code that is wrong."""

    @property
    def number(self) -> int:
        numbers: dict[str, int] = {}
        return numbers["there is none"]


def test_what_the_code_of_a_records_class_raises_is_shown_as_well() -> None:
    with pytest.raises(InvalidProgramError) as raised:
        field_of(Broken(), "number")
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_record_that_can_not_be_copied_is_named() -> None:
    class Mutable:
        number = 5

    with pytest.raises(InvalidProgramError, match="a Mutable can't be copied with another 'number'; use reduce"):
        FieldSum("number")(Mutable(), Mutable())
