"""A table as it was at a cut, encoded in slices while the table itself goes on (law 4.5).

    at the cut     the table's dictionaries are copied; their values are the very objects that the table keeps
    dealing        key groups of the entries, two thousand at a time, hashed together; nothing is encoded yet
    encoding       group by group, so that a run is long whatever the number of groups
    a touch        an entry that may change: encoded by itself there and then, if it is mutable and hasn't been yet
    at the end     the touched ones, dealt out as well; then the copy is let go of, which takes 0.1 us an entry

The work is counted in bytes, so that slices are the same at every run: a slice is 32 KiB. How many entries make a run
follows from the bytes of the last one. Immutable values are dealt out with their keys; others are looked up again when
their turn comes, since they may have been touched.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise, repeat
from typing import Any, Final

import numpy as np

from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.key_space import KeyForms, KeySpace
from millstream_taskmanager.state.pickles import Writer
from millstream_taskmanager.state.runs import Entries, encoded_run, encoded_value
from millstream_taskmanager.state.tables import NOTHING, Encoded, Table
from millstream_taskmanager.user_code.copies import are_immutable, is_immutable

_GONE: Final = object()  # in the place of a value that is encoded already; the dictionary keeps its size
_LOOK: Final = object()  # in the place of a value that may change until it is encoded
SLICE_BYTES = 32 << 10
_DEAL = 2_048  # entries
_DEAL_COST = 16  # bytes: to deal an entry takes as long as to pickle so many
_RUN_COST = 256  # bytes: what a run takes beside them, 3 us
_FREE = 4_096  # entries
_FREE_COST = 8  # bytes, as above
_FIRST = 128  # entries of the first run, before anything is known of their size
_MOST = 4_096


@dataclass(slots=True)
class _Dealt:
    """Entries of one key group; the columns are parallel."""

    namespaces: list[Any] = field(default_factory=list[Any])
    addresses: list[Any] = field(default_factory=list[Any])
    values: list[Any] = field(default_factory=list[Any])

    def extend(self, other: "_Dealt") -> None:
        """Those as well."""
        self.namespaces += other.namespaces
        self.addresses += other.addresses
        self.values += other.values

    def ordered(self, order: list[int]) -> "_Dealt":
        """The same in another order."""
        columns = (self.namespaces, self.addresses, self.values)
        return _Dealt(*[[column[place] for place in order] for column in columns])

    def part(self, start: int, end: int) -> "_Dealt":
        """Some of them."""
        return _Dealt(self.namespaces[start:end], self.addresses[start:end], self.values[start:end])

    def without(self, value: object) -> "_Dealt":
        """Those that have another."""
        return self.ordered([place for place, one in enumerate(self.values) if one is not value])

    def take(self, count: int) -> "_Dealt":
        """The last ones, so many."""
        columns = (self.namespaces, self.addresses, self.values)
        taken = _Dealt(*[column[-count:] for column in columns])
        for column in columns:
            del column[-count:]
        return taken


class Shadow:
    """See the module."""

    def __init__(self, table: Table, space: KeySpace, forms: KeyForms) -> None:
        self.table = table
        self._space = space
        self._forms = forms
        self._types = str(space.key_type), str(table.type)
        stored = table.values
        self._pack = None if stored is None else stored.pack if stored.pack_of_cut is None else stored.pack_of_cut()
        self._may_drop = stored is not None and stored.pack_of_cut is not None
        self._places = {name: place for name, place in table.copied().items() if place}
        self._undealt = deque((name, iter(place), iter(place.values())) for name, place in self._places.items())
        self._dealt: dict[int, _Dealt] = {}
        self._any_to_look = False
        self._writer = Writer()
        self._touched: list[tuple[Hashable, Hashable, bytes]] = []
        self._count = _FIRST
        self.runs: list[KeyedRun] = []
        if not self.done:
            table.shadows.append(self)

    @property
    def done(self) -> bool:
        """Whether everything is encoded."""
        return not self._places

    def drop(self) -> None:
        """Nobody needs it any more."""
        self._rest()
        self._places = {}

    def _rest(self) -> None:
        """Hear of no more touches."""
        if self in self.table.shadows:
            self.table.shadows.remove(self)

    def identities(self) -> Iterator[Hashable]:
        """Of the keys whose entries are still to be stored."""
        addresses: Iterator[Any] = chain(*self._places.values(), (address for _, address, _ in self._touched))
        return (address[0] for address in addresses) if self.table.paired else addresses

    # -------------------------------------------------------------------------------------------- encoding

    def encode_some(self) -> int:
        """The next few; gives what it cost, in bytes."""
        cost = 0
        if self._undealt:
            cost = self._deal()
        elif self._dealt:
            cost = self._encode()
        elif self._touched:
            cost = self._encode_touched()
        elif self._places:
            cost = self._let_go()
        if self.done:
            self.drop()
        return cost

    def _deal(self) -> int:
        """No entry is taken out, so that the iterators stay good; touched ones are still there, but gone."""
        some = _Dealt()
        while self._undealt and len(some.addresses) < _DEAL:
            namespace, addresses, values = self._undealt[0]
            room = _DEAL - len(some.addresses)
            some.addresses += islice(addresses, room)
            some.values += islice(values, room)
            some.namespaces += repeat(namespace, len(some.addresses) - len(some.namespaces))
            if len(some.addresses) < _DEAL:
                self._undealt.popleft()
        if not are_immutable(some.values):
            some.values = [_LOOK] * len(some.values)
            self._any_to_look = True
        for group, part in self._by_group(some):
            if (dealt := self._dealt.get(group)) is None:
                self._dealt[group] = part
            else:
                dealt.extend(part)
        if not (self._undealt or self._any_to_look):
            self._rest()  # nothing in it can change
        return _DEAL_COST * len(some.addresses)

    def _encode(self) -> int:
        group, dealt = next(iter(self._dealt.items()))
        taken = dealt.take(self._count)
        if not dealt.addresses:
            del self._dealt[group]
        if self._any_to_look:
            taken = self._looked_up(taken)
        if not taken.values:
            return _RUN_COST
        if self._pack is not None:
            taken.values = list(map(self._pack, taken.values))
            if self._may_drop and not (taken := taken.without(NOTHING)).values:
                return _RUN_COST
        return self._resized(len(taken.values), self._write(group, taken, apart=False))

    def _looked_up(self, taken: "_Dealt") -> "_Dealt":
        """With the values as they are; without the entries that were touched."""
        places = self._places
        left = _Dealt()
        for namespace, address, value in zip(taken.namespaces, taken.addresses, taken.values, strict=True):
            kept = places[namespace].pop(address) if value is _LOOK else value
            if kept is not _GONE:
                left.namespaces.append(namespace)
                left.addresses.append(address)
                left.values.append(kept)
        return left

    def _resized(self, entries: int, size: int) -> int:
        """So many entries have come to that size: how many make the next run."""
        self._count = max(1, min(_MOST, 2 * self._count, entries * SLICE_BYTES // size))
        return size + _RUN_COST

    def _encode_touched(self) -> int:
        taken = self._touched[-_DEAL:]
        del self._touched[-_DEAL:]
        for group, part in self._by_group(_Dealt(*map(list, zip(*taken, strict=True)))):
            self._write(group, part, apart=True)
        return SLICE_BYTES

    def _let_go(self) -> int:
        name, place = next(iter(self._places.items()))
        count = min(_FREE, len(place))
        for _ in range(count):
            place.popitem()
        if not place:
            del self._places[name]
        return _FREE_COST * count

    def _by_group(self, some: "_Dealt") -> Iterator[tuple[int, "_Dealt"]]:
        """Checked here: a key of another subtask fails the task."""
        if not some.addresses:
            return
        groups = self._space.checked_groups_of(self._keys(some.addresses), self.table.where.title)
        order = np.argsort(groups, kind="stable")
        ordered = groups[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        some = some.ordered(order.tolist())
        numbers, bounds = ordered[starts].tolist(), [*starts.tolist(), len(ordered)]
        for number, (start, end) in zip(numbers, pairwise(bounds), strict=True):
            yield number, some.part(start, end)

    def _keys(self, addresses: list[Any]) -> list[Any]:
        return self._forms.of_all([address[0] for address in addresses] if self.table.paired else addresses)

    def _write(self, group: int, dealt: "_Dealt", *, apart: bool) -> int:
        """A run of these; gives its size."""
        table = self.table
        namespaces: list[Any] | None = dealt.namespaces
        if table.paired:
            namespaces = [address[1] for address in dealt.addresses]
        elif dealt.namespaces[0] is None:
            namespaces = None
        if (stored := table.namespaces) is not None and namespaces is not None:
            by_id = {id(namespace): namespace for namespace in namespaces}  # windows take 300 ns to be hashed
            packed = {number: stored.pack(namespace) for number, namespace in by_id.items()}
            namespaces = [packed[id(namespace)] for namespace in namespaces]
        entries = Entries(self._keys(dealt.addresses), namespaces, dealt.values, self._types, apart)
        run = encoded_run(table.where, group, entries)
        self.runs.append(run)
        return len(run.data)

    # -------------------------------------------------------------------------------------------- touching

    def touch(self, namespace: Hashable, address: Hashable, former: Encoded | None) -> Encoded | None:
        """See Toucher."""
        place = self._places.get(namespace)
        value = _GONE if place is None else place.get(address, _GONE)
        if place is None or value is _GONE or is_immutable(value):
            return former
        place[address] = _GONE
        if former is None or former[0] is not value:
            packed = value if self._pack is None else self._pack(value)
            if packed is NOTHING:
                return former
            [key] = self._keys([address])
            former = value, encoded_value(self.table.where, key, packed, self._writer)
        self._touched.append((namespace, address, former[1]))
        return former
