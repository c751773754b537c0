"""What a window is: a span of time with a first and an end millisecond."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream_dataflow.records.batches import Times


class Window(ABC):
    """Base of all windows."""

    __slots__ = ()

    @abstractmethod
    def max_timestamp(self) -> int:
        """The last time that belongs to it, in milliseconds: it is complete when the watermark has reached this."""


@dataclass(frozen=True, slots=True, order=True, repr=False)
class TimeWindow(Window):
    """From `start`, which belongs to it, to `end`, which doesn't: milliseconds since the epoch. Ordered by start."""

    start: int
    end: int

    def max_timestamp(self) -> int:
        """One millisecond before the end."""
        return self.end - 1

    def __repr__(self) -> str:
        return f"TimeWindow({_shown(self.start)}, {_shown(self.end)})"


def window_start(timestamp: int, offset: int, size: int) -> int:
    """The start of the tumbling window that a time falls into; all in milliseconds.

    Windows begin at the epoch plus the offset plus any multiple of the size, before the epoch as well: Python's `%` is
    never negative.
    """
    return timestamp - (timestamp - offset) % size


def window_starts(timestamps: Times, offset: int, size: int) -> Times:
    """The starts for a batch of times, which must be more than a size away from the ends of 64 bits."""
    return timestamps - (timestamps - offset) % size


def _shown(milliseconds: int) -> str:
    try:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:  # beyond the years 1 to 9999
        return str(milliseconds)
    return time.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds").replace("+00:00", "Z")
