"""Functions of two streams at once, a method for each (Flink, "DataStream Transformations", connect).

Where one of them goes, a pair of plain functions does too: `connected.map((of_first, of_second))`.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Generic, TypeAlias, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import SIDE_OUTPUT, WITHOUT_KEYS, Given, KeyedProcessFunction
from millstream_dataflow.functions.rows import Several
from millstream_dataflow.functions.timers import TimerService, refuse_timers
from millstream_dataflow.not_there import NotThere

K = TypeVar("K")
In1 = TypeVar("In1")
In2 = TypeVar("In2")
Out = TypeVar("Out")


class CoMapFunction(Function, Generic[In1, In2, Out]):
    """One record out for each in, of either stream; None is none, as in PyFlink. On streams with keys both share the
    state of the record's key.
    """

    @abstractmethod
    def map1(self, value: In1) -> Out | Awaitable[Out]:
        """The record for this one of the first stream."""

    @abstractmethod
    def map2(self, value: In2) -> Out | Awaitable[Out]:
        """The record for this one of the second stream."""


class CoFlatMapFunction(Function, Generic[In1, In2, Out]):
    """Any number of records out for each in, of either stream. With keys, state as for CoMapFunction."""

    @abstractmethod
    def flat_map1(self, value: In1) -> Several[Out]:
        """The records for this one of the first stream: `yield` them, or return a list. None is none."""

    @abstractmethod
    def flat_map2(self, value: In2) -> Several[Out]:
        """The records for this one of the second stream."""


class CoProcessFunction(Function, Generic[In1, In2, Out]):
    """Any number of records out for each in, with its time and side outputs. It has no timers; on streams with keys it
    can ask for state of the record's key in `open`.
    """

    class Context(ABC):
        """What is around the record. Valid during the call only."""

        output = NotThere(SIDE_OUTPUT)
        get_current_key = NotThere(WITHOUT_KEYS.format("KeyedCoProcessFunction"))

        @abstractmethod
        def timestamp(self) -> int | None:
            """The record's event time in milliseconds, or None when its stream has no times."""

        def timer_service(self) -> TimerService:
            """The times of now: the watermark is that of the stream that is behind. Timers are refused (NoTimersError):
            they need keys and an `on_timer`, which a KeyedCoProcessFunction has.
            """
            refuse_timers("KeyedCoProcessFunction")

    @abstractmethod
    def process_element1(self, value: In1, ctx: "CoProcessFunction.Context") -> Given[Out]:
        """The records for this one of the first stream."""

    @abstractmethod
    def process_element2(self, value: In2, ctx: "CoProcessFunction.Context") -> Given[Out]:
        """The records for this one of the second stream."""


class KeyedCoProcessFunction(Function, Generic[K, In1, In2, Out]):
    """As CoProcessFunction, for two streams with keys: both share the state and the timers of a key."""

    Context: TypeAlias = KeyedProcessFunction.Context
    """What is around the record or the timer, as for a KeyedProcessFunction."""
    OnTimerContext: TypeAlias = KeyedProcessFunction.OnTimerContext
    """What is around a timer."""

    @abstractmethod
    def process_element1(self, value: In1, ctx: KeyedProcessFunction.Context) -> Given[Out]:
        """The records for this one of the first stream."""

    @abstractmethod
    def process_element2(self, value: In2, ctx: KeyedProcessFunction.Context) -> Given[Out]:
        """The records for this one of the second stream."""

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Given[Out]:
        """The records for a timer of the current key, registered for `timestamp`, which is at hand now."""
        return None
