"""What a function holds: a view of one flat table at the current key (Flink, "Working with State").

Map keys are told apart as keys of streams are (law 11): 1, 1.0 and True are one.

Whoever gives a kept object out or changes it touches it first (`tables`); to replace it or to drop it needs nothing.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from millstream_dataflow.keys import key_identity
from millstream_dataflow.state import AggregatingState, ListState, MapState, ReducingState, State, ValueState
from millstream_dataflow.state.descriptors import Aggregates
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.declared import Check, checked
from millstream_taskmanager.state.tables import FlatTable

V = TypeVar("V")


class _Handle(State, Generic[V]):
    """What all have in common."""

    def __init__(self, current: CurrentKey, table: FlatTable[V], check: Check | None) -> None:
        """`check`: looks at what is put in; None: nobody does."""
        self._current = current
        self._check = check
        self._exact = None if check is None else check.exact
        self._entries = table.entries
        self._shadows = table.shadows
        self._touch = table.touch

    def clear(self) -> None:
        """See State."""
        self._entries.pop(self._current.address, None)


class MemoryValue(_Handle[Any], ValueState[Any]):
    """One value."""

    def value(self) -> Any:  # noqa: ANN401  # whatever is kept
        """See ValueState."""
        if self._shadows:
            self._touch(self._current.address)
        return self._entries.get(self._current.address)

    def update(self, value: object) -> None:
        """See ValueState."""
        if value is None:
            self.clear()
            return
        if self._check is not None and type(value) is not self._exact:
            value = self._check.fitting(value)
        self._entries[self._current.address] = value


class MemoryListOfKey(_Handle[list[Any]], ListState[Any]):
    """A list."""

    def get(self) -> Sequence[Any]:
        """See ListState: a copy, since whoever goes through it may change it meanwhile."""
        if self._shadows:
            self._touch(self._current.address)
        return tuple(self._entries.get(self._current.address, ()))

    def add(self, value: object) -> None:
        """See ListState."""
        if self._check is not None and type(value) is not self._exact:
            value = self._check.fitting(value)
        if self._shadows:
            self._touch(self._current.address)
        self._entries.setdefault(self._current.address, []).append(value)

    def add_all(self, values: Iterable[Any]) -> None:
        """See ListState."""
        if self._shadows:
            self._touch(self._current.address)
        if items := checked(values, self._check):
            self._entries.setdefault(self._current.address, []).extend(items)

    def update(self, values: Iterable[Any]) -> None:
        """See ListState."""
        if items := checked(values, self._check):
            self._entries[self._current.address] = items
        else:
            self.clear()


class MemoryMap(_Handle[dict[Hashable, tuple[Any, Any]]], MapState[Any, Any]):
    """A map; its entries keep the form of the key that came first. What it gives to be gone through is as it was at the
    call.
    """

    def __init__(
        self, current: CurrentKey, table: FlatTable[Any], check_key: Check | None, check: Check | None
    ) -> None:
        super().__init__(current, table, check)
        self._check_key = check_key

    def get(self, key: object) -> Any:  # noqa: ANN401  # whatever is kept
        """See MapState."""
        entry = self._map().get(key_identity(key))
        return None if entry is None else entry[1]

    def put(self, key: object, value: object) -> None:
        """See MapState."""
        if self._check_key is not None and type(key) is not self._check_key.exact:
            key = self._check_key.fitting(key)
        if self._check is not None and type(value) is not self._exact and value is not None:  # as any map may hold
            value = self._check.fitting(value)
        identity = key_identity(key)
        if self._shadows:
            self._touch(self._current.address)
        entries = self._entries.setdefault(self._current.address, {})
        first = entries.get(identity)
        entries[identity] = (key if first is None else first[0], value)

    def remove(self, key: object) -> None:
        """See MapState. A map without keys takes no room."""
        entries = self._map()
        entries.pop(key_identity(key), None)
        if not entries:
            self.clear()

    def contains(self, key: object) -> bool:
        """See MapState."""
        return key_identity(key) in self._map()

    def items(self) -> Iterable[tuple[Any, Any]]:
        """See MapState."""
        return tuple(self._map().values())

    def keys(self) -> Iterable[Any]:
        """See MapState."""
        return [key for key, _ in self._map().values()]

    def values(self) -> Iterable[Any]:
        """See MapState."""
        return [value for _, value in self._map().values()]

    def is_empty(self) -> bool:
        """See MapState."""
        return not self._map()

    def _map(self) -> dict[Hashable, tuple[Any, Any]]:
        if self._shadows:
            self._touch(self._current.address)
        return self._entries.get(self._current.address, {})


class MemoryReducing(_Handle[Any], ReducingState[Any]):
    """One value, into which others are folded."""

    def __init__(
        self,
        current: CurrentKey,
        table: FlatTable[Any],
        check: Check | None,
        reduce: Callable[[Any, Any], Any],
    ) -> None:
        super().__init__(current, table, check)
        self._reduce = reduce

    def get(self) -> Any:  # noqa: ANN401  # whatever is kept
        """See ReducingState."""
        if self._shadows:
            self._touch(self._current.address)
        return self._entries.get(self._current.address)

    def add(self, value: object) -> None:
        """See ReducingState."""
        if value is None:
            self.clear()
            return
        if self._shadows:
            self._touch(self._current.address)
        address = self._current.address
        reduced = self._reduce(self._entries[address], value) if address in self._entries else value
        if self._check is not None and type(reduced) is not self._exact:
            reduced = self._check.fitting(reduced)
        self._entries[address] = reduced


class MemoryAggregating(_Handle[Any], AggregatingState[Any, Any]):
    """One accumulator."""

    def __init__(
        self,
        current: CurrentKey,
        table: FlatTable[Any],
        check: Check | None,
        aggregate: Aggregates[Any, Any, Any],
    ) -> None:
        super().__init__(current, table, check)
        self._aggregate = aggregate

    def get(self) -> Any:  # noqa: ANN401  # whatever comes of it
        """See AggregatingState."""
        if self._shadows:
            self._touch(self._current.address)
        address = self._current.address
        return self._aggregate.get_result(self._entries[address]) if address in self._entries else None

    def add(self, value: object) -> None:
        """See AggregatingState."""
        if value is None:
            self.clear()
            return
        if self._shadows:
            self._touch(self._current.address)
        address, aggregate = self._current.address, self._aggregate
        accumulator = self._entries[address] if address in self._entries else aggregate.create_accumulator()
        accumulator = aggregate.add(value, accumulator)
        if self._check is not None and type(accumulator) is not self._exact:
            accumulator = self._check.fitting(accumulator)
        self._entries[address] = accumulator
