"""What an operator stores at a barrier, as a value: lists of items, each pickled at once (laws 4.5 and 8.1). Keyed
state is stored by runs, which take longer (`millstream_taskmanager.state`).

Pickled there and then, since what user code does to an object afterwards belongs to the next checkpoint. How lists are
shared out when the parallelism changes stands beside them: the JobManager does it without opening an item.
"""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_runtime.messages.snapshots import Redistribution

__all__ = ["FRESH", "RestoredState", "StoredList", "only", "stored_list"]


@dataclass(frozen=True, slots=True)
class RestoredState:
    """What an operator begins with. `rescaled`: the vertex had another parallelism, and lists were shared out anew."""

    lists: tuple[StoredList, ...] = ()
    runs: tuple[KeyedRun, ...] = ()
    """Of the subtask's key groups; those of others don't count."""
    restored: bool = False
    rescaled: bool = False

    def items(self, name: str) -> list[Any]:
        """The items of a list; none where there was none."""
        pickles = [item for stored in self.lists if stored.name == name for item in stored.items]
        return list(map(pickle.loads, pickles))  # our own, from a checksummed checkpoint


FRESH = RestoredState()


def stored_list(
    name: str, items: Iterable[object], redistribution: Redistribution = Redistribution.SPLIT
) -> StoredList:
    """The list as it is now."""
    return StoredList(name, redistribution, tuple(pickle.dumps(item, 5) for item in items))


def only(lists: Sequence[StoredList]) -> tuple[StoredList, ...]:
    """Those that hold something: an empty list says no more than none."""
    return tuple(stored for stored in lists if stored.items)
