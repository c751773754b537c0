"""The readiness loop: the only place of a worker that waits (ARCHITECTURE 7).

    while not stopped:  timers that are due; steps of runnable tasks for a millisecond; sockets

Sockets are polled at least every millisecond, not after every step: a poll costs 3 us, a step of one record 9. While
a task is runnable the poll doesn't wait; else it waits until the next timer. What other threads want done is queued,
and a byte through a pair of sockets ends the wait. From the first coroutine of user code on it is asyncio that waits.
"""

import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from millstream_taskmanager.user_code.forks import leave_if_forked
from millstream_taskmanager.worker.coroutines import Coroutines
from millstream_taskmanager.worker.poller import SocketPoller
from millstream_taskmanager.worker.scheduler import Delays, ScheduledCall, Scheduler

Clock = Callable[[], int]
"""Milliseconds: since the epoch (processing time, which may be set), or since whenever (for delays)."""

STINT_NS: Final = 1_000_000
"""For so long steps are made between two polls: little against any latency that a person sets."""

_LONGEST_WAIT_S: Final = 1.0  # for a time of the clock on the wall: when that is set, we find it so late at most


def wall_clock() -> int:
    """The machine's."""
    return time.time_ns() // 1_000_000


def steady_clock() -> int:
    """One that nobody sets."""
    return time.monotonic_ns() // 1_000_000


class WorkerLoop:
    """Turns tasks. Everything is called from the thread that runs it, but for `call_from_thread`."""

    def __init__(self, clock: Clock = wall_clock) -> None:
        """`clock`: processing time. Delays are none of its business."""
        self.clock = clock
        self.delays = Delays(steady_clock)
        self.scheduler = Scheduler()
        self.poller = SocketPoller()
        self.coroutines = Coroutines(self.poller.descriptor)
        self.between_steps: Callable[[], None] = _nothing
        """Called after each step: connections send what it has left."""
        self.before_poll: Callable[[], None] = _nothing
        """Called before sockets are polled: output is passed on."""
        self._stopped = False
        self._calls = deque[Callable[[], None]]()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self.poller.register(self._woken, self._run_calls)

    # ----------------------------------------------------------------------------------------------- turning

    def run(self) -> None:
        """Until `stop` is called."""
        while not self._stopped:
            wait = self._stint()
            leave_if_forked()
            self.before_poll()
            if self.coroutines.active:
                self.coroutines.turn(wait)
                wait = 0.0
            self.poller.poll(wait)

    def stop(self) -> None:
        """End after what is at hand."""
        self._stopped = True

    def _stint(self) -> float | None:
        """Timers and steps; gives how many seconds the poll may wait."""
        scheduler = self.scheduler
        scheduler.run_timers(self.clock())
        self.delays.run()
        end = time.monotonic_ns() + STINT_NS
        while scheduler.step():
            leave_if_forked()
            self.between_steps()
            if time.monotonic_ns() >= end:
                return 0.0
        self.between_steps()
        if self._stopped:
            return 0.0
        return self._pause()

    def _pause(self) -> float | None:
        """How many seconds until a timer is due."""
        due, wait = self.scheduler.next_timer(), self.delays.wait()
        pauses = [] if wait is None else [wait / 1_000]
        if due is not None:
            pauses.append(min(max((due - self.clock()) / 1_000, 0.0), _LONGEST_WAIT_S))
        return min(pauses, default=None)

    # ------------------------------------------------------------------------------------------------- calls

    def call_at(self, when: int, action: Callable[[], None]) -> ScheduledCall:
        """Call at that processing time or soon after, between steps."""
        return self.scheduler.call_at(when, action)

    def call_later(self, delay: int, action: Callable[[], None]) -> ScheduledCall:
        """Call after so many milliseconds, between steps, whatever is done to the machine's clock meanwhile."""
        return self.delays.call_later(delay, action)

    def call_from_thread(self, action: Callable[[], None]) -> None:
        """Call between steps. From any thread, also after the loop has ended (then nothing comes of it)."""
        self._calls.append(action)
        with suppress(BlockingIOError, OSError):  # full: it is awake; closed: nobody is there any more
            self._waker.send(b"\0")

    def _run_calls(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def close(self) -> None:
        """Its own sockets, and asyncio's."""
        self.coroutines.close()
        self.poller.close()
        self._waker.close()
        self._woken.close()


def _nothing() -> None:
    """For who has nothing to do."""
