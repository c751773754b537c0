"""The one task that owns the core: events in, commands carried out in order, a timer for the core's next deadline."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from millstream_taskmanager.core.commands import Command
from millstream_taskmanager.core.core import TaskManagerCore
from millstream_taskmanager.core.events import Event, Tick


def monotonic_ms() -> int:
    """The core's clock."""
    return time.monotonic_ns() // 1_000_000


class Shell:
    """Events may be told from anywhere in the loop, from within a command too: they wait for their turn."""

    def __init__(self, core: TaskManagerCore, carry_out: Callable[[Command], None]) -> None:
        self.core = core
        self._carry_out = carry_out
        self._events = deque[Event]()
        self._wake = asyncio.Event()

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._events.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. An exception is a mistake of ours: the core's state can't be trusted any more."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._events:
                self._handle(self._events.popleft())
            timer = None
            deadline = self.core.deadline()
            if deadline is not None:
                late = monotonic_ms() - deadline
                if late >= 0:
                    self._handle(Tick())
                    await asyncio.sleep(0)  # so a deadline that doesn't move can't hold the loop
                    continue
                timer = loop.call_later(-late / 1_000, self._wake.set)
            await self._wake.wait()
            if timer is not None:
                timer.cancel()

    def _handle(self, event: Event) -> None:
        for command in self.core.handle(event, monotonic_ms()):
            self._carry_out(command)
