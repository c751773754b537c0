"""A single JobManager: who holds the lock of the store leads, until the process ends."""

import math
from collections.abc import Callable

from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.store import JobStore
from millstream_runtime.leadership.nodes import Leader


class SingleOffice:
    """It has no end of its own. A lock that was taken away shows at the next write."""

    reason = ""
    has_rivals = False

    def __init__(self, store: JobStore) -> None:
        self.store = store

    def hold(self) -> Hold:
        """The lock is held until the store is closed."""
        return Hold.HOLDS

    def lasts(self) -> float:
        """As long as the process."""
        return math.inf

    def abandon(self) -> None:
        """There is nobody else."""

    def on_change(self, call: Callable[[], None]) -> None:
        """It never changes."""

    async def announce(self, leader: Leader) -> None:
        """It is found by its address."""

    async def leave(self) -> None:
        """The lock went with the store."""


class SingleElection:
    """There is nobody else to vote for."""

    repeats = False
    leader: Leader | None = None
    is_led = False

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def won(self) -> SingleOffice:
        """At once; whether the lock can be had shows when the store is opened."""
        return SingleOffice(self._store)

    async def close(self) -> None:
        """Nothing is open."""
