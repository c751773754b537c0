"""A term of office, and who gives them."""

import time
from collections.abc import Callable
from typing import Protocol

from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.store import JobStore
from millstream_runtime.leadership.nodes import Leader


def lease_clock() -> int:
    """Milliseconds of the clock that leases are judged by: it goes on while the machine sleeps."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Office(Protocol):
    """One term of leadership, from the moment it was won. Used in the loop's thread."""

    @property
    def store(self) -> JobStore:
        """The store under this office; `open` takes its epoch."""
        ...

    @property
    def has_rivals(self) -> bool:
        """Others may lead when this one can't."""
        ...

    def lasts(self) -> float:
        """Seconds until it is over if nothing renews it; below 0 since then. Any thread may ask."""
        ...

    def abandon(self) -> None:
        """Somebody else may have it, whatever the loop does. For another thread; blocks for a second at most."""
        ...

    def hold(self) -> Hold:
        """Whether the leader may decide at this moment."""
        ...

    @property
    def reason(self) -> str:
        """Why the term is over."""
        ...

    def on_change(self, call: Callable[[], None]) -> None:
        """Called in the loop's thread when the answer of `hold` may have changed."""
        ...

    async def announce(self, leader: Leader) -> None:
        """It serves there: say so to those who look for a leader."""
        ...

    async def leave(self) -> None:
        """The term ends, if it hasn't ended: the next leader needn't wait. Its store is closed by now."""
        ...


class Election(Protocol):
    """Gives offices to one JobManager, one after the other. Used in the loop's thread."""

    @property
    def repeats(self) -> bool:
        """Whoever has lost an office may win another one."""
        ...

    @property
    def leader(self) -> Leader | None:
        """Who is known to lead, to name it to those who ask the wrong one."""
        ...

    @property
    def is_led(self) -> bool:
        """Somebody is seen to lead now."""
        ...

    async def won(self) -> Office:
        """Waits until this JobManager leads."""
        ...

    async def close(self) -> None:
        """It stands for election no more."""
        ...
