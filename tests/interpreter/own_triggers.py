"""Triggers as users write them, with state, timers that they delete, and state that merges."""

from dataclasses import dataclass
from operator import add
from typing import Any

from millstream_dataflow.state import ReducingStateDescriptor, ValueStateDescriptor
from millstream_dataflow.windows import Trigger, TriggerResult, Window
from tests.interpreter.stages import Pair

Context = Trigger.TriggerContext

HEAP = ReducingStateDescriptor[int]("heap", add)
UNTIL = ReducingStateDescriptor[int]("until", min)
ALARM = ValueStateDescriptor[int]("alarm")


@dataclass(frozen=True)
class Heaping(Trigger[Pair, Window]):
    """Fires when the numbers since the last firing come to a limit, or when the first of them has waited for so long.
    Windows that merge have their heaps in common.
    """

    limit: int
    wait: int

    def on_element(self, element: Pair, timestamp: int, window: Window, ctx: Context) -> TriggerResult:
        heap, until = ctx.get_partitioned_state(HEAP), ctx.get_partitioned_state(UNTIL)
        heap.add(element[1])
        if heap.get() >= self.limit:
            self.clear(window, ctx)
            return TriggerResult.FIRE
        if until.get() is None:
            until.add(timestamp + self.wait)
            ctx.register_event_time_timer(timestamp + self.wait)
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Context) -> TriggerResult:
        if ctx.get_partitioned_state(UNTIL).get() != time:
            return TriggerResult.CONTINUE
        self.clear(window, ctx)
        return TriggerResult.FIRE

    def on_processing_time(self, time: int, window: Window, ctx: Context) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        ctx.merge_partitioned_state(HEAP)
        ctx.merge_partitioned_state(UNTIL)
        first = ctx.get_partitioned_state(UNTIL).get()
        if first is not None:
            ctx.register_event_time_timer(first)

    def clear(self, window: Window, ctx: Context) -> None:
        until = ctx.get_partitioned_state(UNTIL)
        if (first := until.get()) is not None:
            ctx.delete_event_time_timer(first)
        until.clear()
        ctx.get_partitioned_state(HEAP).clear()


@dataclass(frozen=True)
class Bursts(Trigger[Pair, Window]):
    """Fires, and drops what it holds, when no record has come for so long. A nine drops all without a result."""

    wait: int

    def on_element(self, element: Pair, timestamp: int, window: Window, ctx: Context) -> TriggerResult:
        alarm = ctx.get_partitioned_state(ALARM)
        before = alarm.value()
        if before is not None:
            ctx.delete_event_time_timer(before)
        if element[1] == 9:
            alarm.clear()
            return TriggerResult.PURGE
        alarm.update(max(timestamp + self.wait, before or 0))
        ctx.register_event_time_timer(alarm.value())
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Context) -> TriggerResult:
        alarm = ctx.get_partitioned_state(ALARM)
        assert time == alarm.value(), "the others are deleted"
        alarm.clear()
        return TriggerResult.FIRE_AND_PURGE

    def on_processing_time(self, time: int, window: Window, ctx: Context) -> TriggerResult:
        return TriggerResult.CONTINUE

    def clear(self, window: Window, ctx: Context) -> None:
        alarm: Any = ctx.get_partitioned_state(ALARM)
        if (time := alarm.value()) is not None:
            ctx.delete_event_time_timer(time)
        alarm.clear()
