"""What an assigner is: it says which windows a record belongs to (Flink, "Windows")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millstream_dataflow.windows.serializers import PickledWindowSerializer, TypeSerializer
from millstream_dataflow.windows.window import Window

if TYPE_CHECKING:
    from millstream_dataflow.functions.context import RuntimeContext
    from millstream_dataflow.windows.triggers.trigger import Trigger

T_contra = TypeVar("T_contra", contravariant=True)
W = TypeVar("W", bound=Window)
M = TypeVar("M")
W_co = TypeVar("W_co", bound=Window, covariant=True)


class WindowAssigner(ABC, Generic[T_contra, W_co]):
    """Base of all assigners. One of your own remembers nothing itself: it serves all keys."""

    __slots__ = ()

    class WindowAssignerContext(ABC):
        """What is around the record. Valid during the call only."""

        __slots__ = ()

        @abstractmethod
        def get_current_processing_time(self) -> int:
            """The clock of the machine, in milliseconds since the epoch."""

        @abstractmethod
        def get_runtime_context(self) -> RuntimeContext:
            """Where the task stands, and state of the record's key."""

    @abstractmethod
    def assign_windows(
        self, element: T_contra, timestamp: int, context: WindowAssigner.WindowAssignerContext
    ) -> Collection[W_co]:
        """The windows of a record with this event time, in milliseconds: -2**63 where the stream has no times."""

    @abstractmethod
    def get_default_trigger(self, env: Any = None) -> Trigger[Any, Any]:  # noqa: ANN401  # PyFlink's environment
        """When windows fire whose user says nothing else. `env` is PyFlink's; it is None here."""

    def get_window_serializer(self) -> TypeSerializer[Any]:
        """PyFlink's; you need not write it. Windows are stored as plain values in any case, your own by pickle."""
        return PickledWindowSerializer()

    @abstractmethod
    def is_event_time(self) -> bool:
        """Whether watermarks close the windows; else the clock does."""


class MergingWindowAssigner(WindowAssigner[T_contra, W], Generic[T_contra, W]):
    """Base of assigners whose windows grow together, such as sessions. Their trigger must be one that can merge."""

    __slots__ = ()

    class MergeCallback(ABC, Generic[M]):
        """Who is told which windows become one."""

        __slots__ = ()

        @abstractmethod
        def merge(self, to_be_merged: Collection[M], merge_result: M) -> None:
            """Those, which are among the windows that were asked about, become this one."""

    @abstractmethod
    def merge_windows(self, windows: Iterable[W], callback: MergingWindowAssigner.MergeCallback[W]) -> None:
        """Tell which of a key's windows become one. A merged window must not be complete before its parts are."""
