"""A disk behind a thread of its own: a slow one holds no heartbeat."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from millstream_runtime.threads import Threads

_LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")

_BEHIND: Final = 256  # calls: 16 MiB at most, in pieces of 64 KiB
_END_S: Final = 5.0  # what may wait at the end are a few MiB
_LAST_S: Final = 0.1  # an idle thread ends at once


class Disk:
    """Calls that may block, done in the order in which they are made. Used from one event loop."""

    def __init__(self, keeps: str, consequence: str) -> None:
        """What it keeps, in a word, and what follows when it hangs to the end."""
        self._keeps = keeps
        self._consequence = consequence
        self._thread = Threads(1, f"millstream-{keeps}")
        self._ended = False

    @property
    def is_behind(self) -> bool:
        """So much waits for it that nobody should add what can be spared."""
        return self._thread.waiting >= _BEHIND

    def start(self, call: Callable[[], object], then: Callable[[], None] | None = None) -> None:
        """Sooner or later; `then` is called in the event loop behind it, whether it went well or not."""
        future = self._thread.submit(call)
        if then is not None:
            future.add_done_callback(partial(_tell, asyncio.get_running_loop(), then))

    async def ask(self, call: Callable[[], T]) -> T:
        """Behind all that was started before; it may never come back."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def end(self) -> None:
        """Everything that was to be done is done, unless the disk hangs. The last call."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self.ask(lambda: None)
        if not self._thread.close(_LAST_S):
            _LOG.warning("the disk with %s has not answered for %s s; %s", self._keeps, _END_S, self._consequence)


def _tell(loop: asyncio.AbstractEventLoop, then: Callable[[], None], _: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while this was hanging
        loop.call_soon_threadsafe(then)
