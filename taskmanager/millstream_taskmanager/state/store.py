"""Where a function on a keyed stream asks for its state: a table for each name."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
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
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.types.composites import MapType
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.declared import Check, flat_check
from millstream_taskmanager.state.handles import (
    MemoryAggregating,
    MemoryListOfKey,
    MemoryMap,
    MemoryReducing,
    MemoryValue,
)
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import WINDOWS, FlatTable, Stored, by_identity
from millstream_taskmanager.state.ttl import FORMS, Cleaner, Living, of_dated
from millstream_taskmanager.state.ttl_handles import TtlAggregating, TtlListOfKey, TtlMap, TtlReducing, TtlValue

_KINDS: dict[type[StateDescriptor[Any]], str] = {
    ValueStateDescriptor: "value",
    ListStateDescriptor: "list",
    MapStateDescriptor: "map",
    ReducingStateDescriptor: "reducing",
    AggregatingStateDescriptor: "aggregating",
}

_ASKED = {
    "value": "get_state",
    "list": "get_list_state",
    "map": "get_map_state",
    "reducing": "get_reducing_state",
    "aggregating": "get_aggregating_state",
}


class KeyedTables(KeyedStateStore):
    """The flat tables of one operator, by name. InvalidProgramError when one name is asked for in two ways."""

    def __init__(self, current: CurrentKey, backend: KeyedBackend, *, of_windows: bool = False) -> None:
        """`of_windows`: entries belong to a key and a window."""
        self._current = current
        self._backend = backend
        self._of_windows = of_windows
        self._tables: dict[str, _Asked] = {}

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        """See KeyedStateStore."""
        asked = self._asked(state_descriptor, "value")
        if asked.living is not None:
            return TtlValue(self._current, asked.table, asked.living, asked.check)
        return MemoryValue(self._current, asked.table, asked.check)

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See KeyedStateStore."""
        asked = self._asked(state_descriptor, "list")
        if asked.living is not None:
            return TtlListOfKey(self._current, asked.table, asked.living, asked.check)
        return MemoryListOfKey(self._current, asked.table, asked.check)

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        """See KeyedStateStore."""
        asked = self._asked(state_descriptor, "map")
        if asked.living is not None:
            return TtlMap(self._current, asked.table, asked.living, asked.check_key, asked.check)
        return MemoryMap(self._current, asked.table, asked.check_key, asked.check)

    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[Any]) -> ReducingState[Any]:
        """See KeyedStateStore."""
        asked = self._asked(state_descriptor, "reducing")
        function: Any = state_descriptor.reduce_function
        reduce: Callable[[Any, Any], Any] = getattr(function, "reduce", function)
        if asked.living is not None:
            return TtlReducing(self._current, asked.table, asked.living, asked.check, reduce)
        return MemoryReducing(self._current, asked.table, asked.check, reduce)

    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[Any, Any, Any]
    ) -> AggregatingState[Any, Any]:
        """See KeyedStateStore."""
        asked = self._asked(state_descriptor, "aggregating")
        aggregate = state_descriptor.agg_function
        if asked.living is not None:
            return TtlAggregating(self._current, asked.table, asked.living, asked.check, aggregate)
        return MemoryAggregating(self._current, asked.table, asked.check, aggregate)

    def identities(self, state_descriptor: StateDescriptor[Any]) -> list[Hashable]:
        """The keys that have such state now, by identity."""
        return list(self._asked(state_descriptor).table.identities())

    def _asked(self, descriptor: StateDescriptor[Any], wanted: str | None = None) -> "_Asked":
        """`wanted`: the kind of state that is asked for; None where any will do."""
        kind = _kind_of(descriptor)
        if kind != (wanted or kind):
            name = type(descriptor).__name__
            what = f"{_ASKED[wanted or kind]} was given the {name} of state {descriptor.name!r}"
            raise InvalidTypesError(f"{what}; {_ASKED[kind]} takes a {name}")
        known = self._tables.get(descriptor.name)
        if known is None:
            known = self._tables[descriptor.name] = self._made(kind, descriptor)
        both = ""
        if _kind_of(known.descriptor) != kind:
            both = f"asked for by {type(descriptor).__name__}, and by {type(known.descriptor).__name__} before"
        elif known.descriptor.ttl != descriptor.ttl:
            both = "asked for with two different times to live"
        elif _differ(known.descriptor.type_info, descriptor.type_info):
            both = f"asked for as {descriptor.type_info}, and as {known.descriptor.type_info} before"
        if both:
            raise InvalidProgramError(f"state {descriptor.name!r} is {both}; name it anew")
        return known

    def _made(self, kind: str, descriptor: StateDescriptor[Any]) -> "_Asked":
        where = self._where(kind, descriptor)
        mend = "of that name; ask for it as before, or give the new one another name"
        others = {self._name(of, descriptor, ttl=ttl): f"a {of} state {mend}" for of in FORMS for ttl in (False, True)}
        other_way = self._name(kind, descriptor, ttl=descriptor.ttl is None)
        del others[other_way]
        self._backend.refuse_others(where, f"is asked for by {type(descriptor).__name__}", others)
        living = None if descriptor.ttl is None else Living(descriptor.ttl, self._backend.now, FORMS[kind])
        plain = _MAPS if kind == "map" else None
        shown = None if plain is None else plain.shown
        undated = of_dated(FORMS[kind], plain) if living is None else living.of_undated(shown)
        table: FlatTable[Any] = FlatTable(
            where,
            values=plain if living is None else living.stored(shown),
            others={other_way: undated},
            namespaces=WINDOWS if self._of_windows else None,
            type=Types.LIST(descriptor.type_info) if kind == "list" else descriptor.type_info,
            paired=self._of_windows,
        )
        self._backend.add(table)
        if living is not None:
            self._clean(table, living)
        return _Asked(descriptor, table, living, *_checks(descriptor))

    def _clean(self, table: FlatTable[Any], living: Living) -> None:
        strategy = living.config.cleanup_strategies.get_incremental_cleanup_strategy()
        if strategy is None:
            return
        cleaner = Cleaner(table, living, strategy.cleanup_size)
        if strategy.every_record:
            self._backend.cleaners.append(cleaner.seen)
        living.accessed = cleaner.accessed

    def _name(self, kind: str, descriptor: StateDescriptor[Any], *, ttl: bool) -> str:
        """The kind stands in the table's name, so that a checkpoint tells it as well."""
        return f"{'window-' if self._of_windows else ''}{kind}{'-ttl' if ttl else ''}:{descriptor.name}"

    def _where(self, kind: str, descriptor: StateDescriptor[Any]) -> Where:
        title = f"state {descriptor.name!r}{' of windows' if self._of_windows else ''}"
        table = self._name(kind, descriptor, ttl=descriptor.ttl is not None)
        return Where(self._backend.space.operator, table, title)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A state that was asked for."""

    descriptor: StateDescriptor[Any]
    table: FlatTable[Any]
    living: Living | None
    check: Check | None
    check_key: Check | None
    """Of a map's keys."""


