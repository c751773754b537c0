"""Windows of one size, side by side: every time is in exactly one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.windows.aligned import AlignedWindows


@dataclass(frozen=True, slots=True)
class _Tumbling(AlignedWindows):
    """What both have in common."""

    size: int
    """Milliseconds."""
    offset: int = 0
    """Milliseconds by which the windows begin after whole sizes since the epoch."""

    def __post_init__(self) -> None:
        """Refuse what makes no windows."""
        self.check(("size",), "size")

    @classmethod
    def of(cls, size: Span, offset: Span | None = None) -> Self:
        """Windows of a size (timedelta, Duration, Time, or milliseconds), beginning at whole sizes since the epoch.

        An offset shifts them: days that begin at midnight in a zone of UTC+8 have `offset=timedelta(hours=-8)`.
        ValueError when the size isn't above 0, or the offset isn't smaller than the size.
        """
        return cls(to_milliseconds(size), 0 if offset is None else to_milliseconds(offset))

    @property
    def distance(self) -> int:
        """The size."""
        return self.size


@dataclass(frozen=True, slots=True)
class TumblingEventTimeWindows(_Tumbling):
    """Windows of one size, side by side, by the records' event times."""

    def is_event_time(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class TumblingProcessingTimeWindows(_Tumbling):
    """Windows of one size, side by side, by the clock of the machine that a record reaches."""

    def is_event_time(self) -> bool:
        """False."""
        return False
