"""When records have moved away from the one that fired last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult
from millstream_dataflow.windows.window import Window

_LAST: Final[ValueStateDescriptor[Any]] = ValueStateDescriptor("last-element")
Delta = Callable[[Any, Any], float]
DELTA_TAKES: Final = "a function of two records that gives how far they are apart"


@dataclass(frozen=True, slots=True)
class DeltaTrigger(Trigger[Any, Window]):
    """Fires at a record that is further than a threshold from the one that fired last; the first record is one such,
    but doesn't fire. It can't serve windows that merge, as in Flink.
    """

    threshold: float
    delta_function: Delta
    """Of the last record and the new one."""

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if not callable(self.delta_function):
            raise TypeError(f"DeltaTrigger takes {DELTA_TAKES}, but got {self.delta_function!r}")

    @staticmethod
    def of(threshold: float, delta_function: Delta) -> DeltaTrigger:
        """The trigger. `delta_function` takes the last record and the new one."""
        return DeltaTrigger(threshold, delta_function)

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Whether it is far enough from the last one."""
        state = ctx.get_partitioned_state(_LAST)
        last = state.value()
        if last is not None and self.delta_function(last, element) <= self.threshold:
            return TriggerResult.CONTINUE
        state.update(element)
        return TriggerResult.CONTINUE if last is None else TriggerResult.FIRE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Of no interest."""
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Of no interest."""
        return TriggerResult.CONTINUE

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        """Forgets the record."""
        ctx.get_partitioned_state(_LAST).clear()
