"""The calls of those who show no token: each is over soon, and there are few at once.

An answer waits for a peer who takes nothing, by a window of zero or by not reading, and gRPC has no way to end a call
that waits for its peer: it would hold its place among all calls for ever. So whoever doesn't take his answer in time
loses his connection, which is the door's to close, and with it all his calls.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from millstream_jobmanager.service.rpc import Context

LONGEST_S: Final = 5.0
"""Seconds that an answer of a few hundred bytes may take on its way; a probe gives up after one."""
AT_ONCE: Final = 100
"""Over all connections, a twentieth of all calls. An answer takes milliseconds, so this is over 10,000 a second."""


class Strangers:
    """Counts them, over all servers behind a door."""

    def __init__(self, end: Callable[[str], None]) -> None:
        """`end` closes the connection that gRPC knows by that name; more than once does no harm."""
        self._end = end
        self._calls = Counter[str]()
        """That are under way, by connection."""

    def begins(self, context: Context) -> None:
        """A call that is to be answered at once. Where there are too many, the connection with the most of them goes:
        that is none with a single question.
        """
        peer = context.peer()
        late = asyncio.get_running_loop().call_later(LONGEST_S, self._end, peer)
        self._calls[peer] += 1

        def over(_: object) -> None:
            late.cancel()
            self._calls[peer] -= 1
            self._calls += Counter()  # forgets those that have none

        context.add_done_callback(over)  # type: ignore[arg-type]  # its stubs want a class of their own
        if self._calls.total() > AT_ONCE:
            self._end(max(self._calls, key=self._calls.__getitem__))
