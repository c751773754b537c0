"""Another trigger, but that windows drop what they held when they fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult


@dataclass(frozen=True, slots=True)
class PurgingTrigger(Trigger[Any, Any]):
    """Fires when the nested trigger does; each result is of what has come since the one before."""

    nested_trigger: Trigger[Any, Any]

    def __post_init__(self) -> None:
        """Refuse what is no trigger."""
        if not isinstance(cast("object", self.nested_trigger), Trigger):
            raise TypeError(f"PurgingTrigger takes a Trigger, but got {self.nested_trigger!r}")

    @staticmethod
    def of(nested_trigger: Trigger[Any, Any]) -> PurgingTrigger:
        """The trigger around another."""
        return PurgingTrigger(nested_trigger)

    def on_element(self, element: Any, timestamp: int, window: Any, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # of any kind
        """As the nested trigger says."""
        return _purging(self.nested_trigger.on_element(element, timestamp, window, ctx))

    def on_processing_time(self, time: int, window: Any, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # as above
        """As the nested trigger says."""
        return _purging(self.nested_trigger.on_processing_time(time, window, ctx))

    def on_event_time(self, time: int, window: Any, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # as above
        """As the nested trigger says."""
        return _purging(self.nested_trigger.on_event_time(time, window, ctx))

    def can_merge(self) -> bool:
        """As the nested trigger says."""
        return self.nested_trigger.can_merge()

    def on_merge(self, window: Any, ctx: Trigger.OnMergeContext) -> None:  # noqa: ANN401  # as above
        """As the nested trigger does."""
        self.nested_trigger.on_merge(window, ctx)

    def clear(self, window: Any, ctx: Trigger.TriggerContext) -> None:  # noqa: ANN401  # as above
        """As the nested trigger does."""
        self.nested_trigger.clear(window, ctx)


def _purging(result: TriggerResult) -> TriggerResult:
    return TriggerResult.FIRE_AND_PURGE if result is TriggerResult.FIRE else result
