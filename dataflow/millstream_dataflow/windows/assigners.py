"""Which windows a record belongs to (Flink, "Windows")."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.windows.window import TimeWindow, window_start


class WindowAssigner(ABC):
    """Base of all assigners: values, made by `of`."""

    __slots__ = ()

    @abstractmethod
    def assign_windows(self, timestamp: int) -> Sequence[TimeWindow]:
        """The windows of a record with this time: its event time, or the processing time at which it came."""

    @abstractmethod
    def is_event_time(self) -> bool:
        """Whether watermarks close the windows; else the clock does."""


@dataclass(frozen=True, slots=True)
class _Tumbling(WindowAssigner):
    """Windows of one size, side by side."""

    size: int
    """Milliseconds."""
    offset: int = 0
    """Milliseconds by which the windows begin after whole sizes since the epoch."""

    def __post_init__(self) -> None:
        """Refuse what makes no windows."""
        name = type(self).__name__
        for field in ("size", "offset"):
            value = cast("object", getattr(self, field))
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} takes its {field} in milliseconds, but got {value!r}; use {name}.of(...)")
        if self.size <= 0:
            raise ValueError(f"{name} needs a size above 0, but got {self.size} ms")
        if abs(self.offset) >= self.size:
            sizes = f"got offset {self.offset} ms and size {self.size} ms"
            raise ValueError(f"{name} needs an offset smaller than its size, in either direction: {sizes}")

    @classmethod
    def of(cls, size: Span, offset: Span | None = None) -> Self:
        """Windows of a size (timedelta, Duration, Time, or milliseconds), beginning at whole sizes since the epoch.

        An offset shifts them: days that begin at midnight in a zone of UTC+8 have `offset=timedelta(hours=-8)`.
        ValueError when the size isn't above 0, or the offset isn't smaller than the size.
        """
        return cls(to_milliseconds(size), 0 if offset is None else to_milliseconds(offset))

    def assign_windows(self, timestamp: int) -> Sequence[TimeWindow]:
        """The one window around the time."""
        start = window_start(timestamp, self.offset, self.size)
        return (TimeWindow(start, start + self.size),)


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
