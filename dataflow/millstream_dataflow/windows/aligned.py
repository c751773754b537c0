"""Windows that lie in time where they lie, whatever the records: tumbling and sliding ones.

All keys have the same ones, so they can be fired and forgotten whole. Sliding ones are made of panes that they share.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from math import gcd
from operator import attrgetter
from typing import Any, Final, cast

from millstream_dataflow.windows.assigner import WindowAssigner
from millstream_dataflow.windows.triggers.time import EventTimeTrigger, ProcessingTimeTrigger
from millstream_dataflow.windows.window import TimeWindow, window_start

_START: Final = attrgetter("start")


class AlignedWindows(WindowAssigner[Any, TimeWindow]):
    """Windows of one size at equal distances."""

    __slots__ = ()

    size: int
    """Milliseconds."""
    offset: int
    """Milliseconds by which windows begin after whole distances since the epoch."""

    @property
    @abstractmethod
    def distance(self) -> int:
        """Milliseconds from the start of one window to that of the next."""

    def assign_windows(
        self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> tuple[TimeWindow, ...]:
        """The windows around the record's time, or that of the clock."""
        return self.windows_at(timestamp if self.is_event_time() else context.get_current_processing_time())

    def get_default_trigger(self, env: Any = None) -> EventTimeTrigger | ProcessingTimeTrigger:  # noqa: ANN401  # see there
        """At the end of the window, by watermarks or by the clock."""
        return EventTimeTrigger() if self.is_event_time() else ProcessingTimeTrigger()

    def windows_at(self, time: int) -> tuple[TimeWindow, ...]:
        """The windows around a time, the one that ends first first; none in a gap between windows."""
        last = window_start(time, self.offset, self.distance)
        starts = range(last, time - self.size, -self.distance)
        return tuple(TimeWindow(start, start + self.size) for start in reversed(starts))

    @property
    def is_overridden(self) -> bool:
        """Whether a class of a user's own says otherwise which windows a record has: then they lie where it says."""
        return type(self).assign_windows is not AlignedWindows.assign_windows

    # ------------------------------------------------------------------------------------------------- panes

    @property
    def pane(self) -> int:
        """Milliseconds of a pane: the longest spans that every window is made of, and every gap."""
        return gcd(self.size, self.distance)

    def pane_at(self, time: int) -> TimeWindow:
        """The pane around a time."""
        start = window_start(time, self.offset, self.pane)
        return TimeWindow(start, start + self.pane)

    def panes_of(self, window: TimeWindow, filled: Collection[TimeWindow]) -> list[TimeWindow]:
        """The panes that a window is made of, in order; those that aren't among the filled ones may be left out. Where
        size and slide have little in common a window has far more panes than records: 300,000 in 10 minutes by 1,234
        ms.
        """
        return self._panes(window.start, window.end, filled)

    def panes_left_by(self, window: TimeWindow, filled: Collection[TimeWindow]) -> list[TimeWindow]:
        """Those of its panes that no later window has; see `panes_of`."""
        return self._panes(window.start, min(window.end, window.start + self.distance), filled)

    def _panes(self, start: int, end: int, filled: Collection[TimeWindow]) -> list[TimeWindow]:
        pane = self.pane
        if (end - start) // pane <= len(filled):
            return [TimeWindow(first, first + pane) for first in range(start, end, pane)]
        return sorted((span for span in filled if start <= span.start < end), key=_START)

    # ------------------------------------------------------------------------------------------------ refused

    def check(self, fields: tuple[str, ...], limit: str) -> None:
        """Refuse what makes no windows: spans that are none, or an offset that isn't smaller than `limit`."""
        name = type(self).__name__
        for field in (*fields, "offset"):
            value = cast("object", getattr(self, field))
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} takes its {field} in milliseconds, but got {value!r}; use {name}.of(...)")
        for field in fields:
            if (span := getattr(self, field)) <= 0:
                raise ValueError(f"{name} needs a {field} above 0, but got {span} ms")
        if abs(self.offset) >= self.distance:
            spans = f"got offset {self.offset} ms and {limit} {self.distance} ms"
            raise ValueError(f"{name} needs an offset smaller than its {limit}, in either direction: {spans}")
