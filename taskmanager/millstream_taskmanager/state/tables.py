"""Where entries lie. An operator chooses the layout of each of its tables (ARCHITECTURE 8).

While a snapshot is under way a table has a shadow, and whoever is about to give a kept object to the user's code, to
change it or to let it go says so by `touch`: what is mutable and not stored yet is stored first (law 4.5). Nobody else
pays for snapshots but by asking whether `shadows` is empty (10 ns).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Generic, Protocol, TypeVar

from millstream_dataflow.keys import identities
from millstream_dataflow.types import TypeInformation, Types
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.schemas import SchemaError
from millstream_taskmanager.state.windows import packed_window, unpacked_window

V = TypeVar("V")
_UNDECLARED = Types.ANY()
NOTHING: Final = object()
"""What is left of an entry that isn't to be stored any more."""
Encoded = tuple[object, bytes]
"""A kept object, and its pickle."""


class Toucher(Protocol):
    """A snapshot of a table, as the table knows it."""

    def touch(self, namespace: Hashable, address: Hashable, former: Encoded | None) -> Encoded | None:
        """The entry may change now. `former` is what another snapshot has encoded just now."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """How something that is kept is stored, where the two aren't the same."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]
    shown: Callable[[Any], Any] | None = None
    """From what is stored to what the user declared a type for; None: that is no other."""
    pack_of_cut: Callable[[], Callable[[Any], Any]] | None = None
    """For what depends on when it is stored: the `pack` of a cut that is made now. It may give NOTHING."""


WINDOWS = Stored(packed_window, unpacked_window)
"""Windows as plain pairs, since a savepoint outlives the names of our classes."""


def by_identity(entries: list[Any]) -> dict[Hashable, Any]:
    """The entries of a map, tuples that begin with the user's key, by what makes it the same key (law 11). SchemaError
    where two have become one, since their class has lost a field: one value would be lost.
    """
    keys: list[Any] = identities([entry[0] for entry in entries])
    found: dict[Hashable, Any] = dict(zip(keys, entries, strict=True))
    if len(found) < len(entries):
        raise SchemaError("keys of a map that were told apart by a field are the same without it; put the field back")
    return found


@dataclass(eq=False, repr=False)
class Table(ABC):
    """What all layouts have in common."""

    where: Where
    _: KW_ONLY
    values: Stored | None = None
    others: Mapping[str, Stored | None] = field(default_factory=dict[str, Stored | None])
    """Other names under which its entries may have been stored, and in which form."""
    namespaces: Stored | None = None
    type: TypeInformation[Any] = _UNDECLARED
    """Declared for what is kept under an address."""
    paired: bool = field(default=False, init=False)
    """Whether an address is a pair of the key's identity and a namespace."""
    shadows: list[Toucher] = field(default_factory=list[Toucher], init=False)

    @abstractmethod
    def copied(self) -> dict[Hashable, dict[Hashable, Any]]:
        """Copies of its dictionaries by namespace; without namespaces there is one, under None.

        Measured: 5 ms a million entries where memory is at hand, 20 to 35 ms on a machine whose cores are all busy.
        Shards that are copied when they are written to would save nothing: a batch of random keys writes to all of
        them at once.
        """

    @abstractmethod
    def load(self, identities: Sequence[Any], namespaces: Iterable[Hashable] | None, values: Iterable[Any]) -> None:
        """Restored entries."""

    @abstractmethod
    def identities(self) -> Iterator[Hashable]:
        """Of all keys that have entries, perhaps repeated."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all entries, in place."""

    def touch(self, address: Hashable, namespace: Hashable = None) -> None:
        """An entry is about to be changed or given out. Encoded once for all snapshots."""
        former: Encoded | None = None
        for shadow in self.shadows:
            former = shadow.touch(namespace, address, former)

    def touch_all(self, addresses: Iterable[Hashable], namespace: Hashable = None) -> None:
        """The same for many, some perhaps repeated."""
        for address in set(addresses):
            self.touch(address, namespace)


@dataclass(eq=False, repr=False)
class FlatTable(Table, Generic[V]):
    """One dictionary by address (`CurrentKey`): for state of which each key has its own, and gives it back by
    itself.
    """

    paired: bool = field(default=False, kw_only=True)
    """Whether entries belong to a key and a namespace."""
    entries: dict[Any, V] = field(default_factory=dict[Any, V], init=False)

    def clear(self) -> None:
        """See Table."""
        self.entries.clear()

    def copied(self) -> dict[Hashable, dict[Hashable, Any]]:
        """See Table."""
        return {None: self.entries.copy()}

    def load(self, identities: Sequence[Any], namespaces: Iterable[Hashable] | None, values: Iterable[Any]) -> None:
        """See Table."""
        addresses = identities if namespaces is None else zip(identities, namespaces, strict=True)
        self.entries.update(zip(addresses, values, strict=True))

    def identities(self) -> Iterator[Hashable]:
        """See Table."""
        return (address[0] for address in self.entries) if self.paired else iter(self.entries)


@dataclass(eq=False, repr=False)
class NamespaceTable(Table, Generic[V]):
    """A dictionary of keys for each namespace: aligned windows fire and are purged whole, whatever the number of
    keys.
    """

    entries: dict[Any, dict[Hashable, V]] = field(default_factory=dict[Any, dict[Hashable, V]], init=False)

    def of(self, namespace: Hashable) -> dict[Hashable, V]:
        """The entries of one namespace, to be changed."""
        entries = self.entries.get(namespace)
        if entries is None:
            entries = self.entries[namespace] = {}
        return entries

    def purge(self, namespace: Hashable) -> None:
        """Forget a namespace. What its shadow holds isn't changed by that."""
        self.entries.pop(namespace, None)

    def clear(self) -> None:
        """See Table."""
        self.entries.clear()

    def copied(self) -> dict[Hashable, dict[Hashable, Any]]:
        """See Table."""
        return {namespace: entries.copy() for namespace, entries in self.entries.items()}

    def load(self, identities: Sequence[Any], namespaces: Iterable[Hashable] | None, values: Iterable[Any]) -> None:
        """See Table."""
        entries = zip(namespaces or (), zip(identities, values, strict=True), strict=True)
        for namespace, several in groupby(entries, key=itemgetter(0)):
            self.of(namespace).update(map(itemgetter(1), several))

    def identities(self) -> Iterator[Hashable]:
        """See Table."""
        return (identity for entries in self.entries.values() for identity in entries)
