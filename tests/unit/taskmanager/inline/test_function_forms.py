"""Wherever a function goes, whatever can be called does: the same program with each form of it gives the same."""

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from millstream import (
    FilterFunction,
    FlatMapFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    OutputTag,
    Partitioner,
    ProcessFunction,
    ReduceFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

Form = Callable[[Callable[..., Any]], Any]
ODD = OutputTag[int]("odd")


class Callable1:
    """An object that can be called, and has a method that calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *values: Any) -> Any:  # noqa: ANN401  # any arguments
        return self.function(*values)

    def method(self, *values: Any) -> Any:  # noqa: ANN401  # any arguments
        return self.function(*values)


def decorated(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # another function
    @functools.wraps(function)
    def around(*values: Any) -> Any:  # noqa: ANN401  # any arguments
        return function(*values)

    return around


def partial(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # a partial of one
    def scaled(_scale: int, *values: Any) -> Any:  # noqa: ANN401  # any arguments
        return function(*values)

    return functools.partial(scaled, 1)


def lambda_with_defaults(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # another function
    return lambda *values, call=function, scale=1: call(*values) if scale else None


def coroutine(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # an async function
    async def waits(*values: Any) -> Any:  # noqa: ANN401  # any arguments
        await asyncio.sleep(0)
        given = function(*values)
        return list(given) if isinstance(given, Iterator) else given

    return waits


FORMS: dict[str, Form] = {
    "function": lambda function: function,
    "decorated": decorated,
    "partial": partial,
    "lambda": lambda_with_defaults,
    "object": Callable1,
    "method": lambda function: Callable1(function).method,
    "coroutine": coroutine,
}


def collected(build: Callable[[Any], Any]) -> list[Any]:
    env = StreamExecutionEnvironment(ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE)))
    with build(env.from_collection([1, 2, 3, 4])).execute_and_collect() as records:
        return list(records)


def doubled(value: int) -> int:
    return value * 2


def several(value: int) -> Iterator[int]:
    yield value
    yield -value


def is_even(value: int) -> bool:
    return value % 2 == 0


def total(one: int, other: int) -> int:
    return one + other


def split(value: int, ctx: Any) -> Iterator[Any]:  # noqa: ANN401  # either context
    assert ctx.timestamp() is None
    yield (ODD, value) if value % 2 else value
    yield value * 10


def with_odd(stream: Any) -> Any:  # noqa: ANN401  # a stream of any records
    return stream.union(stream.get_side_output(ODD).map(lambda n: ("odd", n)))


CALLS: dict[str, tuple[Callable[..., Any], Callable[[Any, Any], Any], list[Any]]] = {
    "map": (doubled, lambda s, f: s.map(f), [2, 4, 6, 8]),
    "flat_map": (several, lambda s, f: s.flat_map(f), [-4, -3, -2, -1, 1, 2, 3, 4]),
    "filter": (is_even, lambda s, f: s.filter(f), [2, 4]),
    "keyed map": (doubled, lambda s, f: s.key_by(is_even).map(f), [2, 4, 6, 8]),
    "process": (split, lambda s, f: with_odd(s.process(f)), [2, 4, 10, 20, 30, 40, ("odd", 1), ("odd", 3)]),
    "keyed process": (
        split,
        lambda s, f: with_odd(s.key_by(is_even).process(f)),
        [2, 4, 10, 20, 30, 40, ("odd", 1), ("odd", 3)],
    ),
    "reduce": (total, lambda s, f: s.key_by(is_even).reduce(f), [1, 2, 4, 6]),
    "key_by": (is_even, lambda s, f: s.key_by(f).reduce(total), [1, 2, 4, 6]),
    "partition_custom": (
        lambda key, count: key % count,
        lambda s, f: s.partition_custom(f, doubled).map(doubled),
        [2, 4, 6, 8],
    ),
}
"""By call: a plain function, the call with a form of it, and what comes of the numbers 1 to 4."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", CALLS)
def test_each_call_takes_each_form(call: str, form: str) -> None:
    function, build, expected = CALLS[call]
    given = FORMS[form](function)
    if form == "coroutine" and call in {"key_by", "partition_custom"}:
        with pytest.raises(TypeError, match="is async"):
            collected(lambda stream: build(stream, given))
        return
    assert sorted(collected(lambda stream: build(stream, given)), key=str) == sorted(expected, key=str)