def _kind_of(descriptor: StateDescriptor[Any]) -> str:
    kind = _KINDS.get(type(descriptor))
    if kind is None:
        wanted = ", ".join(sorted(one.__name__ for one in _KINDS))
        raise InvalidTypesError(f"a state is asked for by one of {wanted}, but got {descriptor!r:.80}")
    return kind


def _checks(descriptor: StateDescriptor[Any]) -> tuple[Check | None, Check | None]:
    """Made once: functions of windows ask for their states each time they are called."""
    name = descriptor.name
    if isinstance(descriptor, MapStateDescriptor):
        of_both: MapStateDescriptor[Any, Any] = descriptor
        return flat_check(of_both.value_type, name), flat_check(of_both.key_type, name, "key")
    part = "accumulator" if isinstance(descriptor, AggregatingStateDescriptor) else "value"
    return flat_check(descriptor.type_info, name, part), None


def _differ(one: TypeInformation[Any], other: TypeInformation[Any]) -> bool:
    """Whether two declared types aren't the same. One that isn't declared goes with any."""
    if isinstance(one, MapType) and isinstance(other, MapType):
        return _differ(one.key, other.key) or _differ(one.value, other.value)
    return one != other and Types.ANY() not in (one, other)


_MAPS = Stored(lambda entries: list(entries.values()), by_identity, dict)
"""Maps as the pairs that the user has put in: identities of keys stay in memory (law 11)."""
