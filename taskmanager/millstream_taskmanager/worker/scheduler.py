"""The cooperative scheduler of one thread: whose step is next, and the timers.

A step is a batch, and never blocks. Runnable tasks wait in a queue by rank, downstream first: what is nearest to its
end goes first, so little is under way and the latency is that of the path; tasks of one rank take turns. Sources come
last, so they read only when nothing is left to do with what was read before; but a barrier that they are to send is
waited for by all whom they feed, so they step ahead for it, as each task does to be opened. What may wait (slices of a
snapshot) takes turns with all the rest: first as it is, it would stop whatever lies upstream of it.

Where other processes send as well, there may be no end of what was read before. A task that has waited for so many
steps gets some of them, until its turn by rank comes: else the source of the slowest process would read nothing as long
as those of the others do, and hold event time back for all.

Time is an argument: whoever turns the scheduler says what time it is, and may sleep until `next_timer`. That is
processing time, which a person or a time server may set; how long something waits is told by `Delays`.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

_PATIENCE: Final = 64
"""Steps of others for which a task waits; a batch from a source of this process is through in fewer, as a rule."""
_SHARE: Final = 4
"""Of so many steps one is for those that have waited for longer."""


def work_clock() -> float:
    """Milliseconds since whenever, with fractions: how long work takes."""
    return perf_counter() * 1_000


class Runnable(Protocol):
    """A task, as the scheduler sees it."""

    @property
    def runnable(self) -> bool:
        """Whether a step would do something."""
        ...

    @property
    def background(self) -> bool:
        """Whether a step would do nothing that others wait for."""
        ...

    @property
    def urgent(self) -> bool:
        """Whether its next steps can't wait for tasks downstream: for a barrier, which overtakes records here or has
        yet to be put behind those that have left the task.
        """
        ...

    def step(self) -> None:
        """A batch of work."""
        ...


class ScheduledCall:
    """A call at a time."""

    __slots__ = ("action", "time")

    def __init__(self, time: int, action: Callable[[], None]) -> None:
        self.time = time
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Don't call."""
        self.action = None


class Timers:
    """Calls at times of one clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, ScheduledCall]] = []
        self._order = itertools.count()

    def call_at(self, time: int, action: Callable[[], None]) -> ScheduledCall:
        """Call when `run` is told that time, or a later one."""
        call = ScheduledCall(time, action)
        heapq.heappush(self._heap, (time, next(self._order), call))
        return call

    def run(self, now: int) -> None:
        """The calls whose time has come, in the order of their times."""
        while self._heap and self._heap[0][0] <= now:
            _, _, call = heapq.heappop(self._heap)
            if call.action is not None:
                call.action()

    def next(self) -> int | None:
        """The time of the next call; None: there is none."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None


class Delays:
    """Calls after a time, by a clock that nobody sets: limits, retries, what has waited for company long enough."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock`: milliseconds since whenever."""
        self.now = clock
        self._timers = Timers()
        self.call_at = self._timers.call_at

    def call_later(self, delay: int, action: Callable[[], None]) -> ScheduledCall:
        """Call after so many milliseconds."""
        return self.call_at(self.now() + delay, action)

    def run(self) -> None:
        """The calls that are due."""
        self._timers.run(self.now())

    def wait(self) -> int | None:
        """Milliseconds until the next call; None: there is none."""
        due = self._timers.next()
        return None if due is None else max(due - self.now(), 0)


class Scheduler:
    """Tasks are added with their rank: the length of the longest path from a source to them."""

    def __init__(self) -> None:
        self._ranks: dict[Runnable, int] = {}
        self._queue: list[tuple[int, int, Runnable]] = []
        self._queued = set[Runnable]()
        self._urgent = deque[Runnable]()
        self._patient = deque[Runnable]()
        self._patient_next = False
        self._steps = 0
        self._waiting: dict[Runnable, int] = {}  # those in the queue, the first come first, by the step that it was
        self._starving: dict[Runnable, None] = {}  # those of them that have waited for too long
        self._order = itertools.count()
        self._timers = Timers()
        self.rounds = 0
        """How many times all tasks that had something to do have had a turn. While those downstream are busy, sources
        wait, and no round comes to its end.
        """
        self._round_begins = 0
        self._left = 0  # tasks of this round that haven't had their turn

    def add(self, task: Runnable, rank: int) -> None:
        """A task, which may be runnable at once."""
        self._ranks[task] = rank
        self.wake(task)

    def wake(self, task: Runnable) -> None:
        """The task may be runnable. Cheap, and may be said too often: it is asked when its turn comes."""
        if task.urgent:
            self._urgent.append(task)
        if task not in self._queued:
            self._queued.add(task)
            self._waiting[task] = self._steps
            heapq.heappush(self._queue, (-self._ranks[task], next(self._order), task))

    def step(self) -> bool:
        """One step of the task whose turn it is; False when none is runnable."""
        self._steps += 1
        task = self._take_urgent() if self._urgent else None
        task = task or (None if self._steps % _SHARE else self._take_starving())
        task = task or (self._take_patient() if self._patient_next else None)
        task = task or self._take() or self._take_patient()
        if task is None:
            return False
        self._patient_next = not self._patient_next
        task.step()
        if task.runnable:  # who isn't belongs to no round
            self.wake(task)
        return True

    def _take(self) -> Runnable | None:
        while self._queue:
            _, order, task = heapq.heappop(self._queue)
            self._queued.discard(task)
            self._waiting.pop(task, None)
            self._starving.pop(task, None)
            self._left -= order < self._round_begins
            if not self._left:
                self._begin_round()
            if task.runnable:
                if not task.background:
                    return task
                self._patient.append(task)
        self._begin_round()
        return None

    def _take_urgent(self) -> Runnable | None:
        """Ahead of its turn, which it has as well."""
        while self._urgent:
            task = self._urgent.popleft()
            if task.urgent and task.runnable:
                return task
        return None

    def _take_starving(self) -> Runnable | None:
        """Ahead of its turn, which it has as well. Those that aren't runnable keep their place."""
        waited_since = self._steps - _PATIENCE
        while self._waiting and next(iter(self._waiting.values())) < waited_since:
            task = next(iter(self._waiting))
            del self._waiting[task]
            self._starving[task] = None
        for task in self._starving:
            if task.runnable and not task.background:
                del self._starving[task]
                self._starving[task] = None  # behind the others
                return task
        return None

    def _begin_round(self) -> None:
        self.rounds += 1
        self._round_begins = next(self._order)
        self._left = len(self._queue)

    def _take_patient(self) -> Runnable | None:
        while self._patient:
            task = self._patient.popleft()
            if task.runnable and task not in self._queued:  # else its turn comes by rank
                return task
        return None

    def run_until_idle(self) -> int:
        """Steps until no task is runnable; gives their number."""
        steps = 0
        while self.step():
            steps += 1
        return steps

    # --------------------------------------------------------------------------------------------------- timers

    def call_at(self, time: int, action: Callable[[], None]) -> ScheduledCall:
        """Call when `run_timers` is told that time, or a later one."""
        return self._timers.call_at(time, action)

    def run_timers(self, now: int) -> None:
        """The calls whose time has come, in the order of their times."""
        self._timers.run(now)

    def next_timer(self) -> int | None:
        """The time of the next call, milliseconds; None: there is none."""
        return self._timers.next()
