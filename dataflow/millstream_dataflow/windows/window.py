"""What a window is: a span of time with a first and an end millisecond, or a part of a stream without one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from millstream_dataflow.records.controls import MAX_TIME

if TYPE_CHECKING:
    from millstream_dataflow.records.batches import Times

W_contra = TypeVar("W_contra", contravariant=True)


class Window(ABC):
    """Base of all windows: values that can be hashed. One of your own is stored by pickle, so its class must be found
    under its name for as long as there are savepoints with it.
    """

    __slots__ = ()

    @abstractmethod
    def max_timestamp(self) -> int:
        """The last time that belongs to it, in milliseconds: it is complete when the watermark has reached this."""


class Merges(Protocol[W_contra]):
    """Who is told which windows become one."""

    def merge(self, to_be_merged: Collection[W_contra], merge_result: W_contra) -> None:
        """Those become this one."""
        ...


@dataclass(frozen=True, slots=True, order=True, repr=False)
class TimeWindow(Window):
    """From `start`, which belongs to it, to `end`, which doesn't: milliseconds since the epoch. Ordered by start."""

    start: int
    end: int

    def max_timestamp(self) -> int:
        """One millisecond before the end; at the end of time that, for no watermark goes beyond it."""
        return min(self.end - 1, MAX_TIME)

    def intersects(self, other: TimeWindow) -> bool:
        """Whether they have a time in common, or one begins where the other ends (as in Flink)."""
        return self.start <= other.end and other.start <= self.end

    def cover(self, other: TimeWindow) -> TimeWindow:
        """The smallest window that holds both."""
        return TimeWindow(min(self.start, other.start), max(self.end, other.end))

    @staticmethod
    def get_window_start_with_offset(timestamp: int, offset: int, window_size: int) -> int:
        """The start of the tumbling window that a time falls into; all in milliseconds."""
        return window_start(timestamp, offset, window_size)

    @staticmethod
    def merge_windows(windows: Iterable[TimeWindow], callback: Merges[TimeWindow]) -> None:
        """Tell which of these windows become one, since they intersect, directly or by others. Those that stay as they
        are aren't told of; those that are stand in the order of their starts.
        """
        several: list[TimeWindow] = []
        whole: TimeWindow | None = None
        for window in sorted(windows):
            if whole is not None and whole.intersects(window):
                whole = whole.cover(window)
                several.append(window)
                continue
            if whole is not None and len(several) > 1:
                callback.merge(several, whole)
            whole, several = window, [window]
        if whole is not None and len(several) > 1:
            callback.merge(several, whole)

    def __repr__(self) -> str:
        return f"TimeWindow({_shown(self.start)}, {_shown(self.end)})"


@dataclass(frozen=True, slots=True)
class GlobalWindow(Window):
    """The one window of `GlobalWindows`, which never ends."""

    @staticmethod
    def get() -> GlobalWindow:
        """It."""
        return GlobalWindow()

    def max_timestamp(self) -> int:
        """The end of all time."""
        return MAX_TIME


@dataclass(frozen=True, slots=True)
class CountWindow(Window):
    """Some records of a key one after another. `id` counts the key's windows from 0."""

    id: int

    def max_timestamp(self) -> int:
        """The end of all time: no time completes it."""
        return MAX_TIME


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
