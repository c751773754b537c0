"""Operator state: lists of a subtask that belong to no key."""

from collections.abc import Iterable, Sequence
from typing import Any

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.state import ListState, ListStateDescriptor, OperatorStateStore
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.state import Inheritance, StoredList, stored_list


class MemoryList(ListState[Any]):
    """A list in memory."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)

    def get(self) -> Sequence[Any]:
        """See ListState: a copy, for whoever goes through it may change it meanwhile."""
        return tuple(self._items)

    def add(self, value: object) -> None:
        """See ListState."""
        self._items.append(value)

    def add_all(self, values: Iterable[Any]) -> None:
        """See ListState."""
        self._items.extend(values)

    def update(self, values: Iterable[Any]) -> None:
        """See ListState."""
        self._items = list(values)

    def clear(self) -> None:
        """See ListState."""
        self._items = []


class OperatorLists(OperatorStateStore):
    """The lists of one function, by name."""

    def __init__(self, restored: Inheritance) -> None:
        self._restored = restored
        self._lists: dict[str, tuple[Redistribution, MemoryList]] = {}

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See OperatorStateStore."""
        return self._list(state_descriptor.name, Redistribution.SPLIT)

    def get_union_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See OperatorStateStore."""
        return self._list(state_descriptor.name, Redistribution.UNION)

    @property
    def names(self) -> Sequence[str]:
        """Those that were asked for."""
        return tuple(self._lists)

    def stored(self) -> Sequence[StoredList]:
        """The lists as they are now."""
        return [stored_list(name, items.get(), how) for name, (how, items) in self._lists.items()]

    def _list(self, name: str, how: Redistribution) -> MemoryList:
        known, items = self._lists.setdefault(name, (how, MemoryList(self._restored.items(name))))
        if known is not how:
            raise InvalidProgramError(
                f"list state {name!r} was asked for both split and as a union; give the second another name"
            )
        return items
