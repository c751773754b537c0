"""Calls at a time: one that moves, and those that a task's operators have asked for."""

from collections.abc import Callable
from typing import Protocol

from millstream_dataflow.identity import OperatorId
from millstream_taskmanager.task.doors import Timer


class Clock(Protocol):
    """What calls at a time."""

    def call_at(self, time: int, action: Callable[[], None]) -> Timer:
        """Call at that time or soon after."""
        ...


class Waking(Clock, Protocol):
    """A clock that also wakes the task."""

    def wake(self) -> None:
        """The task may be runnable."""
        ...


class Alarm:
    """One call at one time, which may be moved at will."""

    def __init__(self, clock: Clock, action: Callable[[], None]) -> None:
        self._clock = clock
        self._action = action
        self._time: int | None = None
        self._timer: Timer | None = None

    def set(self, time: int | None) -> None:
        """Call at that time, milliseconds, instead of any other; None: don't."""
        if time == self._time:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._time = time
        self._timer = None if time is None else self._clock.call_at(time, self._come)

    def _come(self) -> None:
        self._time = self._timer = None
        self._action()


class OperatorTimers:
    """Each operator has one time, the earliest that it has asked for."""

    def __init__(self, doors: Waking) -> None:
        self._doors = doors
        self._times: dict[OperatorId, int] = {}
        self._soon: dict[OperatorId, None] = {}
        self._alarm = Alarm(doors, self._come)
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether a time has come."""
        return self._ready

    def call_at(self, time: int, operator: OperatorId) -> None:
        """An operator asks for a time."""
        self._times[operator] = min(time, self._times.get(operator, time))
        self._alarm.set(min(self._times.values()))

    def resume(self, operator: OperatorId) -> None:
        """An operator asks to be called as soon as may be, whatever the time."""
        self._soon[operator] = None
        self._come()

    def due(self, now: int) -> list[OperatorId]:
        """The operators whose time has come; they must ask again."""
        self._ready = False
        due = [operator for operator, time in self._times.items() if time <= now]
        for operator in due:
            del self._times[operator]
        due += [operator for operator in self._soon if operator not in due]
        self._soon.clear()
        self._alarm.set(min(self._times.values(), default=None))
        return due

    def close(self) -> None:
        """No more calls."""
        self._times.clear()
        self._soon.clear()
        self._ready = False
        self._alarm.set(None)

    def _come(self) -> None:
        self._ready = True
        self._doors.wake()
