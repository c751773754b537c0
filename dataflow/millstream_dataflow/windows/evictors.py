"""Evictors: which of its records a window forgets when it fires (Flink, "Windows", Evictors).

A window with an evictor keeps all its records with their times, whatever is made of them in the end: `reduce` and
`aggregate` go over them when it fires.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.windows.triggers.delta import DELTA_TAKES
from millstream_dataflow.windows.window import Window

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
W_contra = TypeVar("W_contra", contravariant=True)


@dataclass(slots=True)
class TimestampedValue(Generic[T]):
    """A record of a window and its event time in milliseconds; None where the stream has no times."""

    value: T
    timestamp: int | None

    def get_value(self) -> T:
        """The record."""
        return self.value

    def get_timestamp(self) -> int | None:
        """Its event time."""
        return self.timestamp

    def has_timestamp(self) -> bool:
        """Whether the stream has times."""
        return self.timestamp is not None


class Evictor(ABC, Generic[T_contra, W_contra]):
    """Takes records out of a window that fires, before the window function is called or behind it.

    `elements` is a list, in the order in which the records came: `del elements[:3]`, or `elements[:] = ...`. What is
    gone from it is forgotten.
    """

    __slots__ = ()

    class EvictorContext(ABC):
        """What is around the window. Valid during the call only."""

        __slots__ = ()

        @abstractmethod
        def get_current_processing_time(self) -> int:
            """The clock of the machine, in milliseconds since the epoch."""

        @abstractmethod
        def get_current_watermark(self) -> int:
            """The operator's watermark, in milliseconds since the epoch."""

    @abstractmethod
    def evict_before(
        self, elements: list[TimestampedValue[Any]], size: int, window: W_contra, ctx: Evictor.EvictorContext
    ) -> None:
        """Before the window function: it doesn't see what is taken out. `size` is the number of elements."""

    @abstractmethod
    def evict_after(
        self, elements: list[TimestampedValue[Any]], size: int, window: W_contra, ctx: Evictor.EvictorContext
    ) -> None:
        """Behind the window function."""


class BuiltInEvictor(Evictor[Any, Window]):
    """One that evicts in the same way before the window function or behind it."""

    __slots__ = ()

    do_evict_after: bool

    @abstractmethod
    def evict(self, elements: list[TimestampedValue[Any]]) -> None:
        """Take out what goes."""

    def evict_before(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        """Unless it is to be done behind."""
        if not self.do_evict_after:
            self.evict(elements)

    def evict_after(
        self, elements: list[TimestampedValue[Any]], size: int, window: Window, ctx: Evictor.EvictorContext
    ) -> None:
        """If it is to be done behind."""
        if self.do_evict_after:
            self.evict(elements)


@dataclass(frozen=True, slots=True)
class CountEvictor(BuiltInEvictor):
    """Keeps the last records, so many at most."""

    max_count: int
    """Records."""
    do_evict_after: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no number of records."""
        if not isinstance(cast("object", self.max_count), int) or isinstance(self.max_count, bool):
            raise TypeError(f"CountEvictor takes a number of records, but got {self.max_count!r}")
        if self.max_count < 0:
            raise ValueError(f"CountEvictor needs a number of records, at least 0, but got {self.max_count}")

    @staticmethod
    def of(max_count: int, do_evict_after: bool = False) -> CountEvictor:  # noqa: FBT001, FBT002  # Flink's signature
        """Keeps so many; `do_evict_after`: the window function sees them all once."""
        return CountEvictor(max_count, do_evict_after)

    def evict(self, elements: list[TimestampedValue[Any]]) -> None:
        """The first ones go."""
        del elements[: max(0, len(elements) - self.max_count)]


@dataclass(frozen=True, slots=True)
class TimeEvictor(BuiltInEvictor):
    """Keeps the records that are less than a span older than the newest. Records without times all stay."""

    window_size: int
    """Milliseconds."""
    do_evict_after: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        if not isinstance(cast("object", self.window_size), int) or isinstance(self.window_size, bool):
            what = f"TimeEvictor takes its span in milliseconds, but got {self.window_size!r}"
            raise TypeError(f"{what}; use TimeEvictor.of(...)")
        if self.window_size < 0:
            raise ValueError(f"TimeEvictor needs a span of 0 or more, but got {self.window_size} ms")

    @staticmethod
    def of(window_size: Span, do_evict_after: bool = False) -> TimeEvictor:  # noqa: FBT001, FBT002  # Flink's signature
        """Keeps what is not older (timedelta, Duration, Time, or milliseconds); `do_evict_after`: the window function
        sees them all once. ValueError for a negative span.
        """
        return TimeEvictor(to_milliseconds(window_size), do_evict_after)

    def evict(self, elements: list[TimestampedValue[Any]]) -> None:
        """The old ones go."""
        times = [element.timestamp for element in elements if element.timestamp is not None]
        if times:
            limit = max(times) - self.window_size
            elements[:] = [one for one in elements if one.timestamp is None or one.timestamp > limit]


@dataclass(frozen=True, slots=True)
class DeltaEvictor(BuiltInEvictor):
    """Keeps the records that are less than a threshold away from the last one."""

    threshold: float
    delta_function: Callable[[Any, Any], float]
    """Of an earlier record and the last one."""
    do_evict_after: bool = False

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if not callable(self.delta_function):
            raise TypeError(f"DeltaEvictor takes {DELTA_TAKES}, but got {self.delta_function!r}")

    @staticmethod
    def of(
        threshold: float,
        delta_function: Callable[[Any, Any], float],
        do_evict_after: bool = False,  # noqa: FBT001, FBT002  # Flink's signature
    ) -> DeltaEvictor:
        """`delta_function` takes an earlier record and the last one; `do_evict_after`: the window function sees them
        all once.
        """
        return DeltaEvictor(threshold, delta_function, do_evict_after)

    def evict(self, elements: list[TimestampedValue[Any]]) -> None:
        """Those far away go."""
        if elements:
            last, delta = elements[-1].value, self.delta_function
            elements[:] = [one for one in elements if delta(one.value, last) < self.threshold]
