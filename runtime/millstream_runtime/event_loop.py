"""The event loop of a JobManager or TaskManager: uvloop's where it is installed (`pip install 'millstream[fast]'`)."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, from the main thread. What SIGINT does is afterwards as before, which uvloop doesn't see to."""
    factory = None
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  # an extra

        factory = uvloop.new_event_loop
    before = signal.getsignal(signal.SIGINT)
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(work)
    finally:
        signal.signal(signal.SIGINT, before)
