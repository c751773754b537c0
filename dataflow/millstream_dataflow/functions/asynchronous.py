"""Functions that wait for an answer from outside (Flink, "Asynchronous I/O for External Data Access").

Where a plain function would keep its task waiting, a coroutine lets it go on with other records meanwhile.
"""

import inspect
from abc import abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.rows import Several

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

    def timeout(self, value: In) -> Several[Out]:
        """The records for one whose answer didn't come in time; the coroutine is cancelled by then.

        Without this method of yours the job fails by a TimeoutError.
        """
        raise TimeoutError("the answer for a record didn't come in time")


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
