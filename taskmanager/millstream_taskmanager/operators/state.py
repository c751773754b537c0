"""What an operator stores at a barrier, as a value: lists of items, each pickled at once (laws 4.5 and 8.1). Keyed
state is stored by runs, which take longer (`millstream_taskmanager.state`).

Pickled there and then, since what user code does to an object afterwards belongs to the next checkpoint. How lists are
shared out when the parallelism changes stands beside them: the JobManager does it without opening an item.
"""

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from millstream_dataflow.errors import serialization_error
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.reprs import bounded_repr
from millstream_runtime.checkpoint_files.contents import KeyedRun, StoredList
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.state.pickles import PROTOCOL, Reader, Writer
from millstream_taskmanager.state.schemas import SchemaError
from millstream_taskmanager.user_code.errors import FOUND_AGAIN

__all__ = ["FRESH", "Inheritance", "RestoredState", "StoredList", "only", "pickled", "stored_list"]


@dataclass(frozen=True, slots=True)
class RestoredState:
    """What an operator begins with. `rescaled`: the vertex had another parallelism, and lists were shared out anew."""

    lists: tuple[StoredList, ...] = ()
    runs: tuple[KeyedRun, ...] = ()
    """Of the subtask's key groups; those of others don't count."""
    restored: bool = False
    rescaled: bool = False
    checkpoint: CheckpointId | None = None
    """What it was restored from."""

    def items(self, name: str) -> list[Any]:
        """The items of a list; none where there was none. SerializationError when one can't be read, SchemaError when
        its class has changed too much.
        """
        pickles = [item for stored in self.lists if stored.name == name for item in stored.items]
        try:
            return list(map(Reader().value_of, pickles))
        except SchemaError as error:
            raise SchemaError(f"list {name!r} can't be restored: {error}") from error
        except Exception as error:  # a class may raise what it likes when it is unpickled
            raise serialization_error(f"list {name!r} can't be read from the checkpoint", error, FOUND_AGAIN) from error

    def left(self, taken: Iterable[str], subtask: int) -> tuple[StoredList, ...]:
        """The lists that nobody has taken, as this subtask stores them again. The parts of one are one again, and of
        a union, which every subtask has whole, the first one alone stores it.
        """
        found: dict[str, StoredList] = {}
        for stored in self.lists:
            if stored.name not in taken and (stored.redistribution is not Redistribution.UNION or subtask == 0):
                items = found[stored.name].items if stored.name in found else ()
                found[stored.name] = StoredList(stored.name, stored.redistribution, items + stored.items)
        return tuple(found.values())


FRESH = RestoredState()


class Inheritance:
    """What was restored, in the hands of the operator that it was restored for. What it takes is its own from then on;
    what nobody asks for is stored again: a list that a new version of a program doesn't use is not lost by its first
    checkpoint.
    """

    def __init__(self, state: RestoredState) -> None:
        self._state = state
        self._taken = set[str]()

    @property
    def restored(self) -> bool:
        """Whether the job goes on from a checkpoint."""
        return self._state.restored

    @property
    def rescaled(self) -> bool:
        """See RestoredState."""
        return self._state.rescaled

    @property
    def checkpoint(self) -> CheckpointId | None:
        """See RestoredState."""
        return self._state.checkpoint

    @property
    def names(self) -> Iterable[str]:
        """The lists that there are, once each."""
        return dict.fromkeys(stored.name for stored in self._state.lists)

    @property
    def runs(self) -> tuple[KeyedRun, ...]:
        """See RestoredState; none once the operator is open."""
        return self._state.runs

    def items(self, name: str) -> list[Any]:
        """See RestoredState. Who has asked stores the list from now on."""
        self._taken.add(name)
        return self._state.items(name)

    def settle(self) -> None:
        """The operator is open: what it has taken is of no use here any more, and would be in memory twice."""
        lists = tuple(stored for stored in self._state.lists if stored.name not in self._taken)
        self._state = replace(self._state, lists=lists, runs=())

    def left(self, subtask: int) -> tuple[StoredList, ...]:
        """See RestoredState."""
        return self._state.left(self._taken, subtask)


def stored_list(
    name: str, items: Iterable[object], redistribution: Redistribution = Redistribution.SPLIT
) -> StoredList:
    """The list as it is now."""
    write = Writer().bytes_of
    return StoredList(name, redistribution, tuple(_made_of(item, write) for item in items))


def pickled(item: object) -> bytes:
    """A record that leaves the operator by itself, and isn't stored. SerializationError when it can't be pickled."""
    return _made_of(item, _plain_pickle)


def _made_of(item: object, write: Callable[[object], bytes]) -> bytes:
    try:
        return write(item)
    except Exception as error:
        what = f"{bounded_repr(item)} can't be pickled, and so neither travel nor be stored"
        raise serialization_error(what, error) from error


def _plain_pickle(item: object) -> bytes:
    return pickle.dumps(item, PROTOCOL)


def only(lists: Sequence[StoredList]) -> tuple[StoredList, ...]:
    """Those that hold something: an empty list says no more than none."""
    return tuple(stored for stored in lists if stored.items)
