"""After a number of records."""

from __future__ import annotations

from dataclasses import dataclass
from operator import add
from typing import Any, Final, cast

from millstream_dataflow.state import ReducingStateDescriptor
from millstream_dataflow.types import Types
from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult
from millstream_dataflow.windows.window import Window

_COUNT: Final = ReducingStateDescriptor("count", add, Types.LONG())


@dataclass(frozen=True, slots=True)
class CountTrigger(Trigger[Any, Window]):
    """Fires at each so many-th record of a window. No time fires it: records behind the last firing give no result."""

    window_size: int
    """Records."""

    def __post_init__(self) -> None:
        """Refuse what is no number of records."""
        if not isinstance(cast("object", self.window_size), int) or isinstance(self.window_size, bool):
            raise TypeError(f"CountTrigger takes a number of records, but got {self.window_size!r}")
        if self.window_size <= 0:
            raise ValueError(f"CountTrigger needs a number of records above 0, but got {self.window_size}")

    @staticmethod
    def of(window_size: int) -> CountTrigger:
        """The trigger for so many records."""
        return CountTrigger(window_size)

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """One more."""
        state = ctx.get_partitioned_state(_COUNT)
        state.add(1)
        return self._judged(state)

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Of no interest."""
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Of no interest."""
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        """True."""
        return True

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        """Their records are counted together; the next one fires if they are enough."""
        ctx.merge_partitioned_state(_COUNT)

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        """Forgets the count."""
        ctx.get_partitioned_state(_COUNT).clear()

    def _judged(self, state: Any) -> TriggerResult:  # noqa: ANN401  # of numbers, by whatever name
        if state.get() < self.window_size:
            return TriggerResult.CONTINUE
        state.clear()
        return TriggerResult.FIRE
