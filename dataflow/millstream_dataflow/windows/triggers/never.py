"""Never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult
from millstream_dataflow.windows.window import Window


@dataclass(frozen=True, slots=True)
class NeverTrigger(Trigger[Any, Window]):
    """Never fires: what `GlobalWindows` have unless you give them another."""

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Doesn't fire."""
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Doesn't fire."""
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        """Doesn't fire."""
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        """True."""
        return True

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        """Nothing to merge."""

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        """Nothing to clear."""
