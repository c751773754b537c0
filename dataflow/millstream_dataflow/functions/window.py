"""Window functions: what comes of a window when it fires (Flink, "Windows", ProcessWindowFunction)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.state import KeyedStateStore
from millstream_dataflow.windows import Window

In = TypeVar("In")
Out = TypeVar("Out")
K = TypeVar("K")
W = TypeVar("W", bound=Window)
W_co = TypeVar("W_co", bound=Window, covariant=True)


class ProcessWindowFunction(Function, Generic[In, Out, K, W]):
    """Sees a key's window as a whole when it fires, and again at each late record within the allowed lateness.

    Behind `reduce` or `aggregate` it sees their one result; alone it sees all records, which are kept until then.
    """

    class Context(ABC, Generic[W_co]):
        """What is around the window. Valid during the call only."""

        @abstractmethod
        def window(self) -> W_co:
            """The window."""

        @abstractmethod
        def current_processing_time(self) -> int:
            """The clock of the machine, in milliseconds since the epoch."""

        @abstractmethod
        def current_watermark(self) -> int:
            """The operator's watermark, in milliseconds since the epoch."""

        @abstractmethod
        def window_state(self) -> KeyedStateStore:
            """State of this key and window. What you keep here you must give back in `clear`."""

        @abstractmethod
        def global_state(self) -> KeyedStateStore:
            """State of this key, whatever the window."""

    @abstractmethod
    def process(self, key: K, context: "ProcessWindowFunction.Context[W]", elements: Iterable[In]) -> Emitted[Out]:
        """The records for the window; `elements` in the order in which they came."""

    def clear(self, context: "ProcessWindowFunction.Context[Any]") -> None:
        """Called when the window is forgotten, allowed lateness included: clear what you kept in `window_state`."""
