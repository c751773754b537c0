"""The asyncio loop that coroutines of user code run in, itself turned by the loop of the worker.

Nothing of ours is called from within asyncio: what has ended is noted, and told when the loop has stopped. So a task
may fail, close its functions and cancel its coroutines there as anywhere else.

Where a program runs inline under an asyncio loop of its own (a notebook), that one stands as long as ours runs.
"""

import asyncio
import contextlib
import time
from asyncio import tasks as asyncio_tasks
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any, Final

from millstream_taskmanager.operators.waiting import Then
from millstream_taskmanager.user_code.forks import leave_if_forked

_TURNS: Final = 4
"""Of asyncio while tasks have something to do: 5 us each when there is nothing to do for it."""

_FAREWELL_S: Final = 1.0
"""For cancelled coroutines to end; one that goes on in spite of it is left behind."""

_CoroutineFunction = Callable[..., Awaitable[Any]]


class _Running:
    """A coroutine that was started."""

    __slots__ = ("_alive", "begun", "cancelled", "error", "over", "result", "task", "then")

    def __init__(self, then: Then | None, alive: "set[_Running]") -> None:
        """`alive`: it is one of them until it has ended."""
        self.then = then
        self.task: asyncio.Task[None] | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.begun = self.over = self.cancelled = False
        self._alive = alive
        alive.add(self)

    def end(self) -> None:
        """It has ended."""
        self.over = True
        self._alive.discard(self)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()
        if not self.begun:  # and so it never will
            self.end()


class AsyncioLoop:
    """See the module."""

    def __init__(self, descriptor: int | None = None) -> None:
        """`descriptor`: readable when the thread has something to do besides."""
        self._descriptor = descriptor
        self._loop = asyncio.SelectorEventLoop()
        self._ended = deque[_Running]()
        self.alive = set[_Running]()
        """Those that haven't ended."""
        self._watch(wanted=True)

    @property
    def pending(self) -> bool:
        """Whether somebody waits to be told what one has given."""
        return bool(self.alive) or any(not running.cancelled for running in self._ended)

    @property
    def within(self) -> bool:
        """Whether a coroutine is at work at this moment."""
        return self._loop.is_running()

    # ---------------------------------------------------------------------------------------------- coroutines

    def start(self, function: _CoroutineFunction, arguments: tuple[Any, ...], context: Context, then: Then) -> _Running:
        """Call the function and await it, in the context. See TaskCoroutines."""
        return self._start(_Running(then, self.alive), function, arguments, context)

    def run(self, function: _CoroutineFunction, arguments: tuple[Any, ...], context: Context) -> Any:  # noqa: ANN401  # whatever it returns
        """The same, before anything else. See TaskCoroutines."""
        running = self._start(_Running(None, self.alive), function, arguments, context)
        self._watch(wanted=False)  # for whoever is there to be read would end each turn at once
        try:
            while not running.over:
                self._turn()
        except BaseException:  # Ctrl-C, where a program runs its job itself
            running.cancel()
            raise
        finally:
            self._watch(wanted=True)
        if running.error is not None:
            raise running.error
        return running.result

    def settle(self) -> None:
        """Wait a little until all that were cancelled have ended."""
        end = time.monotonic() + _FAREWELL_S
        self._watch(wanted=False)
        while any(running.cancelled for running in self.alive) and (seconds := end - time.monotonic()) > 0:
            self._wait(seconds)
        self._watch(wanted=True)

    def _start(
        self, running: _Running, function: _CoroutineFunction, arguments: tuple[Any, ...], context: Context
    ) -> _Running:
        running.task = self._loop.create_task(self._carry(running, function, arguments), context=context)
        return running

    async def _carry(self, running: _Running, function: _CoroutineFunction, arguments: tuple[Any, ...]) -> None:
        running.begun = True
        try:
            running.result = await function(*arguments)
        except BaseException as error:  # noqa: BLE001  # the user's code may raise what it likes
            running.error = error
        leave_if_forked(running.error)
        running.end()
        if running.then is not None:
            self._ended.append(running)
        self._loop.stop()

    # ------------------------------------------------------------------------------------------------- turning

    def turn(self, timeout: float | None) -> None:
        """Let coroutines go on, and wait so many seconds at most (None: for ever) until one has ended or the descriptor
        is readable. Then tell what they gave.
        """
        if timeout == 0 or self._ended:
            for _ in range(_TURNS):
                self._loop.stop()  # in the middle of no turn: the next one is the last
                self._turn()
                if self._ended:
                    break
        else:
            self._wait(timeout)
        self._tell()

    def _tell(self) -> None:
        while self._ended:
            running = self._ended.popleft()
            if not running.cancelled and running.then is not None:
                running.then(running.result, running.error)

    def _wait(self, seconds: float | None) -> None:
        timer = None if seconds is None else self._loop.call_later(seconds, self._loop.stop)
        try:
            self._turn()
        finally:
            if timer is not None:
                timer.cancel()

    def _turn(self) -> None:
        """Until somebody stops the loop."""
        if asyncio._get_running_loop() is None:  # noqa: SLF001  # asyncio has it for those who write loops
            self._loop.run_forever()
        else:
            with _outer_loop_standing():
                self._loop.run_forever()
        leave_if_forked()

    # --------------------------------------------------------------------------------------------------- a life

    def _watch(self, *, wanted: bool) -> None:
        if self._descriptor is None:
            return
        if wanted:
            self._loop.add_reader(self._descriptor, self._loop.stop)
        else:
            self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Cancel what is left, what coroutines have started among it."""
        self._watch(wanted=False)
        if left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            self._turn_until(self._loop.create_task(asyncio.wait(left, timeout=_FAREWELL_S)))
        self._turn_until(self._loop.create_task(self._loop.shutdown_asyncgens()))
        self._loop.close()

    def _turn_until(self, task: "asyncio.Task[Any]") -> None:
        task.add_done_callback(lambda _: self._loop.stop())
        while not task.done():
            self._turn()


@contextlib.contextmanager
def _outer_loop_standing() -> Generator[None]:
    """Within the block the loop that runs in this thread, and its task, are as if they weren't there. There are no
    public names for it; those are what loops and asyncio's own tasks use.
    """
    outer = asyncio._get_running_loop()  # noqa: SLF001  # see above
    swap = getattr(asyncio_tasks, "_swap_current_task", None)  # since Python 3.12; before, each loop has its own
    task = swap(outer, None) if swap is not None else None
    asyncio._set_running_loop(None)  # noqa: SLF001  # see above
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)  # noqa: SLF001  # see above
        if swap is not None:
            swap(outer, task)
