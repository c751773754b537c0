"""Window functions: what comes of a window when it fires (Flink, "Windows", Window Functions)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import SIDE_OUTPUT, Given
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.state import KeyedStateStore
from millstream_dataflow.windows import Firing, Window

In = TypeVar("In")
Out = TypeVar("Out")
K = TypeVar("K")
W = TypeVar("W", bound=Window)
W_co = TypeVar("W_co", bound=Window, covariant=True)


class AroundWindow(ABC, Generic[W_co]):
    """What is around a window. Valid during the call only."""

    output = NotThere(SIDE_OUTPUT)

    @abstractmethod
    def window(self) -> W_co:
        """The window."""

    @abstractmethod
    def firing(self) -> Firing:
        """Whether this result is an early one, the one on time, or a late one. Flink has no such thing."""

    @abstractmethod
    def firing_number(self) -> int:
        """Which of the results of this key and window it is, from 1. Sessions that have become one go on from the
        results of both; a window that never ends begins anew when its trigger has purged it. Flink has no such thing.
        """

    @abstractmethod
    def current_processing_time(self) -> int:
        """The clock of the machine, in milliseconds since the epoch."""

    @abstractmethod
    def current_watermark(self) -> int:
        """The operator's watermark, in milliseconds since the epoch."""

    @abstractmethod
    def window_state(self) -> KeyedStateStore:
        """State of this key and window. What you keep here you must give back in `clear`. Windows that merge have none,
        as in Flink: InvalidProgramError.
        """

    @abstractmethod
    def global_state(self) -> KeyedStateStore:
        """State of this key, whatever the window."""


class ProcessWindowFunction(Function, Generic[In, Out, K, W]):
    """Sees a key's window as a whole when it fires, and again at each late record within the allowed lateness.

    Behind `reduce` or `aggregate` it sees their one result; alone it sees all records, which are kept until then.
    """

    class Context(AroundWindow[W_co], Generic[W_co]):
        """What is around the window. Valid during the call only."""

    @abstractmethod
    def process(self, key: K, context: "ProcessWindowFunction.Context[W]", elements: Iterable[In]) -> Given[Out]:
        """The records for the window; `elements` in the order in which they came. Of sliding windows the panes are in
        the order of time, of merged sessions the parts.
        """

    def clear(self, context: "ProcessWindowFunction.Context[Any]") -> None:
        """Called when the window is forgotten, allowed lateness included: clear what you kept in `window_state`."""


class WindowFunction(Function, Generic[In, Out, K, W]):
    """The same for those who need no more than the window (`apply`)."""

    @abstractmethod
    def apply(self, key: K, window: W, inputs: Iterable[In]) -> Given[Out]:
        """The records for the window; `inputs` as the elements of a ProcessWindowFunction."""


class ProcessAllWindowFunction(Function, Generic[In, Out, W]):
    """Sees a window of all records of a stream (`window_all`) when it fires, as ProcessWindowFunction one of a key."""

    class Context(AroundWindow[W_co], Generic[W_co]):
        """What is around the window. Valid during the call only."""

    @abstractmethod
    def process(self, context: "ProcessAllWindowFunction.Context[W]", elements: Iterable[In]) -> Given[Out]:
        """The records for the window; `elements` as those of a ProcessWindowFunction."""

    def clear(self, context: "ProcessAllWindowFunction.Context[Any]") -> None:
        """Called when the window is forgotten, allowed lateness included: clear what you kept in `window_state`."""


class AllWindowFunction(Function, Generic[In, Out, W]):
    """The same for those who need no more than the window (`apply`)."""

    @abstractmethod
    def apply(self, window: W, inputs: Iterable[In]) -> Given[Out]:
        """The records for the window; `inputs` as the elements of a ProcessWindowFunction."""
