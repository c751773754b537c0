"""Coroutines of user code, in the thread that turns the tasks: an asyncio loop that is itself turned between steps.

    step, step, step | a few turns of asyncio | what its coroutines have given | sockets | step ...

There is none until a task asks for it: a worker without coroutines does without asyncio altogether. Then it is the one
that waits: what the worker waits for is, for asyncio, one more descriptor to read from (the selector of its sockets),
so neither knows of the other. While tasks have steps to do, asyncio gets some turns each millisecond; a coroutine goes
from one `await` to the next at each.
"""

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from millstream_taskmanager.operators.waiting import Cancellable, Then

if TYPE_CHECKING:
    from millstream_taskmanager.worker.asyncio_loop import AsyncioLoop

_CoroutineFunction = Callable[..., Awaitable[Any]]


class Coroutines:
    """Those of all tasks of a thread. See the module."""

    def __init__(self, descriptor: int | None = None) -> None:
        """`descriptor`: readable when the thread has something to do besides."""
        self._descriptor = descriptor
        self._loop: AsyncioLoop | None = None

    @property
    def loop(self) -> "AsyncioLoop":
        """Theirs, made when it is asked for."""
        if self._loop is None:
            from millstream_taskmanager.worker.asyncio_loop import AsyncioLoop  # noqa: PLC0415  # see the module

            self._loop = AsyncioLoop(self._descriptor)
        return self._loop

    @property
    def active(self) -> bool:
        """Whether it must be turned: from the first coroutine on, for they may have started others."""
        return self._loop is not None

    @property
    def alive(self) -> int:
        """How many haven't ended."""
        return 0 if self._loop is None else len(self._loop.alive)

    @property
    def pending(self) -> bool:
        """Whether somebody waits to be told what one has given."""
        return self._loop is not None and self._loop.pending

    @property
    def within(self) -> bool:
        """Whether a coroutine is at work at this moment."""
        return self._loop is not None and self._loop.within

    def turn(self, timeout: float | None) -> None:
        """Let coroutines go on, and wait so many seconds at most (None: for ever) until one has ended or the descriptor
        is readable. Then tell what they gave.
        """
        if self._loop is not None:
            self._loop.turn(timeout)

    def settle(self) -> None:
        """Wait a little until all that were cancelled have ended."""
        if self._loop is not None:
            self._loop.settle()

    def close(self) -> None:
        """Cancel what is left, what coroutines have started among it."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None


class CoroutinesOfTask:
    """Those of one task, in its own context. See TaskCoroutines."""

    def __init__(self, all_: Coroutines, context: Context | None = None) -> None:
        """`context`: what context variables say in its coroutines; each gets a copy."""
        self._all = all_
        self._context = context or copy_context()

    def start(self, function: _CoroutineFunction, argument: object, then: Then) -> Cancellable:
        """See TaskCoroutines."""
        return self._all.loop.start(function, (argument,), self._context.copy(), then)

    def run(self, function: _CoroutineFunction, *arguments: object) -> Any:  # noqa: ANN401  # whatever it returns
        """See TaskCoroutines."""
        return self._all.loop.run(function, arguments, self._context.copy())

    def settle(self) -> None:
        """See TaskCoroutines."""
        self._all.settle()

    @property
    def within(self) -> bool:
        """See TaskCoroutines."""
        return self._all.within
