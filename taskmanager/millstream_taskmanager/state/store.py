"""Where a function on a keyed stream asks for its state: a table for each name."""

from collections.abc import Callable
from typing import Any

from millstream_dataflow.functions import KeyedStateStore
from millstream_dataflow.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    ListState,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    ReducingState,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueState,
    ValueStateDescriptor,
)
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.handles import (
    MemoryAggregating,
    MemoryListOfKey,
    MemoryMap,
    MemoryReducing,
    MemoryValue,
)
from millstream_taskmanager.state.tables import FlatTable


class KeyedTables(KeyedStateStore):
    """The flat tables of one operator, by name. ValueError when one name is asked for as two kinds of state."""

    def __init__(self, current: CurrentKey) -> None:
        self._current = current
        self._tables: dict[str, tuple[type[StateDescriptor[Any]], FlatTable[Any]]] = {}

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        """See KeyedStateStore."""
        return MemoryValue(self._current, self._table(state_descriptor))

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See KeyedStateStore."""
        return MemoryListOfKey(self._current, self._table(state_descriptor))

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        """See KeyedStateStore."""
        return MemoryMap(self._current, self._table(state_descriptor))

    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[Any]) -> ReducingState[Any]:
        """See KeyedStateStore."""
        function: Any = state_descriptor.reduce_function
        reduce: Callable[[Any, Any], Any] = getattr(function, "reduce", function)
        return MemoryReducing(self._current, self._table(state_descriptor), reduce)

    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[Any, Any, Any]
    ) -> AggregatingState[Any, Any]:
        """See KeyedStateStore."""
        return MemoryAggregating(self._current, self._table(state_descriptor), state_descriptor.agg_function)

    def _table(self, descriptor: StateDescriptor[Any]) -> FlatTable[Any]:
        kind, table = self._tables.setdefault(descriptor.name, (type(descriptor), FlatTable()))
        if kind is not type(descriptor):
            asked, known = type(descriptor).__name__, kind.__name__
            raise ValueError(f"state {descriptor.name!r} is asked for by {asked}, and by {known} before; name it anew")
        return table
