"""Where a function asks for its state. The runtime implements these."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, TypeVar

from millstream_dataflow.not_there import NotThere
from millstream_dataflow.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
In = TypeVar("In")
Out = TypeVar("Out")


class KeyedStateStore(ABC):
    """State of the current key. On a stream without keys each of these raises, and says that key_by is missing."""

    @abstractmethod
    def get_state(self, state_descriptor: ValueStateDescriptor[T]) -> ValueState[T]:
        """One value per key."""

    @abstractmethod
    def get_list_state(self, state_descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """A list per key."""

    @abstractmethod
    def get_map_state(self, state_descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]:
        """A map per key."""

    @abstractmethod
    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[T]) -> ReducingState[T]:
        """One reduced value per key."""

    @abstractmethod
    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[In, Any, Out]
    ) -> AggregatingState[In, Out]:
        """One accumulator per key."""


class OperatorStateStore(ABC):
    """State of a subtask that belongs to no key (Flink, "Operator State")."""

    get_broadcast_state = NotThere(
        "functions of streams that are connected with a broadcast one have it: ctx.get_broadcast_state(descriptor)"
    )

    @abstractmethod
    def get_list_state(self, state_descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """A list; after a restore each subtask has about as many of all subtasks' elements."""

    @abstractmethod
    def get_union_list_state(self, state_descriptor: ListStateDescriptor[T]) -> ListState[T]:
        """A list; after a restore each subtask has the elements of all. For few elements only."""

    @abstractmethod
    def get_registered_state_names(self) -> Collection[str]:
        """The lists that there are: those that were asked for, and those that were restored and nobody has asked for
        yet.
        """
