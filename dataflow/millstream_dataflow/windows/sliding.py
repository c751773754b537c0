"""Windows of one size at a distance of their own: a time is in several, or in none where they leave gaps.

A record isn't copied into each of its windows. It lies in one pane, the greatest common divisor of size and slide long,
and a window that fires merges its panes in the order of time. So the function of `reduce` must be associative, and
`AggregateFunction.merge` is called. Records of a `process` stand in the order of their panes, within one as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.windows.aligned import AlignedWindows


@dataclass(frozen=True, slots=True)
class _Sliding(AlignedWindows):
    """What both have in common."""

    size: int
    """Milliseconds."""
    slide: int
    """Milliseconds from the start of one window to that of the next."""
    offset: int = 0
    """Milliseconds by which windows begin after whole slides since the epoch."""

    def __post_init__(self) -> None:
        """Refuse what makes no windows."""
        self.check(("size", "slide"), "slide")

    @classmethod
    def of(cls, size: Span, slide: Span, offset: Span | None = None) -> Self:
        """Windows of a size, one at every slide (timedelta, Duration, Time, or milliseconds), beginning at whole slides
        since the epoch. An offset shifts them. ValueError when size or slide isn't above 0, or the offset isn't smaller
        than the slide.
        """
        return cls(to_milliseconds(size), to_milliseconds(slide), 0 if offset is None else to_milliseconds(offset))

    @property
    def distance(self) -> int:
        """The slide."""
        return self.slide


@dataclass(frozen=True, slots=True)
class SlidingEventTimeWindows(_Sliding):
    """Windows of one size, one at every slide, by the records' event times."""

    def is_event_time(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class SlidingProcessingTimeWindows(_Sliding):
    """Windows of one size, one at every slide, by the clock of the machine that a record reaches."""

    def is_event_time(self) -> bool:
        """False."""
        return False
