"""Sessions: records of a key with no gap between them. Each record opens a window as long as the gap, and windows that
intersect become one, also when a late record joins sessions that have fired (Flink, "Session Windows").

What was kept of sessions that become one is merged in the order of their starts: a `process` sees the records of the
earlier one first, each session's as they came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.windows.assigner import MergingWindowAssigner, WindowAssigner
from millstream_dataflow.windows.triggers.time import EventTimeTrigger, ProcessingTimeTrigger
from millstream_dataflow.windows.window import TimeWindow

T_contra = TypeVar("T_contra", contravariant=True)


class SessionWindowTimeGapExtractor(ABC, Generic[T_contra]):
    """Says for each record how long its session stays open behind it."""

    @abstractmethod
    def extract(self, element: T_contra) -> Span:
        """The gap: milliseconds or a timedelta, above 0."""


GapOf: TypeAlias = SessionWindowTimeGapExtractor[Any] | Callable[[Any], Span]
"""A function of the record will do for an extractor."""


class SessionWindows(MergingWindowAssigner[Any, TimeWindow]):
    """What all sessions have in common."""

    __slots__ = ()

    @abstractmethod
    def gap_of(self, element: Any) -> int:  # noqa: ANN401  # any record
        """Milliseconds that a session stays open behind this record."""

    def assign_windows(
        self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> tuple[TimeWindow, ...]:
        """From the record's time, or that of the clock, as long as the gap."""
        start = timestamp if self.is_event_time() else context.get_current_processing_time()
        return (TimeWindow(start, start + self.gap_of(element)),)

    def merge_windows(
        self, windows: Iterable[TimeWindow], callback: MergingWindowAssigner.MergeCallback[TimeWindow]
    ) -> None:
        """Those that intersect become one."""
        TimeWindow.merge_windows(windows, callback)

    @property
    def is_overridden(self) -> bool:
        """Whether a class of a user's own says otherwise which windows a record has, or which become one: then those of
        a key may intersect.
        """
        own = type(self)
        same = own.assign_windows is SessionWindows.assign_windows and own.merge_windows is SessionWindows.merge_windows
        return not same

    def get_default_trigger(self, env: Any = None) -> EventTimeTrigger | ProcessingTimeTrigger:  # noqa: ANN401  # see there
        """At the end of the session, by watermarks or by the clock."""
        return EventTimeTrigger() if self.is_event_time() else ProcessingTimeTrigger()


@dataclass(frozen=True, slots=True)
class _OneGap(SessionWindows):
    """Sessions with the same gap for all records."""

    session_gap: int
    """Milliseconds."""

    def __post_init__(self) -> None:
        """Refuse what is no gap."""
        name, gap = type(self).__name__, cast("object", self.session_gap)
        if not isinstance(gap, int) or isinstance(gap, bool):
            raise TypeError(f"{name} takes its gap in milliseconds, but got {gap!r}; use {name}.with_gap(...)")
        if gap <= 0:
            raise ValueError(f"{name} needs a gap above 0, but got {gap} ms")

    @classmethod
    def with_gap(cls, size: Span) -> Self:
        """Sessions that end when no record has come for so long (timedelta, Duration, Time, or milliseconds)."""
        return cls(to_milliseconds(size))

    def gap_of(self, element: object) -> int:
        """The gap."""
        return self.session_gap


@dataclass(frozen=True, slots=True)
class _OwnGaps(SessionWindows):
    """Sessions with a gap for each record."""

    session_window_time_gap_extractor: GapOf
    """How the gap is found."""

    def __post_init__(self) -> None:
        """Refuse what finds no gap."""
        extractor = cast("object", self.session_window_time_gap_extractor)
        is_function = callable(extractor) and not isinstance(extractor, type)
        if not (is_function or isinstance(extractor, SessionWindowTimeGapExtractor)):
            takes = "a SessionWindowTimeGapExtractor or a function of the record"
            raise TypeError(f"with_dynamic_gap takes {takes}, but got {short_repr(extractor)}")

    @classmethod
    def with_dynamic_gap(cls, extractor: GapOf) -> Self:
        """Sessions whose gap each record brings: by an extractor, or a function of the record."""
        return cls(extractor)

    def gap_of(self, element: object) -> int:
        """What the extractor says; InvalidProgramError where that is no span above 0."""
        find = self.session_window_time_gap_extractor
        gap = find.extract(element) if isinstance(find, SessionWindowTimeGapExtractor) else find(element)
        try:
            milliseconds = to_milliseconds(gap)
        except (TypeError, ValueError) as error:
            raise InvalidProgramError(f"the gap of a session must be a span of time: {error}") from None
        if milliseconds <= 0:
            raise InvalidProgramError(f"the gap of a session must be above 0, but the extractor gave {gap!r}")
        return milliseconds


@dataclass(frozen=True, slots=True)
class DynamicEventTimeSessionWindows(_OwnGaps):
    """Sessions by the records' event times, with a gap for each record."""

    def is_event_time(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class DynamicProcessingTimeSessionWindows(_OwnGaps):
    """Sessions by the clock, with a gap for each record."""

    def is_event_time(self) -> bool:
        """False."""
        return False


@dataclass(frozen=True, slots=True)
class EventTimeSessionWindows(_OneGap):
    """Sessions by the records' event times: they end when no record has come for the gap."""

    @staticmethod
    def with_dynamic_gap(extractor: GapOf) -> DynamicEventTimeSessionWindows:
        """Sessions whose gap each record brings: by an extractor, or a function of the record."""
        return DynamicEventTimeSessionWindows(extractor)

    def is_event_time(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class ProcessingTimeSessionWindows(_OneGap):
    """Sessions by the clock of the machine: they end when no record has come for the gap."""

    @staticmethod
    def with_dynamic_gap(extractor: GapOf) -> DynamicProcessingTimeSessionWindows:
        """Sessions whose gap each record brings: by an extractor, or a function of the record."""
        return DynamicProcessingTimeSessionWindows(extractor)

    def is_event_time(self) -> bool:
        """False."""
        return False
