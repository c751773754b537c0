"""Asynchronous I/O: a stream whose records each wait for an answer from outside, many of them at once (PyFlink's
`AsyncDataStream`; Flink, "Asynchronous I/O for External Data Access").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

from millstream.datastream.arguments import accepted, accepted_instance
from millstream.datastream.call_site import call_site
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import returned_items_type
from millstream.errors import ArgumentError
from millstream_dataflow.functions import (
    NO_RETRY_STRATEGY,
    AsyncFunction,
    AsyncRetryStrategy,
    NoRetryStrategy,
    resolve_async,
)
from millstream_dataflow.operators.asynchronous import DEFAULT_CAPACITY, AsyncWaitSpecification
from millstream_dataflow.time import Span, to_milliseconds
from millstream_dataflow.types import TypeInformation

T = TypeVar("T")
U = TypeVar("U")

Awaited: TypeAlias = (
    AsyncFunction[T, U] | Callable[[T], Awaitable[Iterable[U] | None]] | Callable[[T], AsyncIterator[U]]
)
"""An AsyncFunction, or an `async def` that returns a list of records, or yields them."""


class AsyncDataStream:
    """Lets an `async def` work on up to `capacity` records of a subtask at once.

    The function is an object of an AsyncFunction, or a plain `async def` that returns a list of records (None is none)
    or yields them. Its coroutines take turns in the worker's own thread, so one that blocks keeps all of them.

    `timeout` (milliseconds, a timedelta, a Time) is for all attempts of one record together; 0 is as long as it takes.
    A record that isn't answered in time goes to `AsyncFunction.timeout`, and fails the job where there is none; so
    does an exception. `capacity` is the number of records under way; when it is reached, nothing more is taken in.

    Records under way are in each checkpoint, and are asked for again after a restore: a service may be asked more
    than once for a record, but each record's results come once. Where a job ends they are waited for, with the
    attempts that their strategy gives them. (Flink makes one last attempt then, at once.)
    """

    @staticmethod
    def unordered_wait(
        data_stream: DataStream[T],
        async_function: Awaited[T, U],
        timeout: Span,
        capacity: int = DEFAULT_CAPACITY,
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Results as they come. None overtakes a watermark, nor is overtaken by one: none is later than its record."""
        return AsyncDataStream.unordered_wait_with_retry(
            data_stream, async_function, timeout, NO_RETRY_STRATEGY, capacity, output_type
        )

    @staticmethod
    def unordered_wait_with_retry(  # noqa: PLR0913, PLR0917  # PyFlink's signature
        data_stream: DataStream[T],
        async_function: Awaited[T, U],
        timeout: Span,
        async_retry_strategy: AsyncRetryStrategy[Any],
        capacity: int = DEFAULT_CAPACITY,
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """As `unordered_wait`; answers that won't do are asked for once more, as the strategy says."""
        given = ("unordered_wait", timeout, async_retry_strategy, capacity)
        return _wait(data_stream, _specification(async_function, given, ordered=False), output_type)

    @staticmethod
    def ordered_wait(
        data_stream: DataStream[T],
        async_function: Awaited[T, U],
        timeout: Span,
        capacity: int = DEFAULT_CAPACITY,
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """Results in the order of the records: each waits for those before it."""
        return AsyncDataStream.ordered_wait_with_retry(
            data_stream, async_function, timeout, NO_RETRY_STRATEGY, capacity, output_type
        )

    @staticmethod
    def ordered_wait_with_retry(  # noqa: PLR0913, PLR0917  # PyFlink's signature
        data_stream: DataStream[T],
        async_function: Awaited[T, U],
        timeout: Span,
        async_retry_strategy: AsyncRetryStrategy[Any],
        capacity: int = DEFAULT_CAPACITY,
        output_type: TypeInformation[U] | None = None,
    ) -> DataStream[U]:
        """As `ordered_wait`; answers that won't do are asked for once more, as the strategy says."""
        given = ("ordered_wait", timeout, async_retry_strategy, capacity)
        return _wait(data_stream, _specification(async_function, given, ordered=True), output_type)


_Given: TypeAlias = tuple[str, Span, AsyncRetryStrategy[Any], int]


def _specification(function: object, given: _Given, *, ordered: bool) -> AsyncWaitSpecification:
    call, timeout, strategy, capacity = given
    accepted(resolve_async, function)
    accepted_instance(f"{call}_with_retry", strategy, AsyncRetryStrategy, "an AsyncRetryStrategy")
    retry = None if isinstance(strategy, NoRetryStrategy) else strategy
    milliseconds = _milliseconds(call, timeout)
    if milliseconds < 0 or (milliseconds == 0 and retry is not None):
        wanted = "0 (as long as it takes) or more" if retry is None else "more than 0, or it might try for ever"
        _refuse(f"{call} takes a timeout of {wanted}, but got {milliseconds} ms")
    if not isinstance(cast("object", capacity), int) or isinstance(capacity, bool) or capacity < 1:
        _refuse(f"{call} takes a capacity of 1 or more records under way, but got {capacity!r:.80}")
    return AsyncWaitSpecification(function, ordered, capacity, milliseconds or None, retry)


def _milliseconds(call: str, timeout: Span) -> int:
    try:
        return to_milliseconds(timeout)
    except (TypeError, ValueError) as problem:
        _refuse(f"{call} takes a timeout, but {problem}")


def _refuse(what: str) -> NoReturn:
    raise ArgumentError(what, "", defined_at=call_site()) from None


def _wait(
    stream: DataStream[Any], specification: AsyncWaitSpecification, output_type: TypeInformation[Any] | None
) -> DataStream[Any]:
    accepted_instance("an asynchronous wait", stream, DataStream, "a DataStream")
    type_ = output_type or returned_items_type(specification.function, _method(specification.function))
    return stream._operate(specification, type_)  # noqa: SLF001  # one of the calls of a stream, in a class of its own


def _method(function: object) -> str:
    return "async_invoke" if isinstance(function, AsyncFunction) else ""
