"""A disk that answers nobody for a while."""

import asyncio
import threading


class HangingDisk:
    """Calls that are held up until it is free."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.busy = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def pass_by(self) -> None:
        """In whatever thread; an event loop that is held up fails after a while, instead of hanging."""
        self._loop.call_soon_threadsafe(self.busy.set)
        assert self.free.wait(20), "the event loop was held up"
