"""Where a function on a keyed stream asks for its state: a table for each name."""

from collections.abc import Callable, Hashable
from typing import Any

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import KeyedStateStore
from millstream_dataflow.keys import identities
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
from millstream_dataflow.types import Types
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.handles import (
    MemoryAggregating,
    MemoryListOfKey,
    MemoryMap,
    MemoryReducing,
    MemoryValue,
)
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import WINDOWS, FlatTable, Stored

_KINDS: dict[type[StateDescriptor[Any]], str] = {
    ValueStateDescriptor: "value",
    ListStateDescriptor: "list",
    MapStateDescriptor: "map",
    ReducingStateDescriptor: "reducing",
    AggregatingStateDescriptor: "aggregating",
}


class KeyedTables(KeyedStateStore):
    """The flat tables of one operator, by name. ValueError when one name is asked for as two kinds of state."""

    def __init__(self, current: CurrentKey, backend: KeyedBackend, *, of_windows: bool = False) -> None:
        """`of_windows`: entries belong to a key and a window."""
        self._current = current
        self._backend = backend
        self._of_windows = of_windows
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

    def identities(self, state_descriptor: StateDescriptor[Any]) -> list[Hashable]:
        """The keys that have such state now, by identity."""
        return list(self._table(state_descriptor).identities())

    def _table(self, descriptor: StateDescriptor[Any]) -> FlatTable[Any]:
        asked, name = type(descriptor), descriptor.name
        known = self._tables.get(name)
        if known is None:
            known = self._tables[name] = (asked, self._made(descriptor))
        kind, table = known
        if kind is not asked:
            both = f"asked for by {asked.__name__}, and by {kind.__name__} before"
            raise InvalidProgramError(f"state {name!r} is {both}; name it anew")
        return table

    def _made(self, descriptor: StateDescriptor[Any]) -> FlatTable[Any]:
        asked, name = type(descriptor), descriptor.name
        where = self._where(_KINDS[asked], name)
        mend = "of that name; ask for it as before, or give the new one another name"
        others = {self._where(kind, name).table: f"a {kind} state {mend}" for kind in _KINDS.values()}
        self._backend.refuse_others(where, f"is asked for by {asked.__name__}", others)
        table: FlatTable[Any] = FlatTable(
            where,
            values=_MAPS if asked is MapStateDescriptor else None,
            namespaces=WINDOWS if self._of_windows else None,
            type=Types.LIST(descriptor.type_info) if asked is ListStateDescriptor else descriptor.type_info,
            paired=self._of_windows,
        )
        return self._backend.add(table)

    def _where(self, kind: str, name: str) -> Where:
        """The kind stands in the table's name, so that a checkpoint tells it as well."""
        operator = self._backend.space.operator
        if self._of_windows:
            return Where(operator, f"window-{kind}:{name}", f"state {name!r} of windows")
        return Where(operator, f"{kind}:{name}", f"state {name!r}")


def _map_of(pairs: list[tuple[object, Any]]) -> dict[Hashable, tuple[object, Any]]:
    return dict(zip(identities([key for key, _ in pairs]), pairs, strict=True))


_MAPS = Stored(lambda entries: list(entries.values()), _map_of, dict)
"""Maps as the pairs that the user has put in: identities of keys stay in memory (law 11)."""
