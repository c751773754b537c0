"""The keyed state of one operator: its tables by name, what was restored of them, and snapshots of them all.

A table takes up what was restored under its name when it is made. What nobody asks for stays as it is, bytes in runs,
and is stored again: a state that a new version of a program doesn't use, or has given another name, is not lost by its
first checkpoint, and lies there under its old name for whoever asks for that again.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeVar
from weakref import WeakSet

from millstream_dataflow.keys import identities
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.group_times import TABLE, GroupTimes
from millstream_taskmanager.state.key_space import KeyForms, KeySpace, StateError
from millstream_taskmanager.state.runs import Where, decoded_run
from millstream_taskmanager.state.shadow import Shadow
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from millstream_taskmanager.state.tables import Stored, Table
from millstream_taskmanager.state.types import check_types

TableT = TypeVar("TableT", bound=Table)


class KeyedBackend:
    """See the module. In memory: `state.backend.type: hashmap`."""

    def __init__(
        self, space: KeySpace, restored: Iterable[KeyedRun] = (), now: Callable[[], int] | None = None
    ) -> None:
        """Of what is restored, the runs of this subtask's groups count. `now` is the clock, which state with a time to
        live goes by.
        """
        self.space = space
        self.now = now or _no_clock
        self.cleaners: list[Callable[[int], None]] = []
        """Of states that are cleaned up with every record; they are told how many have come."""
        self.forms = KeyForms(self._identities)
        self._tables: dict[str, Table] = {}
        self._under_way = WeakSet[KeyedSnapshot]()
        self._unclaimed: dict[str, list[KeyedRun]] = {}
        for run in restored:
            if run.group in space.groups:
                self._unclaimed.setdefault(run.table, []).append(run)
        self.times = GroupTimes(space, self._unclaimed.pop(TABLE, ()))

    def add(self, table: TableT) -> TableT:
        """A table under its own name, with what was restored of it. SerializationError when that can't be read,
        StateError when it isn't of the declared types.
        """
        for name, stored in ((table.where.table, table.values), *table.others.items()):
            for run in self._unclaimed.get(name, ()):
                self._take_up(table, run, stored)
            self._unclaimed.pop(name, None)
        self._tables[table.where.table] = table
        return table

    def _take_up(self, table: Table, run: KeyedRun, stored: Stored | None) -> None:
        entries = decoded_run(table.where, run)
        check_types(table, self.space, entries, None if stored is None else stored.shown)
        own, namespaces, values = identities(entries.keys), entries.namespaces, entries.values
        self.forms.keep(entries.keys, own)
        if namespaces is not None and table.namespaces is not None:
            unpacked = {namespace: table.namespaces.unpack(namespace) for namespace in set(namespaces)}
            namespaces = [unpacked[namespace] for namespace in namespaces]
        table.load(own, namespaces, values if stored is None else map(stored.unpack, values))

    def seen(self, records: int) -> None:
        """So many records have come."""
        for cleaner in self.cleaners:
            cleaner(records)

    def refuse_others(self, where: Where, asked: str, others: Mapping[str, str]) -> None:
        """StateError where a table was restored that this one can't be made of: `others` says by name what it holds."""
        for table, kind in others.items():
            if table != where.table and table in self._unclaimed:
                raise StateError(f"operator {where.operator}: {where.title} {asked}, but the checkpoint holds {kind}")

    def clear(self) -> None:
        """Nothing of any key is kept any more, and event time begins anew: batch mode has come to another key. Tables
        are emptied in place, since handles hold their entries.
        """
        for table in self._tables.values():
            table.clear()
        self.forms.clear()
        self.times.begin_anew()

    def snapshot(self) -> KeyedSnapshot:
        """The cut: copies of all dictionaries."""
        shadows = [Shadow(table, self.space, self.forms) for table in self._tables.values()]
        there = [*self.times.runs(), *chain(*self._unclaimed.values())]
        snapshot = KeyedSnapshot(self.space.groups, shadows, there)
        self._under_way.add(snapshot)
        return snapshot

    def _identities(self) -> Iterator[Hashable]:
        """Keys with state, now or in a snapshot that is under way."""
        for table in self._tables.values():
            yield from table.identities()
        for snapshot in self._under_way:
            yield from snapshot.identities()


def _no_clock() -> int:
    raise TypeError("this backend was made without a clock, and a state with a time to live needs one")
