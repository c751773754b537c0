"""What the user gave becomes what the runtime calls, or a sentence why not."""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from millstream_dataflow import functions
from millstream_dataflow.functions import (
    AggregateFunction,
    AsyncFunction,
    FilterFunction,
    FlatMapFunction,
    Function,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ProcessFunction,
    ProcessWindowFunction,
    ReduceFunction,
)
from millstream_dataflow.windows import TimeWindow


class Double(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value * 2


class Repeat(FlatMapFunction[int, int]):
    def flat_map(self, value: int) -> Iterator[int]:
        yield from [value] * value


class Odd(FilterFunction[int]):
    def filter(self, value: int) -> bool:
        return value % 2 == 1


class Add(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return value1 + value2


class Parity(KeySelector[int, bool]):
    def get_key(self, value: int) -> bool:
        return value % 2 == 1


class Modulo(Partitioner[int]):
    def partition(self, key: int, num_partitions: int) -> int:
        return key % num_partitions


class DeafCo(KeyedCoProcessFunction[int, int, int, int]):
    def process_element1(self, value: int, ctx: object) -> list[int]:
        return [value]

    process_element2 = process_element1

    def on_timer(self, timestamp: int) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # as below


class Opened(KeySelector[int, int]):
    def open(self, runtime_context: object) -> None: ...

    def get_key(self, value: int) -> int:
        return value


class Closed(Modulo):
    def close(self) -> None: ...


class Last(AggregateFunction[int, list[int], int]):
    def create_accumulator(self) -> list[int]:
        return []

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        return [value]

    def get_result(self, accumulator: list[int]) -> int:
        return accumulator[0]

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return acc_a or acc_b


class Echo(ProcessFunction[int, int]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[int]:
        yield value


class KeyedEcho(KeyedProcessFunction[Any, int, int]):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        yield value


class Deaf(KeyedEcho):
    def on_timer(self, timestamp: int) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # what is refused


class Summary(ProcessWindowFunction[int, int, Any, TimeWindow]):
    def process(
        self, key: object, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[int]
    ) -> Iterator[int]:
        yield sum(elements)


class WrongArguments(MapFunction[int, int]):
    def map(self, value: int, other: int) -> int:  # type: ignore[override]  # what is tested
        return value + other


class Callable1:
    def __call__(self, value: int) -> int:
        return value * 2


async def slow(value: int) -> int:
    return value


def several(value: int) -> Iterator[int]:
    yield value


def scaled(value: int, factor: int) -> int:
    return value * factor


NO_CONTEXT: Any = None


@pytest.mark.parametrize(
    "function",
    [Double(), lambda value: value * 2, Callable1(), functools.partial(scaled, factor=2), Callable1().__call__],
)
def test_map(function: object) -> None:
    assert functions.resolve_map(function)(4) == 8


def test_builtins_and_classes_are_functions_too() -> None:
    assert functions.resolve_map(str)(4) == "4"
    assert functions.resolve_map(str.upper)("a") == "A"
    assert functions.resolve_filter(bool)(0) is False
    assert functions.resolve_reduce(max)(1, 2) == 2
    assert functions.resolve_key_selector(operator.itemgetter(0))((7, 8)) == 7


def test_each_kind() -> None:
    assert list(functions.resolve_flat_map(Repeat())(2) or ()) == [2, 2]
    assert list(functions.resolve_flat_map(several)(2) or ()) == [2]
    assert functions.resolve_filter(Odd())(3)
    assert functions.resolve_reduce(Add())(3, 4) == 7
    assert functions.resolve_key_selector(Parity())(3)
    assert functions.resolve_partitioner(Modulo())(7, 4) == 3
    assert functions.resolve_partitioner(operator.mod)(7, 4) == 3
    assert functions.resolve_map_batches(len)([1]) == 1
    last = Last()
    assert functions.resolve_aggregate(last) is last


def test_process_functions_stay_objects_and_callables_become_them() -> None:
    echo, keyed, summary = Echo(), KeyedEcho(), Summary()
    assert functions.resolve_process(echo) is echo
    assert functions.resolve_keyed_process(keyed) is keyed
    assert functions.resolve_process_window(summary) is summary
    plain = functions.resolve_process(lambda value, _ctx: [value])
    assert plain.process_element(1, NO_CONTEXT) == [1]
    of_key = functions.resolve_keyed_process(lambda value, _ctx: [value])
    assert of_key.process_element(1, NO_CONTEXT) == [1]
    assert of_key.on_timer(1, NO_CONTEXT) is None
    window = functions.resolve_process_window(lambda key, _context, elements: [(key, sum(elements))])
    assert window.process("k", NO_CONTEXT, [1, 2]) == [("k", 3)]


class Asked(AsyncFunction[int, int]):
    async def async_invoke(self, value: int) -> list[int]:
        return [value]


def odd(cls: type[Function], method: str) -> object:
    """One of the class, with a method that takes what nobody gives."""
    return type(cls.__name__, (cls,), {method: lambda _self, _1, _2, _3: None, "__qualname__": cls.__name__})()


@pytest.mark.parametrize(
    ("resolve", "function", "sentence"),
    [
        (functions.resolve_map, 5, "map takes a MapFunction or a function of (value), but got 5"),
        (functions.resolve_map, Double, "but got the class Double; give an object of it: Double()"),
        (functions.resolve_map, Odd(), "but got the FilterFunction Odd; filter takes it"),
        (functions.resolve_filter, Double(), "filter takes a FilterFunction or a function of (value), but got the "),
        (functions.resolve_filter, Double, "but got the class Double; map takes it"),
        (functions.resolve_key_selector, slow, ") is async, and nothing is awaited there; write"),
        (functions.resolve_partitioner, functools.partial(slow), "is async"),
        (functions.resolve_map, several, "yields; return the result, or use flat_map to give several"),
        (functions.resolve_filter, several, "yields"),
        (functions.resolve_map, lambda: 1, "takes (): too many positional arguments"),
        (functions.resolve_map, WrongArguments(), "missing a required argument: 'other'"),
        (functions.resolve_reduce, lambda one: one, "called with (value1, value2), but"),
        (functions.resolve_reduce, lambda one: one, "test_resolve.py:"),
        (functions.resolve_process, KeyedEcho(), "process on a keyed stream takes it"),
        (functions.resolve_keyed_process, Echo(), "but got the ProcessFunction Echo; process takes it"),
        (functions.resolve_aggregate, max, "aggregate takes an AggregateFunction, but got <built-in function max>"),
        (functions.resolve_aggregate, Last, "give an object of it: Last()"),
        (functions.resolve_map_batches, Double(), "map_batches takes a function of (batch), but got the MapFunction"),
        (functions.resolve_partitioner, lambda key: key, "called with (key, num_partitions)"),
        (functions.resolve_map, odd(Double, "open"), "open of the MapFunction Double, called with (runtime_con"),
        (functions.resolve_map, odd(Double, "close"), "close of the MapFunction Double, called with (), but"),
        (functions.resolve_process_window, odd(Summary, "clear"), "clear of the ProcessWindowFunction Summary, cal"),
        (functions.resolve_async, odd(Asked, "timeout"), "timeout of the AsyncFunction Asked, called with (value)"),
        (functions.resolve_keyed_process, Deaf(), "on_timer of the KeyedProcessFunction Deaf, called with (timestamp"),
        (functions.resolve_keyed_co_process, DeafCo(), "takes (timestamp: int) -> None: too many positional arguments"),
        (functions.resolve_key_selector, Opened(), "key_by (the KeySelector Opened) calls get_key alone, and"),
        (functions.resolve_partitioner, Closed(), "calls partition alone, and never close; make what it needs at its"),
    ],
)  # fmt: skip
def test_refusals(resolve: Callable[[object], object], function: object, sentence: str) -> None:
    with pytest.raises(TypeError) as refusal:
        resolve(function)
    assert sentence in str(refusal.value)


def test_open_and_close_may_be_left_out() -> None:
    Function().open(NO_CONTEXT)
    Function().close()
    Summary().clear(NO_CONTEXT)
