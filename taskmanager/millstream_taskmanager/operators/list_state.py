"""Operator state: lists of a subtask that belong to no key."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.state import ListState, ListStateDescriptor, OperatorStateStore
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.state import Inheritance, StoredList, stored_list
from millstream_taskmanager.state.declared import Check, checked, whole_check


class MemoryList(ListState[Any]):
    """A list in memory."""

    def __init__(self, items: Iterable[Any], check: Check | None) -> None:
        """`check`: looks at what is put in; None: nobody does."""
        self._items = list(items)
        self._check = check

    def get(self) -> Sequence[Any]:
        """See ListState: a copy, for whoever goes through it may change it meanwhile."""
        return tuple(self._items)

    def add(self, value: object) -> None:
        """See ListState."""
        if self._check is not None:
            value = self._check.fitting(value)
        self._items.append(value)

    def add_all(self, values: Iterable[Any]) -> None:
        """See ListState."""
        self._items.extend(checked(values, self._check))

    def update(self, values: Iterable[Any]) -> None:
        """See ListState."""
        self._items = checked(values, self._check)

    def clear(self) -> None:
        """See ListState."""
        self._items = []


class OperatorLists(OperatorStateStore):
    """The lists of one function, by name. What was restored must be of the type that is declared now, as keyed state;
    InvalidTypesError says which isn't.
    """

    def __init__(self, restored: Inheritance) -> None:
        self._restored = restored
        self._lists: dict[str, tuple[Redistribution, MemoryList]] = {}

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See OperatorStateStore."""
        return self._list(state_descriptor, Redistribution.SPLIT)

    def get_union_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        """See OperatorStateStore."""
        return self._list(state_descriptor, Redistribution.UNION)

    def get_registered_state_names(self) -> Collection[str]:
        """See OperatorStateStore."""
        return [*self._lists, *(name for name in self._restored.names if name not in self._lists)]

    @property
    def names(self) -> Sequence[str]:
        """Those that were asked for."""
        return tuple(self._lists)

    def stored(self) -> Sequence[StoredList]:
        """The lists as they are now."""
        return [stored_list(name, items.get(), how) for name, (how, items) in self._lists.items()]

    def _list(self, descriptor: ListStateDescriptor[Any], how: Redistribution) -> MemoryList:
        if not isinstance(cast("object", descriptor), ListStateDescriptor):
            raise InvalidTypesError(
                f"state of a subtask is asked for by a ListStateDescriptor, but got {descriptor!r:.80}"
            )
        name = descriptor.name
        if name not in self._lists:
            check = whole_check(descriptor.type_info, name, "element")
            self._lists[name] = how, MemoryList(self._restored_items(descriptor), check)
        known, items = self._lists[name]
        if known is not how:
            raise InvalidProgramError(
                f"list state {name!r} was asked for both split and as a union; give the second another name"
            )
        return items

    def _restored_items(self, descriptor: ListStateDescriptor[Any]) -> list[Any]:
        if descriptor.ttl is not None:
            what = f"list state {descriptor.name!r} has a time to live, which only state of keys can have, as in Flink"
            raise InvalidProgramError(
                f"{what}; keep times beside the elements, and drop what is too old in snapshot_state"
            )
        items, declared = self._restored.items(descriptor.name), descriptor.type_info
        if declared.all_fit(items):
            return items
        problem = next(problem for item in items if (problem := declared.check(item)) is not None)
        mend = "declare it as before, or give the new one another name"
        raise InvalidTypesError(
            f"list state {descriptor.name!r} was restored, but an element doesn't fit: {problem}; {mend}"
        )
