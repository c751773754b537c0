"""Operations with state for each key."""

from collections.abc import Callable
from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream.datastream.keyed_stream import KeyedStream
from millstream.errors import ArgumentError, NotAnOperatorError
from millstream_dataflow.expressions import ColumnKey
from millstream_dataflow.operators.specifications import (
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    MapSpecification,
)
from tests.unit.client.programs import environment, numbers
from tests.unit.client.written import Digits, Increment, Keyed, Last, Odd, Total, partition, specification


def keyed_numbers() -> KeyedStream[int, int]:
    return numbers(environment()).key_by(Last())


def test_operators_carry_the_key() -> None:
    total, keyed = Total(), keyed_numbers()
    reduced = specification(keyed.reduce(total))
    assert isinstance(reduced, KeyedReduceSpecification)
    assert reduced.function is total
    assert reduced.key is partition(keyed).key
    processed = specification(keyed.process(Keyed()))
    assert isinstance(processed, KeyedProcessSpecification)
    assert processed.key is reduced.key


@pytest.mark.parametrize(
    ("call", "records", "expected"),
    [
        (lambda s: s.sum(), [5, 7], 12),
        (lambda s: s.min(), [5, 7], 5),
        (lambda s: s.max(), [5, 7], 7),
        (lambda s: s.sum(1), [("a", 5), ("a", 7)], ("a", 12)),
        (lambda s: s.max("n"), [{"k": "a", "n": 5}, {"k": "b", "n": 7}], {"k": "a", "n": 7}),
    ],
)
def test_sum_min_and_max_of_a_field(call: Callable[[Any], Any], records: list[Any], expected: object) -> None:
    reduced = specification(call(keyed_numbers()))
    assert isinstance(reduced, KeyedReduceSpecification)
    assert reduced.function(*records) == expected


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda s: s.map(Increment()), "Map"),
        (lambda s: s.flat_map(Digits()), "Flat Map"),
        (lambda s: s.filter(Odd()), "Filter"),
    ],
)
def test_function_objects_have_state_too_as_in_flink(
    call: Callable[[KeyedStream[int, int]], DataStream[Any]], name: str
) -> None:
    stream = call(keyed_numbers())
    assert isinstance(specification(stream), KeyedProcessSpecification)
    assert stream.get_name() == name


def test_callables_have_none_and_are_plain_operators() -> None:
    keyed = keyed_numbers()
    assert specification(keyed.map(abs)) == MapSpecification(abs)
    assert specification(keyed.flat_map(range)) == FlatMapSpecification(range)
    assert specification(keyed.filter(bool)) == FilterSpecification(bool)


def test_another_key_takes_the_place_of_the_first() -> None:
    keyed = keyed_numbers()
    again = keyed.key_by(0)
    assert partition(again).inputs == partition(keyed).inputs
    assert partition(again).key is not None
    assert isinstance(again._key.selector, ColumnKey)


@pytest.mark.parametrize(
    "setting", ["name", "uid", "set_parallelism", "set_max_parallelism", "slot_sharing_group", "set_description"]
)
def test_settings_of_operators_are_refused(setting: str) -> None:
    with pytest.raises(NotAnOperatorError, match=f"{setting} was called on a keyed stream, which is no operator"):
        getattr(keyed_numbers(), setting)("1")


@pytest.mark.parametrize(("call", "kind"), [("map", Increment), ("filter", Odd)])
def test_a_function_that_gives_one_result_does_not_yield(call: str, kind: type) -> None:
    """A generator is true, so a filter would let everything through."""

    def yields(_self: object, value: int) -> Any:  # noqa: ANN401  # what no type checker would let through
        yield value

    function = type("Yielding", (kind,), {call: yields})()
    with pytest.raises(ArgumentError, match=r"Yielding\), but .* yields; return the result, or use flat_map"):
        getattr(keyed_numbers(), call)(function)
