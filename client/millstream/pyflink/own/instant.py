"""PyFlink's `Instant`: a point in time."""

from dataclasses import dataclass

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """So many seconds and nanoseconds after 1970-01-01 00:00 UTC. A value of a program's own: `Types.INSTANT()` holds
    `datetime`s.
    """

    seconds: int
    nanos: int

    def to_epoch_milli(self) -> int:
        """Whole milliseconds since then."""
        return self.seconds * 1_000 + self.nanos // _MILLION

    @staticmethod
    def of_epoch_milli(epoch_milli: int) -> "Instant":
        """So many milliseconds after it; before it where there is a minus."""
        seconds, milliseconds = divmod(epoch_milli, 1_000)
        return Instant(seconds, milliseconds * _MILLION)
