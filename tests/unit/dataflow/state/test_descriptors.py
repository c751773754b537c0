"""Descriptors of states are values with a name and a type."""

import pickle
from typing import Any

import pytest

from millstream_dataflow.functions import AggregateFunction, ReduceFunction
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.types import Types


class Add(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return value1 + value2


class Count(AggregateFunction[str, int, float]):
    def create_accumulator(self) -> int:
        return 0

    def add(self, value: str, accumulator: int) -> int:
        return accumulator + 1

    def get_result(self, accumulator: int) -> float:
        return float(accumulator)

    def merge(self, acc_a: int, acc_b: int) -> int:
        return acc_a + acc_b


class Slow(Count):
    async def add(self, value: str, accumulator: int) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # what is refused
        return accumulator


async def slowly(one: int, other: int) -> int:
    return one + other


ADD, COUNT = Add(), Count()


def plus(one: int, other: int) -> int:
    return one + other


def test_types() -> None:
    assert ValueStateDescriptor("n", Types.LONG()).type_info == Types.LONG()
    assert ValueStateDescriptor("n", value_type_info=Types.LONG()).get_name() == "n"
    assert str(ValueStateDescriptor("n", list[int]).type_info) == "LIST(int)"
    assert ListStateDescriptor("n").type_info == Types.ANY()
    both = MapStateDescriptor("n", Types.STRING(), Types.LONG())
    assert (both.key_type, both.value_type) == (Types.STRING(), Types.LONG())
    assert both.type_info == Types.MAP(Types.STRING(), Types.LONG())
    assert AggregatingStateDescriptor("n", COUNT, Types.LONG()).type_info == Types.LONG()
    assert ReducingStateDescriptor("n", ADD, Types.LONG()).get_reduce_function() is ADD
    assert AggregatingStateDescriptor("n", COUNT).get_agg_function() is COUNT


@pytest.mark.parametrize(
    "descriptor",
    [
        ValueStateDescriptor("n", Types.LONG()),
        ListStateDescriptor("n", Types.LONG()),
        MapStateDescriptor("n", Types.STRING(), Types.LONG()),
        ReducingStateDescriptor("n", plus, Types.LONG()),
    ],
)
def test_descriptors_are_values(descriptor: StateDescriptor[Any]) -> None:
    copy = pickle.loads(pickle.dumps(descriptor))
    assert copy == descriptor
    assert hash(copy) == hash(descriptor)
    with pytest.raises(AttributeError):
        descriptor.name = "m"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("descriptor", "arguments", "error", "sentence"),
    [
        (ValueStateDescriptor, ("",), ValueError, "takes the state's name, but got an empty one"),
        (ListStateDescriptor, (" ",), ValueError, "ListStateDescriptor takes the state's name, but got an empty one"),
        (MapStateDescriptor, ("\ud800",), ValueError, "has a lone surrogate"),
        (ValueStateDescriptor, ("n" * 501,), ValueError, "has 501 characters, and 500 at most"),
        (ReducingStateDescriptor, (None, plus), TypeError, "ReducingStateDescriptor takes .* None is no str"),
        (ValueStateDescriptor, (5,), TypeError, "takes the state's name, but 5 is no str"),
        (ValueStateDescriptor, ("n", "int"), TypeError, "by Types or by an annotation"),
        (MapStateDescriptor, ("n", list[int], int), TypeError, r"LIST\(int\): list can't be a key"),
        (ReducingStateDescriptor, ("n", 5), TypeError, "a function of two values, but got 5"),
        (ReducingStateDescriptor, ("n", Add), TypeError, "ReduceFunction"),
        (AggregatingStateDescriptor, ("n", plus), TypeError, "an AggregateFunction, with create_accumulator"),
        (AggregatingStateDescriptor, ("n", Count), TypeError, "an AggregateFunction"),
        (
            ReducingStateDescriptor,
            ("n", slowly),
            TypeError,
            "the reducing state .n. takes a function that answers at once",
        ),
        (
            AggregatingStateDescriptor,
            ("n", Slow()),
            TypeError,
            "but Slow.add is async; write it as a plain def, and await",
        ),
    ],
)
def test_refusals(descriptor: Any, arguments: tuple[Any, ...], error: type[Exception], sentence: str) -> None:  # noqa: ANN401  # each kind
    with pytest.raises(error, match=sentence):
        descriptor(*arguments)
