"""A limit of time for something that others do while this worker's loop looks on.

The loop may be busy in user code for minutes. What came meanwhile it hasn't read, and calls that were due meanwhile
are made late and all at once: a plain timer would then end what was done long ago. So a limit is counted in ticks, of
which a loop that stands still makes none.
"""

from collections.abc import Callable
from typing import Final, Protocol

_TICK: Final = 100  # milliseconds: little beside limits of seconds, and ten calls a second cost 20 us


class ScheduledCall(Protocol):
    """A call that was asked for."""

    def cancel(self) -> None:
        """Don't call."""
        ...


CallLater = Callable[[int, Callable[[], None]], ScheduledCall]
"""Milliseconds from now, and what to call then."""


def _always() -> bool:
    return True


class Countdown:
    """Calls `on_over` once that many milliseconds have counted."""

    def __init__(
        self, limit: int, call_later: CallLater, on_over: Callable[[], None], counts: Callable[[], bool] = _always
    ) -> None:
        """`counts`: whether the time that is passing counts; asked at each tick."""
        self._left = limit
        self._call_later = call_later
        self._on_over = on_over
        self._counts = counts
        self._next = self._schedule()

    def cancel(self) -> None:
        """Don't call."""
        self._next.cancel()

    def _schedule(self) -> ScheduledCall:
        tick = min(_TICK, self._left)
        return self._call_later(tick, lambda: self._passed(tick))

    def _passed(self, tick: int) -> None:
        if self._counts():
            self._left -= tick
        if self._left > 0:
            self._next = self._schedule()
        else:
            self._on_over()
