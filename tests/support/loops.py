"""The event loops that a process of Millstream may have: uvloop's where it is installed. Code that takes transports in
its hands is tested with each.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

PLAIN: Final[Mapping[str, Callable[[], asyncio.AbstractEventLoop]]] = {"asyncio": asyncio.new_event_loop}


def every_loop() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """As pytest-asyncio wants them."""
    loops = dict(PLAIN)
    with suppress(ImportError):
        import uvloop  # an extra

        loops["uvloop"] = uvloop.new_event_loop
    return loops
