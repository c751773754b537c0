"""Functions that wait for an answer from outside (Flink, "Asynchronous I/O for External Data Access").

Where a plain function would keep its task waiting, a coroutine lets it go on with other records meanwhile.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.time.quantities import Span

In = TypeVar("In")
Out = TypeVar("Out")


class AsyncFunction(Function, Generic[In, Out]):
    """Any number of records out for each in, of an answer that is waited for while others are asked for as well.

    Coroutines run in an asyncio loop in the worker's own thread, so clients such as aiohttp and asyncpg do, and so do
    `asyncio.timeout` and `asyncio.to_thread`. A call that blocks keeps the whole worker: give it to `to_thread`.
    `open`, `close` and `timeout` may be `async def` as well; they are awaited before anything else is done.
    """

    @abstractmethod
    async def async_invoke(self, value: In) -> Iterable[Out] | None:
        """The records for this one, as a list. None is none. What it raises fails the job, unless it is retried."""

    def timeout(self, value: In) -> Iterable[Out] | Awaitable[Iterable[Out] | None] | AsyncIterator[Out] | None:
        """The records for one whose answer didn't come in time; the coroutine is cancelled by then.

        Without this method of yours the job fails by a TimeoutError.
        """
        raise TimeoutError("the answer for a record didn't come in time")


class AsyncRetryPredicate(ABC, Generic[Out]):
    """Which answers are asked for once more. A predicate that is None is true of none."""

    @abstractmethod
    def result_predicate(self) -> Callable[[list[Out]], bool] | None:
        """True of the records of an answer that won't do."""

    @abstractmethod
    def exception_predicate(self) -> Callable[[Exception], bool] | None:
        """True of an exception that may go away."""


class AsyncRetryStrategy(ABC, Generic[Out]):
    """Whether and when a record's answer is asked for once more. Attempts count from 1, each record's own.

    The function's timeout is for all attempts of a record together, and for the time between them.
    """

    @abstractmethod
    def can_retry(self, current_attempts: int) -> bool:
        """Whether there may be another attempt after so many."""

    @abstractmethod
    def get_backoff_time_millis(self, current_attempts: int) -> int:
        """Milliseconds to wait after so many attempts."""

    @abstractmethod
    def get_retry_predicate(self) -> AsyncRetryPredicate[Out]:
        """Which answers are meant."""

    @staticmethod
    def no_restart() -> "AsyncRetryStrategy[Any]":
        """NO_RETRY_STRATEGY, by PyFlink's other name for it."""
        from millstream_dataflow.functions.async_retries import NO_RETRY_STRATEGY  # noqa: PLC0415  # it is one of these

        return NO_RETRY_STRATEGY

    @staticmethod
    def fixed_delay(
        max_attempts: int,
        backoff_time_millis: Span,
        result_predicate: Callable[[list[Any]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = None,
    ) -> "AsyncRetryStrategy[Any]":
        """A FixedDelayRetryStrategy. Without a predicate nothing is tried again, as in PyFlink."""
        from millstream_dataflow.functions.async_retries import FixedDelayRetryStrategy  # noqa: PLC0415  # as above

        return FixedDelayRetryStrategy(max_attempts, backoff_time_millis, result_predicate, exception_predicate)

    @staticmethod
    def exponential_backoff(  # noqa: PLR0913, PLR0917  # PyFlink's signature
        max_attempts: int,
        initial_delay: Span,
        max_retry_delay: Span,
        multiplier: float,
        result_predicate: Callable[[list[Any]], bool] | None = None,
        exception_predicate: Callable[[Exception], bool] | None = None,
    ) -> "AsyncRetryStrategy[Any]":
        """An ExponentialBackoffDelayRetryStrategy. Without a predicate nothing is tried again, as in PyFlink."""
        from millstream_dataflow.functions.async_retries import (  # noqa: PLC0415  # as above
            ExponentialBackoffDelayRetryStrategy,
        )

        return ExponentialBackoffDelayRetryStrategy(
            max_attempts, initial_delay, max_retry_delay, multiplier, result_predicate, exception_predicate
        )


def is_async(function: object) -> bool:
    """Whether a call of it must be awaited, or gone through by `async for`: a function, a method, a callable object, or
    a `partial` of one.
    """
    code = called(function)
    return inspect.iscoroutinefunction(code) or inspect.isasyncgenfunction(code)


def called(function: object) -> object:
    """What of a callable has the code."""
    plain = inspect.isroutine(function) or isinstance(function, partial | type)
    return function if plain else getattr(type(function), "__call__", None)  # noqa: B004  # for its code, as it is
