"""Functions that wait: what is one, and when an answer is asked for once more."""

import functools
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from millstream_dataflow import functions
from millstream_dataflow.functions import (
    NO_RETRY_STRATEGY,
    AsyncFunction,
    AsyncRetryStrategy,
    ExponentialBackoffDelayRetryStrategy,
    FixedDelayRetryStrategy,
    RetryPredicate,
    empty_result_predicate,
    exception_type_predicate,
    has_exception_predicate,
    is_async,
)


class Lookup(AsyncFunction[int, int]):
    async def async_invoke(self, value: int) -> list[int]:
        return [value]


class Plain(AsyncFunction[int, int]):
    def async_invoke(self, value: int) -> list[int]:  # type: ignore[override]  # what is tested
        return [value]


class Waits:
    async def __call__(self, value: int) -> list[int]:
        return [value]

    async def method(self, value: int) -> list[int]:
        return [value]


async def waits(value: int, other: int = 0) -> list[int]:
    return [value + other]


async def several(value: int) -> AsyncIterator[int]:
    yield value


@pytest.mark.parametrize("function", [waits, several, Waits(), Waits().method, functools.partial(waits, other=1)])
def test_what_is_async(function: object) -> None:
    assert is_async(function)
    assert functions.resolve_async(function) is function
    if function is not several:
        assert functions.resolve_map(function) is function


@pytest.mark.parametrize("function", [len, Waits, lambda value: value, 5, functools.partial(max, 1)])
def test_what_is_not(function: object) -> None:
    assert not is_async(function)


def test_an_async_function_is_its_method() -> None:
    lookup = Lookup()
    assert functions.resolve_async(lookup) == lookup.async_invoke
    with pytest.raises(TimeoutError, match="in time"):
        lookup.timeout(1)


@pytest.mark.parametrize(
    ("resolve", "function", "sentence"),
    [
        (functions.resolve_async, lambda value: [value], "is no async def; write it as one, or use map"),
        (functions.resolve_async, Plain(), "the AsyncFunction Plain is no async def"),
        (functions.resolve_async, Lookup, "give an object of it: Lookup()"),
        (functions.resolve_map, Lookup(), "but got the AsyncFunction Lookup; an asynchronous wait takes it"),
        (functions.resolve_map, several, "yields; return the result, or use flat_map"),
        (functions.resolve_key_selector, waits, "is async, and nothing is awaited there; write it"),
        (functions.resolve_partitioner, waits, "is async"),
    ],
)
def test_refusals(resolve: Callable[[object], object], function: object, sentence: str) -> None:
    with pytest.raises(TypeError) as refusal:
        resolve(function)
    assert sentence in str(refusal.value)


def delays(strategy: AsyncRetryStrategy[Any]) -> list[int]:
    """Before each further attempt."""
    found: list[int] = []
    while strategy.can_retry(len(found) + 1):
        found.append(strategy.get_backoff_time_millis(len(found) + 1))
    return found


def test_delays() -> None:
    assert delays(NO_RETRY_STRATEGY) == []
    assert delays(FixedDelayRetryStrategy(3, 100)) == [100, 100, 100]
    assert delays(FixedDelayRetryStrategy(1, timedelta(seconds=2))) == [2_000]
    assert delays(ExponentialBackoffDelayRetryStrategy(5, 100, 1_000, 3)) == [100, 300, 900, 1_000, 1_000]
    assert delays(ExponentialBackoffDelayRetryStrategy(3, 100, 1_000, 0.5)) == [100, 50, 25]


def test_strategies_by_pyflinks_other_names() -> None:
    assert AsyncRetryStrategy.no_restart() is NO_RETRY_STRATEGY
    assert delays(AsyncRetryStrategy.fixed_delay(2, 100, None, has_exception_predicate)) == [100, 100]
    backoff = AsyncRetryStrategy.exponential_backoff(3, 100, 300, 2, empty_result_predicate, None)
    assert delays(backoff) == [100, 200, 300]
    predicate = backoff.get_retry_predicate()
    assert (predicate.result_predicate(), predicate.exception_predicate()) == (empty_result_predicate, None)


def test_many_attempts_have_a_delay_too() -> None:
    assert ExponentialBackoffDelayRetryStrategy(10**6, 1, 60_000, 2.0).get_backoff_time_millis(10**6) == 60_000


def test_predicates() -> None:
    fixed = FixedDelayRetryStrategy[int](3, 100).get_retry_predicate()
    assert fixed.result_predicate() is None
    assert fixed.exception_predicate() is has_exception_predicate
    neither = NO_RETRY_STRATEGY.get_retry_predicate()
    assert (neither.result_predicate(), neither.exception_predicate()) == (None, None)
    assert [empty_result_predicate(result) for result in ([], None, [0])] == [True, True, False]
    assert has_exception_predicate(OSError())
    of_class = functools.partial(exception_type_predicate, expected_error_type=OSError)
    assert [of_class(error) for error in (ConnectionError(), ValueError())] == [True, False]
    given = RetryPredicate(empty_result_predicate, of_class)
    assert (given.result_predicate(), given.exception_predicate()) == (empty_result_predicate, of_class)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: FixedDelayRetryStrategy(0, 100), "max_attempts must be greater than 0, but is 0"),
        (lambda: FixedDelayRetryStrategy(1, 0), "backoff_time_millis"),
        (lambda: ExponentialBackoffDelayRetryStrategy(1, 1, 1, -1.0), "multiplier must be greater than 0, but is -1.0"),
        (lambda: RetryPredicate(5, None), "result_predicate takes a function of one argument, or None, but got 5"),  # type: ignore[arg-type]  # what is tested
    ],
)
def test_a_strategy_that_can_not_be_is_refused(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        make()
