"""A limit of time for others, in which it doesn't count when this process itself stood still.

Behind a pause (SIGSTOP, a frozen machine, a call that computes) a loop makes its late calls before anybody has read
what came meanwhile, and a plain timer ends what was done long ago. So a limit is counted in ticks, and one that comes
late by its own length or more counts for nothing. Of those there is an end too, for a process that is always late
would give strangers any time.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

TICKS: Final = 10
"""Of a limit. Few, so that hundreds of connections cost nothing; and a pause that is shorter than one does no harm."""


@contextlib.asynccontextmanager
async def running_limit(seconds: float) -> AsyncGenerator[None]:
    """TimeoutError when the block takes so many seconds in which this process runs."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        ticks = _Ticks(loop, seconds, lambda: limit.reschedule(loop.time()))
        try:
            yield
        finally:
            ticks.cancel()


class _Ticks:
    """Calls `on_over` behind the last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, on_over: Callable[[], None]) -> None:
        self._loop = loop
        self._length = seconds / TICKS
        self._left = self._excused = TICKS
        self._on_over = on_over
        self._schedule()

    def cancel(self) -> None:
        """Don't call."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._due = self._loop.time() + self._length
        self._timer = self._loop.call_at(self._due, self._passed)

    def _passed(self) -> None:
        if self._loop.time() - self._due < self._length or not self._excused:
            self._left -= 1
        else:
            self._excused -= 1
        if self._left:
            self._schedule()
        else:
            self._on_over()
