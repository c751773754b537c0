"""The clock that makes a split idle. It counts looks that found nothing, not the time on the wall.

A worker is one thread, so a call that blocks anywhere in it keeps every task from its input. What waits there is found
by the next look: so time counts only where somebody looks and finds nothing, and what lies between two looks counts
for a quarter of the timeout at most. Four looks at least come before a split is idle, however long the thread was at
something else.

The clock stands while the split is held back by backpressure or alignment (design 6). Then it brings nothing because
nobody takes it, and to call it idle would let the watermark run away from records that are there already.
"""


class IdleClock:
    """Times are milliseconds of processing time."""

    __slots__ = ("_held", "_most", "_quiet", "_since", "_timeout")

    def __init__(self, timeout: int, now: int) -> None:
        self._timeout = timeout
        self._most = max(1, timeout // 4)
        self._quiet = 0  # milliseconds without a record, up to `_since`
        self._since = now
        self._held = False

    def record(self, now: int) -> None:
        """A record has come."""
        self._quiet = 0
        self._since = now

    def look(self, now: int) -> None:
        """Somebody has looked, and nothing was there."""
        if not self._held:
            self._quiet += min(max(now - self._since, 0), self._most)  # a person may set the clock back
        self._since = now

    def hold(self, now: int, *, held: bool) -> None:
        """Held back from now on, or free again. What lies between the last look and now doesn't count."""
        self._since = now
        self._held = held

    @property
    def is_idle(self) -> bool:
        """Whether it has been quiet for the timeout."""
        return self._quiet >= self._timeout

    def next_look(self, now: int) -> int | None:
        """When to look again; None while held back. Twice as often as need be: a look that comes late counts whole."""
        return None if self._held else now + max(1, min(self._most // 2, self._timeout - self._quiet))
