"""The clock that makes a split idle. It stops while the split is held back by backpressure or alignment (design 6).

Then the split brings nothing because nobody takes it, and to call it idle would let the watermark run away from records
that are there already.
"""


class IdleClock:
    """Times are milliseconds of processing time."""

    __slots__ = ("_held", "_quiet", "_since", "_timeout")

    def __init__(self, timeout: int, now: int) -> None:
        self._timeout = timeout
        self._quiet = 0  # milliseconds without a record, up to `_since`
        self._since = now
        self._held = False

    def record(self, now: int) -> None:
        """A record has come."""
        self._quiet = 0
        self._since = now

    def hold(self, now: int, *, held: bool) -> None:
        """Held back from now on, or free again."""
        if not self._held:
            self._quiet += now - self._since
        self._since = now
        self._held = held

    def is_idle(self, now: int) -> bool:
        """Whether it has been quiet for the timeout."""
        return self._quiet + self._running(now) >= self._timeout

    def due(self) -> int | None:
        """When it is idle if nothing comes; None while held back."""
        return None if self._held else self._since + self._timeout - self._quiet

    def _running(self, now: int) -> int:
        return 0 if self._held else now - self._since
