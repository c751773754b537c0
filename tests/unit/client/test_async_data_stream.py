"""Asynchronous waits, and `async def` in the calls of a stream: what is written down, and what is refused."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from millstream.compiler.naming import label
from millstream.datastream.async_data_stream import AsyncDataStream
from millstream.errors import ArgumentError
from millstream_dataflow.functions import (
    NO_RETRY_STRATEGY,
    AsyncFunction,
    FixedDelayRetryStrategy,
    KeyedProcessFunction,
    MapFunction,
)
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    WindowSpecification,
)
from millstream_dataflow.time import Time
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TumblingEventTimeWindows
from tests.unit.client.programs import environment, numbers
from tests.unit.client.written import Last, operator, specification


class Lookup(AsyncFunction[int, str]):
    async def async_invoke(self, value: int) -> list[str]:
        return [str(value)]


async def lookup(value: int) -> list[str]:
    return [str(value)]


async def letters(value: int) -> AsyncIterator[str]:
    yield str(value)


async def text(value: int) -> str:
    return str(value)


async def total(one: int, other: int) -> int:
    return one + other


class Text(MapFunction[int, str]):
    async def map(self, value: int) -> str:
        return str(value)


RETRY = FixedDelayRetryStrategy[Any](3, 100)


@pytest.mark.parametrize("function", [Lookup(), lookup, letters])
def test_waits(function: Any) -> None:  # noqa: ANN401  # of three kinds
    stream = numbers(environment())
    assert specification(AsyncDataStream.ordered_wait(stream, function, timedelta(seconds=1))) == (
        AsyncWaitSpecification(function, ordered=True, capacity=100, timeout=1_000)
    )
    unordered = AsyncDataStream.unordered_wait(stream, function, Time.seconds(2), 7)
    assert specification(unordered) == AsyncWaitSpecification(function, ordered=False, capacity=7, timeout=2_000)
    assert unordered.get_type() == Types.STRING()
    assert unordered.get_name() == "Async Wait"
    assert re.fullmatch(r"tests/unit/client/test_async_data_stream.py:\d+", operator(unordered).defined_at)


def test_waits_with_retries() -> None:
    stream = numbers(environment())
    ordered = AsyncDataStream.ordered_wait_with_retry(stream, lookup, 1_000, RETRY, 7, Types.STRING())
    assert specification(ordered) == AsyncWaitSpecification(
        lookup, ordered=True, capacity=7, timeout=1_000, retry=RETRY
    )
    assert ordered.get_type() == Types.STRING()
    unordered = AsyncDataStream.unordered_wait_with_retry(stream, lookup, 1_000, RETRY)
    assert specification(unordered) == AsyncWaitSpecification(lookup, ordered=False, timeout=1_000, retry=RETRY)
    never = AsyncDataStream.ordered_wait_with_retry(stream, lookup, 0, NO_RETRY_STRATEGY)
    assert specification(never) == AsyncWaitSpecification(lookup)


WRONG: Any = AsyncDataStream
"""For calls that a type checker refuses."""


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: WRONG.ordered_wait(s, str, 1), "is no async def; write it as one, or use map"),
        (lambda s: WRONG.ordered_wait(s, Lookup, 1), "give an object of it: Lookup()"),
        (lambda _: WRONG.ordered_wait([1], lookup, 1), "takes a DataStream, but got [1]"),
        (lambda s: WRONG.ordered_wait(s, lookup, -1), "takes a timeout of 0 (as long as it takes) or more"),
        (lambda s: WRONG.unordered_wait(s, lookup, "1 s"), "unordered_wait takes a timeout, but a span of"),
        (lambda s: WRONG.ordered_wait(s, lookup, 1, 0), "takes a capacity of 1 or more records"),
        (lambda s: WRONG.ordered_wait(s, lookup, 1, True), "takes a capacity"),
        (lambda s: WRONG.ordered_wait_with_retry(s, lookup, 0, RETRY), "more than 0, or it might try for"),
        (lambda s: WRONG.ordered_wait_with_retry(s, lookup, 1, 3), "takes an AsyncRetryStrategy, but got 3"),
        (lambda s: s.key_by(text), "key_by takes a KeySelector or a function of (value), but text (test_async"),
        (lambda s: s.partition_custom(total, Last()), "is async, and nothing is awaited there"),
    ],
)
def test_refusals(call: Callable[[Any], object], sentence: str) -> None:
    with pytest.raises(ArgumentError) as refusal:
        call(numbers(environment()))
    assert sentence in str(refusal.value)
    assert "test_async_data_stream.py:" in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "expected", "name"),
    [
        (lambda s: s.map(text), AsyncWaitSpecification(text, gives=Gives.RECORD, stands_for="Map"), 'Map "text"'),
        (
            lambda s: s.flat_map(letters),
            AsyncWaitSpecification(letters, stands_for="Flat Map"),
            'Flat Map "letters"',
        ),
        (
            lambda s: s.filter(text),
            AsyncWaitSpecification(text, gives=Gives.VERDICT, stands_for="Filter"),
            'Filter "text"',
        ),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_functions_without_state_wait_in_order(
    call: Callable[[Any], Any], expected: AsyncWaitSpecification, name: str, keyed: bool
) -> None:
    stream = numbers(environment())
    waits = call(stream.key_by(Last()) if keyed else stream)
    assert specification(waits) == expected
    assert label(operator(waits)) == name


def test_types_are_those_of_what_is_awaited() -> None:
    stream = numbers(environment())
    assert stream.map(text).get_type() == Types.STRING()
    assert stream.map(Text()).get_type() == Types.STRING()
    assert stream.flat_map(letters).get_type() == Types.STRING()
    assert stream.filter(text).get_type() == stream.get_type()


def test_functions_with_state_stay_what_they_are() -> None:
    """They are awaited record by record, where they run."""
    keyed = numbers(environment()).key_by(Last())
    assert isinstance(specification(keyed.map(Text())), KeyedProcessSpecification)
    assert isinstance(specification(keyed.reduce(total)), KeyedReduceSpecification)

    async def process(value: int, ctx: KeyedProcessFunction.Context) -> list[int]:
        return [value]

    waits: Any = process
    assert isinstance(specification(keyed.process(waits)), KeyedProcessSpecification)
    windows: Any = keyed.window(TumblingEventTimeWindows.of(5))
    assert isinstance(specification(windows.reduce(total)), WindowSpecification)
