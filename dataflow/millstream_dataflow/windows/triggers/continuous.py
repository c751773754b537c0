"""Early results: a window fires again and again before it is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self, cast

from millstream_dataflow.not_there import NotThere
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import ReducingStateDescriptor
from millstream_dataflow.time.quantities import Span, to_milliseconds
from millstream_dataflow.types import Types
from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult
from millstream_dataflow.windows.window import Window

_NEXT: Final = ReducingStateDescriptor("fire-time", min, Types.LONG())


@dataclass(frozen=True, slots=True)
class _Continuous(Trigger[Any, Window]):
    """What both have in common: when a window of a key fires next is its state."""

    interval: int
    """Milliseconds."""

    register_next_fire_timestamp = NotThere("it is PyFlink's own; register a timer with the trigger's context")

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        name, interval = type(self).__name__, cast("object", self.interval)
        if not isinstance(interval, int) or isinstance(interval, bool):
            raise TypeError(f"{name} takes its interval in milliseconds, but got {interval!r}; use {name}.of(...)")
        if interval <= 0:
            raise ValueError(f"{name} needs an interval above 0, but got {interval} ms")

    @classmethod
    def of(cls, interval: Span) -> Self:
        """At each whole interval since the epoch (timedelta, Duration, Time, or milliseconds)."""
        return cls(to_milliseconds(interval))

    def _after(self, time: int, window: Window) -> int:
        """The first whole interval behind a time, or the window's end where that comes before it."""
        return min(time - time % self.interval + self.interval, window.max_timestamp())

    def can_merge(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class ContinuousEventTimeTrigger(_Continuous):
    """Fires whenever the watermark has passed one more interval since the window's first record, when it has reached
    the window's last millisecond, and at each late record within the allowed lateness.

    A window that never ends, such as that of `GlobalWindows`, fires at the end of the input as at its own: for the
    interval at hand and for the end. (Flink goes on for all intervals there are, and so for ever.)
    """

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """A late record fires; else the next interval is waited for."""
        last = window.max_timestamp()
        if last <= ctx.get_current_watermark():
            return TriggerResult.FIRE
        ctx.register_event_time_timer(last)
        state = ctx.get_partitioned_state(_NEXT)
        if state.get() is None:
            self._wait(timestamp, window, ctx)
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Of no interest."""
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """The end of the window, or of an interval."""
        if time == window.max_timestamp():
            return TriggerResult.FIRE
        state = ctx.get_partitioned_state(_NEXT)
        if state.get() != time:
            return TriggerResult.CONTINUE
        state.clear()
        self._wait(time, window, ctx)
        return TriggerResult.FIRE

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        """The earliest of their times is the next; the end has moved."""
        ctx.merge_partitioned_state(_NEXT)
        following = ctx.get_partitioned_state(_NEXT).get()
        if following is not None:
            ctx.register_event_time_timer(following)
        if window.max_timestamp() > ctx.get_current_watermark():
            ctx.register_event_time_timer(window.max_timestamp())

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        """Waits no more."""
        state = ctx.get_partitioned_state(_NEXT)
        if (following := state.get()) is not None:
            ctx.delete_event_time_timer(following)
            state.clear()
        ctx.delete_event_time_timer(window.max_timestamp())

    def _wait(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> None:
        at_end = window.max_timestamp() == MAX_TIME == ctx.get_current_watermark()
        following = MAX_TIME if at_end else self._after(time, window)
        ctx.get_partitioned_state(_NEXT).add(following)
        ctx.register_event_time_timer(following)


@dataclass(frozen=True, slots=True)
class ContinuousProcessingTimeTrigger(_Continuous):
    """Fires whenever the clock has passed one more interval since the window's first record, and at its end.

    On windows of event time it also fires as EventTimeTrigger does: when the watermark has reached the end, and at late
    records. (In Flink it doesn't: what came behind the last interval is in no result there.)
    """

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """The next interval is waited for, unless the record is late."""
        if ctx.is_event_time():
            if window.max_timestamp() <= ctx.get_current_watermark():
                return TriggerResult.FIRE
            ctx.register_event_time_timer(window.max_timestamp())
        if ctx.get_partitioned_state(_NEXT).get() is None:
            self._wait(ctx.get_current_processing_time(), window, ctx)
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """The end of an interval. All that passed while the task stood still are made up for by one firing; in Flink
        each is.
        """
        state = ctx.get_partitioned_state(_NEXT)
        if state.get() != time:
            return TriggerResult.CONTINUE
        state.clear()
        last, passed = window.max_timestamp(), max(time, ctx.get_current_processing_time() - 1)
        if ctx.is_event_time():
            if last > ctx.get_current_watermark():
                self._wait(passed, window, ctx)
        elif time < last:
            self._wait(min(passed, last - 1), window, ctx)
        return TriggerResult.FIRE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """The end of a window of event time; early results end with it."""
        if not ctx.is_event_time() or time != window.max_timestamp():
            return TriggerResult.CONTINUE
        state = ctx.get_partitioned_state(_NEXT)
        if (following := state.get()) is not None:
            ctx.delete_processing_time_timer(following)
            state.clear()
        return TriggerResult.FIRE

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        """The earliest of their times is the next; the end has moved."""
        ctx.merge_partitioned_state(_NEXT)
        following = ctx.get_partitioned_state(_NEXT).get()
        if following is not None:
            ctx.register_processing_time_timer(following)
        if ctx.is_event_time() and window.max_timestamp() > ctx.get_current_watermark():
            ctx.register_event_time_timer(window.max_timestamp())

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        """Waits no more."""
        state = ctx.get_partitioned_state(_NEXT)
        if (following := state.get()) is not None:
            ctx.delete_processing_time_timer(following)
            state.clear()
        if ctx.is_event_time():
            ctx.delete_event_time_timer(window.max_timestamp())

    def _wait(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> None:
        following = time - time % self.interval + self.interval if ctx.is_event_time() else self._after(time, window)
        ctx.get_partitioned_state(_NEXT).add(following)
        ctx.register_processing_time_timer(following)
