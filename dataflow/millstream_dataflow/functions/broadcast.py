"""Functions of a stream and a broadcast one: what comes by the latter goes to every subtask, is kept there as broadcast
state, and is at hand for each record of the former (Flink, "The Broadcast State Pattern").

The state must be the same in every subtask. So only `process_broadcast_element` may change it, and what it does must
depend on nothing but the element and the state; elements of several broadcasting subtasks may come in any order. What
`process_element` reads and could change is a copy, unless `pipeline.object-reuse` says that no function changes what it
is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import SIDE_OUTPUT, Given
from millstream_dataflow.functions.timers import TimeDomain, TimerService, refuse_timers
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.state import BroadcastState, MapStateDescriptor, ReadOnlyBroadcastState, State, StateDescriptor

K = TypeVar("K")
V = TypeVar("V")
Key = TypeVar("Key")
S = TypeVar("S", bound=State)
In1 = TypeVar("In1")
In2 = TypeVar("In2")
Out = TypeVar("Out")


class KeyedStateFunction(ABC, Generic[Key, S]):
    """What `apply_to_keyed_state` does to the state of each key; a plain function of (key, state) will do."""

    @abstractmethod
    def process(self, key: Key, state: S) -> None:
        """The state shows the part of this key, and may be changed."""


class BaseBroadcastProcessFunction(Function):
    """What both have in common: the surroundings of an element."""

    class BaseContext(ABC):
        """What is around an element of either stream. Valid during the call only."""

        output = NotThere(SIDE_OUTPUT)

        @abstractmethod
        def timestamp(self) -> int | None:
            """The element's event time in milliseconds, or None when its stream has no times."""

        @abstractmethod
        def current_processing_time(self) -> int:
            """The clock of the machine, in milliseconds since the epoch."""

        @abstractmethod
        def current_watermark(self) -> int:
            """The operator's watermark, that of the stream that is behind: -2**63 before the first."""

    class Context(BaseContext):
        """What is around an element of the broadcast stream."""

        @abstractmethod
        def get_broadcast_state(self, state_descriptor: MapStateDescriptor[K, V]) -> BroadcastState[K, V]:
            """One of the states that `broadcast(...)` was given, to be read and changed."""

    class ReadOnlyContext(BaseContext):
        """What is around an element of the other stream."""

        @abstractmethod
        def get_broadcast_state(self, state_descriptor: MapStateDescriptor[K, V]) -> ReadOnlyBroadcastState[K, V]:
            """One of the states that `broadcast(...)` was given, to be read."""


class BroadcastProcessFunction(BaseBroadcastProcessFunction, Generic[In1, In2, Out]):
    """For a stream without keys: any number of records out for each in, and side outputs; no timers, no keyed state."""

    class ReadOnlyContext(BaseBroadcastProcessFunction.ReadOnlyContext):
        """What is around an element of the stream that isn't broadcast."""

        def timer_service(self) -> TimerService:
            """Refused: timers need keys (NoTimersError)."""
            refuse_timers("KeyedBroadcastProcessFunction")

    class Context(BaseBroadcastProcessFunction.Context):
        """What is around an element of the broadcast stream."""

    @abstractmethod
    def process_element(self, value: In1, ctx: "BroadcastProcessFunction.ReadOnlyContext") -> Given[Out]:
        """The records for this one of the stream that isn't broadcast."""

    @abstractmethod
    def process_broadcast_element(self, value: In2, ctx: "BroadcastProcessFunction.Context") -> Given[Out]:
        """The records for this one of the broadcast stream: each subtask gives them."""


class KeyedBroadcastProcessFunction(BaseBroadcastProcessFunction, Generic[Key, In1, In2, Out]):
    """For a stream with keys: as BroadcastProcessFunction, and with state and timers of the record's key."""

    class Context(BaseBroadcastProcessFunction.Context):
        """What is around an element of the broadcast stream: it has no key."""

        @abstractmethod
        def apply_to_keyed_state(
            self,
            state_descriptor: StateDescriptor[Any],
            function: KeyedStateFunction[Any, Any] | Callable[[Any, Any], None],
        ) -> None:
            """Call the function with each key of this subtask that has such state, and with the state."""

    class ReadOnlyContext(BaseBroadcastProcessFunction.ReadOnlyContext):
        """What is around an element of the stream with keys, or a timer."""

        @abstractmethod
        def get_current_key(self) -> Any:  # noqa: ANN401  # whatever the stream is keyed by
            """The key of the record or the timer."""

        @abstractmethod
        def timer_service(self) -> TimerService:
            """The times of now, and this key's timers."""

    class OnTimerContext(ReadOnlyContext):
        """What is around a timer."""

        @abstractmethod
        def time_domain(self) -> TimeDomain:
            """Whether the timer went by the watermark or by the clock."""

    @abstractmethod
    def process_element(self, value: In1, ctx: "KeyedBroadcastProcessFunction.ReadOnlyContext") -> Given[Out]:
        """The records for this one of the stream with keys."""

    @abstractmethod
    def process_broadcast_element(self, value: In2, ctx: "KeyedBroadcastProcessFunction.Context") -> Given[Out]:
        """The records for this one of the broadcast stream: each subtask gives them. Keyed state is reached by
        `ctx.apply_to_keyed_state` alone.
        """

    def on_timer(self, timestamp: int, ctx: "KeyedBroadcastProcessFunction.OnTimerContext") -> Given[Out]:
        """The records for a timer of the current key, registered for `timestamp`, which is at hand now."""
        return None