# --------------------------------------------------------------------------------------------- objects of classes


class Doubled(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return doubled(value)


class Several(FlatMapFunction[int, int]):
    def flat_map(self, value: int) -> Iterator[int]:
        return several(value)


class Even(FilterFunction[int]):
    def filter(self, value: int) -> bool:
        return is_even(value)


class Split(ProcessFunction[int, Any]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
        return split(value, ctx)


class KeyedSplit(KeyedProcessFunction[bool, int, Any]):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        return split(value, ctx)


class Total(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return total(value1, value2)


class Parity(KeySelector[int, bool]):
    def get_key(self, value: int) -> bool:
        return is_even(value)


class Modulo(Partitioner[int]):
    def partition(self, key: int, num_partitions: int) -> int:
        return key % num_partitions


OBJECTS: dict[str, object] = {
    "map": Doubled(),
    "flat_map": Several(),
    "filter": Even(),
    "keyed map": Doubled(),
    "process": Split(),
    "keyed process": KeyedSplit(),
    "reduce": Total(),
    "key_by": Parity(),
    "partition_custom": Modulo(),
}


@pytest.mark.parametrize("call", CALLS)
def test_each_call_takes_an_object_of_its_class(call: str) -> None:
    _, build, expected = CALLS[call]
    records = collected(lambda stream: build(stream, OBJECTS[call]))
    assert sorted(records, key=str) == sorted(expected, key=str)


# ----------------------------------------------------------------------------------------------------- any number


async def yields_later(value: int, *_context: object) -> AsyncIterator[int]:
    yield value
    await asyncio.sleep(0)
    yield -value


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda value, *_: [value, -value], [1, -1, 2, -2]),
        (lambda value, *_: (value, -value), [1, -1, 2, -2]),
        (lambda value, *_: range(value), [0, 0, 1]),
        (lambda value, *_: iter([value]), [1, 2]),
        (lambda value, *_: deque([value]), [1, 2]),
        (lambda *_: None, []),
        (lambda *_: (), []),
        (yields_later, [1, -1, 2, -2]),
    ],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda s, f: s.flat_map(f),
        lambda s, f: s.process(f),
        lambda s, f: s.key_by(is_even).process(f),
        lambda s, f: s.key_by(is_even).flat_map(f),
    ],
)
def test_any_number_of_records(build: Callable[[Any, Any], Any], function: object, expected: list[int]) -> None:
    assert collected(lambda stream: build(stream.filter(lambda n: n < 3), function)) == expected


# ------------------------------------------------------------------------------------------------- what they know


class Told(KeyedProcessFunction[bool, int, Any]):
    """Tells what it knows in open, and of which key it is told."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.place = (
            runtime_context.get_index_of_this_subtask(),
            runtime_context.get_number_of_parallel_subtasks(),
            runtime_context.get_max_number_of_parallel_subtasks(),
            runtime_context.get_attempt_number(),
            runtime_context.get_task_name_with_subtasks(),
        )
        self.seen: Any = runtime_context.get_state(ValueStateDescriptor("seen"))

    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        self.seen.update((self.seen.value() or 0) + 1)
        if value > 2:
            yield *self.place, ctx.get_current_key(), self.seen.value()


def test_what_a_function_knows() -> None:
    told = collected(lambda stream: stream.key_by(is_even).process(Told()).name("told"))
    assert [one[:4] for one in told] == [(0, 1, 128, 0)] * 2
    assert all("told" in one[4] and one[4].endswith("(1/1)") for one in told)
    assert [one[5:] for one in told] == [(False, 2), (True, 2)]
