"""What a trigger is, and what it may do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import Any, Generic, TypeVar

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.state import StateDescriptor

T_contra = TypeVar("T_contra", contravariant=True)
W_contra = TypeVar("W_contra", contravariant=True)


class TriggerResult(Enum):
    """What becomes of the window now: whether it fires, and whether what it holds is dropped. The value says both."""

    CONTINUE = (False, False)
    FIRE_AND_PURGE = (True, True)
    FIRE = (True, False)
    PURGE = (False, True)

    def is_fire(self) -> bool:
        """Whether the window gives its result. One that holds nothing gives none."""
        return self.value[0]

    def is_purge(self) -> bool:
        """Whether what the window holds is dropped. The window itself stays, as do its trigger's state and timers; of
        one that never ends, such as that of `GlobalWindows`, these alone.
        """
        return self.value[1]


class Trigger(ABC, Generic[T_contra, W_contra]):
    """Decides when a window of a key fires. It is asked for each record, and at the times that it has registered."""

    __slots__ = ()

    class TriggerContext(ABC):
        """What is around the window of a key. Valid during the call only; all times in milliseconds since the epoch."""

        __slots__ = ()

        @abstractmethod
        def get_current_processing_time(self) -> int:
            """The clock of the machine."""

        @abstractmethod
        def get_current_watermark(self) -> int:
            """The operator's watermark: -2**63 before the first."""

        @abstractmethod
        def is_event_time(self) -> bool:
            """Whether watermarks complete the windows; else the clock does, or nothing. Flink has no such thing."""

        @abstractmethod
        def register_processing_time_timer(self, time: int) -> None:
            """Call `on_processing_time` for this key and window when the clock has passed the time."""

        @abstractmethod
        def register_event_time_timer(self, time: int) -> None:
            """Call `on_event_time` for this key and window when the watermark has reached the time; at the next one if
            it has already.
            """

        @abstractmethod
        def delete_processing_time_timer(self, time: int) -> None:
            """Forget the timer by the clock at that time."""

        @abstractmethod
        def delete_event_time_timer(self, time: int) -> None:
            """Forget the timer by the watermark at that time."""

        @abstractmethod
        def get_metric_group(self) -> MetricGroup:
            """Metrics of the trigger's own: those of the window's operator, shared by all keys and windows."""

        @abstractmethod
        def get_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # of its own kind
            """State of this key and window, which checkpoints hold: a `ValueState` for a ValueStateDescriptor, and so
            on. Clear it in `clear`.
            """

    class OnMergeContext(TriggerContext):
        """What is around windows that become one."""

        __slots__ = ()

        @abstractmethod
        def merge_partitioned_state(self, state_descriptor: StateDescriptor[Any]) -> None:
            """Merge the state of the windows into that of the one that they become. Lists are joined, reducing and
            aggregating states folded; InvalidProgramError for other kinds.
            """

    @abstractmethod
    def on_element(
        self, element: T_contra, timestamp: int, window: W_contra, ctx: Trigger.TriggerContext
    ) -> TriggerResult:
        """A record has come into the window. `timestamp` is -2**63 where the stream has no times."""

    @abstractmethod
    def on_processing_time(self, time: int, window: W_contra, ctx: Trigger.TriggerContext) -> TriggerResult:
        """A timer by the clock that was registered for `time`."""

    @abstractmethod
    def on_event_time(self, time: int, window: W_contra, ctx: Trigger.TriggerContext) -> TriggerResult:
        """A timer by the watermark that was registered for `time`."""

    def can_merge(self) -> bool:
        """Whether it may serve windows that become one, such as sessions; then it has `on_merge`."""
        return False

    def on_merge(self, window: W_contra, ctx: Trigger.OnMergeContext) -> None:
        """Windows have become this one: merge their state, and register what it waits for. Then `clear` is called for
        each of them.
        """
        name = type(self).__name__
        raise InvalidProgramError(f"{name} was told that windows merge, but has no on_merge; write it")

    @abstractmethod
    def clear(self, window: W_contra, ctx: Trigger.TriggerContext) -> None:
        """The window is forgotten: clear its state, and delete its timers."""
