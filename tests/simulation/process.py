"""A process: it can be killed, or stopped for a while (SIGSTOP), and what in it is asyncio runs in virtual time.

While it is stopped nothing happens in it. When it goes on, everything that came meanwhile is handled, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor, Future
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from tests.simulation.fibres import Fibre
from tests.simulation.world import Action, World

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Process:
    """One of the cluster's."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.awake_at = 0
        self.fibres: list[Fibre] = []
        self._waiting = deque[Action]()
        self._asleep: list[Callable[[int], None]] = []
        self.loop = loop_of(self)

    @property
    def awake(self) -> bool:
        """It runs, and has done everything that came while it was stopped."""
        return self.alive and not self._waiting and self.world.now >= self.awake_at

    def do(self, action: Action) -> None:
        """At once; when it goes on, if it is stopped; never, if it is dead."""
        if not self.alive:
            return
        if self.world.now < self.awake_at or self._waiting:
            if not self._waiting:
                self.world.at(self.awake_at, self._go_on)
            self._waiting.append(action)
        else:
            action()

    def after(self, low: int, high: int, action: Action) -> None:
        """What it does after a random time."""
        self.world.after(low, high, partial(self.do, action))

    def say(self, text: str) -> None:
        """A line of the story."""
        self.world.say(self.name, text)

    # ------------------------------------------------------------ how it stops

    def stop_for(self, time: int) -> None:
        """SIGSTOP, and after some time SIGCONT."""
        if not self.alive:
            return
        self.say(f"stopped for {time} ms")
        self.awake_at = max(self.awake_at, self.world.now + time)
        for call in self._asleep:
            call(self.awake_at)

    def on_stop(self, call: Callable[[int], None]) -> None:
        """Who must know, with the time until when."""
        self._asleep.append(call)

    def _go_on(self) -> None:
        if self.world.now < self.awake_at:
            self.world.at(self.awake_at, self._go_on)
            return
        while self._waiting and self.alive and self.world.now >= self.awake_at and not self.world.over:
            self._waiting[0]()
            if self._waiting:
                self._waiting.popleft()
        if self._waiting and self.alive:
            self.world.at(self.awake_at, self._go_on)

    def die(self) -> None:
        """SIGKILL: what its threads wait for never comes."""
        self.alive = False
        self._waiting.clear()
        self.loop.end()
        for fibre in list(self.fibres):
            fibre.end()

    # ------------------------------------------------------------ threads

    def thread(self, call: Callable[[], T], *, at_once: bool = False) -> Future[T]:
        """Run what blocks; its waiting is virtual."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                result = call()
            except Exception as error:  # noqa: BLE001  # whoever asked gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        if at_once:
            Fibre.at_once(run)
        else:
            Fibre(self, run).go_on()
        return future


class Loop(asyncio.AbstractEventLoop):
    """The asyncio loop of one process, as far as tasks, futures and timers need one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def time(self) -> float:
        """Virtual seconds."""
        return self._world.now / 1_000

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """In the order of asking."""
        handle = asyncio.Handle(callback, args, self, context)
        self._world.at(self._world.now, partial(self._run, handle))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """No two threads run at once here."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Never too early."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.at(math.ceil(when * 1_000 - 1e-6), partial(self._run, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As `call_at`."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is looked at when its time comes."""

    def _run(self, handle: asyncio.Handle) -> None:
        if not handle._cancelled:
            if self._process.awake:
                self._enter(handle)
            else:
                self._process.do(partial(self._enter, handle))

    def _enter(self, handle: asyncio.Handle) -> None:
        if not handle._cancelled:
            asyncio._set_running_loop(self)
            try:
                handle._run()
            finally:
                asyncio._set_running_loop(None)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Begins soon. One that fails ends the run: nothing here waits for another's failure."""
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=name, context=context)
        task.add_done_callback(self._done)
        self._tasks[task] = None
        return task

    def end(self) -> None:
        """Its process is dead. Coroutines are closed here, in order, and not whenever the collector finds them."""
        for task in self._tasks:
            coroutine = task.get_coro()
            if isinstance(coroutine, Coroutine):
                with contextlib.suppress(ValueError, RuntimeError):  # it runs just now, or waits in a `finally`
                    coroutine.close()
        self._tasks.clear()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._world.fail(error)

    def create_future(self) -> asyncio.Future[Any]:
        """Of this loop."""
        return asyncio.Future(loop=self)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """In a thread of its own."""
        return asyncio.wrap_future(self._process.thread(partial(func, *args)), loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Whatever nobody catches ends the run; what a dead process leaves unfinished is no fault."""
        error = context.get("exception")
        if error is not None and self._process.alive:
            self._world.fail(error)

    def is_running(self) -> bool:
        """Until its process is dead."""
        return self._process.alive

    def is_closed(self) -> bool:
        """With its process."""
        return not self._process.alive

    def get_debug(self) -> bool:
        """Never."""
        return False


def loop_of(process: Process) -> Loop:
    """A process has one."""
    return Loop(process)  # type: ignore[abstract]  # sockets and children are not for virtual processes
