"""Process functions: a record with all that is around it (Flink, "Process Function").

What they yield goes to the main output, and `yield tag, value` to the side output of an `OutputTag`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterable
from typing import Any, Final, Generic, TypeAlias, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.timers import TimeDomain, TimerService, refuse_timers
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.tags import OutputTag

K = TypeVar("K")
In = TypeVar("In")
Out = TypeVar("Out")

SIDE_OUTPUT: Final = "a record goes to a side output by `yield tag, record`, as in PyFlink"
"""For those who know Java's `ctx.output(tag, record)`."""
WITHOUT_KEYS: Final = "records have no keys here; call key_by first, and process with a {}"

Emitted: TypeAlias = Iterable[Out | tuple[OutputTag[Any], Any]] | None
"""Records, and pairs of a tag and a record for a side output; None is none."""

EmittedLater: TypeAlias = Awaitable[Emitted[Out]] | AsyncIterator[Out | tuple[OutputTag[Any], Any]]
"""The same of an `async def`."""

Given: TypeAlias = Emitted[Out] | EmittedLater[Out]
"""What a method of a user's class may give: it may be `async def`. Operators get plain ones (`user_code.awaiting`)."""


class ProcessFunction(Function, Generic[In, Out]):
    """Any number of records out for each in, with its time and side outputs; no keyed state, no timers."""

    class Context(ABC):
        """What is around the record. Valid during the call only."""

        output = NotThere(SIDE_OUTPUT)
        get_current_key = NotThere(WITHOUT_KEYS.format("KeyedProcessFunction"))

        @abstractmethod
        def timestamp(self) -> int | None:
            """The record's event time in milliseconds, or None when the stream has no times."""

        def timer_service(self) -> TimerService:
            """The times of now. Without keys there are no timers: NoTimersError, here or where one is registered."""
            refuse_timers()

    @abstractmethod
    def process_element(self, value: In, ctx: "ProcessFunction.Context") -> Given[Out]:
        """The records for this one."""


class KeyedProcessFunction(Function, Generic[K, In, Out]):
    """As ProcessFunction, and with state and timers of the record's key."""

    class Context(ABC):
        """What is around the record or the timer. Valid during the call only."""

        output = NotThere(SIDE_OUTPUT)

        @abstractmethod
        def get_current_key(self) -> Any:  # noqa: ANN401  # whatever the stream is keyed by
            """The key of the record or the timer."""

        @abstractmethod
        def timestamp(self) -> int | None:
            """Event time of the record, or the timer's time, in milliseconds; None when the stream has no times."""

        @abstractmethod
        def timer_service(self) -> TimerService:
            """The times of now, and this key's timers."""

    class OnTimerContext(Context):
        """What is around a timer."""

        @abstractmethod
        def time_domain(self) -> TimeDomain:
            """Whether the timer went by the watermark or by the clock."""

    @abstractmethod
    def process_element(self, value: In, ctx: "KeyedProcessFunction.Context") -> Given[Out]:
        """The records for this one."""

    def on_timer(self, timestamp: int, ctx: "KeyedProcessFunction.OnTimerContext") -> Given[Out]:
        """The records for a timer of the current key, registered for `timestamp`, which is at hand now."""
        return None
