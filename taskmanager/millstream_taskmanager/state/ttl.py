"""Entries that get too old: how they lie in memory and in checkpoints, and who drops them.

    kind                             an entry in memory                        stored
    value, reducing, aggregating     (time, value)                             the same
    list                             [(time, element), ...]                    the same
    map                              {identity: (key, value, time), ...}       [(key, value, time), ...]

An entry that is renewed is a new tuple, so nothing that a shadow holds changes by it (law 4.5); what the user gets is
touched first, as everywhere. The clean-up never changes a list or a map, which user code may be going through: it puts
another in its place. A state with a time to live is stored under another name than one without, so that each is found
in the form in which it was stored, and can become the other.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final

from millstream_dataflow.state import StateTtlConfig
from millstream_dataflow.time import to_milliseconds
from millstream_taskmanager.state.tables import NOTHING, FlatTable, Stored, by_identity

_LOT: Final = 64  # entries: to look at them one access after the other takes twice as long

Clock = Callable[[], int]
Entry = Any
"""As in the module's table."""


class Form:
    """How entries of one kind of state lie, and what of them is left at a time."""

    @staticmethod
    def left(entry: Entry, limit: int) -> Entry:
        """What of an entry was written after `limit`: the entry itself where that is all, NOTHING where it is none."""
        return entry if entry[0] > limit else NOTHING

    @classmethod
    def drop(cls, entries: dict[Any, Entry], addresses: Iterable[Hashable], limit: int) -> None:
        """Of these entries, those of which nothing is left. In a loop of its own: a call of `left` for each would take
        three times as long.
        """
        for address in addresses:
            entry = entries.get(address)
            if entry is not None and entry[0] <= limit:
                del entries[address]

    @staticmethod
    def packed(entry: Entry) -> Any:  # noqa: ANN401  # as the table stores it
        """As it is stored."""
        return entry

    @staticmethod
    def unpacked(stored: Any) -> Entry:  # noqa: ANN401  # as above
        """And back."""
        return stored

    @staticmethod
    def bare(stored: Any) -> Any:  # noqa: ANN401  # as above
        """What is stored, as a state without a time to live stores it."""
        return stored[1]

    @staticmethod
    def dated(stored: Any, time: int) -> Entry:  # noqa: ANN401  # as above
        """The entry of what such a state has stored, as if it were written then."""
        return time, stored


class _Parts(Form):
    """An entry has parts, each with a time."""

    @classmethod
    def drop(cls, entries: dict[Any, Entry], addresses: Iterable[Hashable], limit: int) -> None:
        """See Form."""
        for address in addresses:
            if (entry := entries.get(address)) is None:
                continue
            live = cls.left(entry, limit)
            if live is NOTHING:
                del entries[address]
            elif live is not entry:
                entries[address] = live


class ListForm(_Parts):
    """Each element has a time."""

    @staticmethod
    def left(entry: Entry, limit: int) -> Entry:
        """See Form."""
        live = [pair for pair in entry if pair[0] > limit]
        return entry if len(live) == len(entry) else live or NOTHING

    @staticmethod
    def bare(stored: Any) -> Any:  # noqa: ANN401  # as above
        """See Form."""
        return [element for _, element in stored]

    @staticmethod
    def dated(stored: Any, time: int) -> Entry:  # noqa: ANN401  # as above
        """See Form."""
        return [(time, element) for element in stored]


class MapForm(_Parts):
    """Each key has a time."""

    @staticmethod
    def left(entry: Entry, limit: int) -> Entry:
        """See Form."""
        live = {identity: one for identity, one in entry.items() if one[2] > limit}
        return entry if len(live) == len(entry) else live or NOTHING

    @staticmethod
    def packed(entry: Entry) -> Any:  # noqa: ANN401  # as above
        """See Form."""
        return list(entry.values())

    @staticmethod
    def unpacked(stored: Any) -> Entry:  # noqa: ANN401  # as above
        """See Form."""
        return by_identity(stored)

    @staticmethod
    def bare(stored: Any) -> Any:  # noqa: ANN401  # as above
        """See Form."""
        return [(key, value) for key, value, _ in stored]

    @staticmethod
    def dated(stored: Any, time: int) -> Entry:  # noqa: ANN401  # as above
        """See Form."""
        return MapForm.unpacked([(key, value, time) for key, value in stored])


class Living:
    """The time to live of one state."""

    def __init__(self, config: StateTtlConfig, clock: Clock, form: type[Form]) -> None:
        self.config = config
        self.clock = clock
        self.form = form
        self.span = to_milliseconds(config.ttl)
        self.on_read = config.update_type is StateTtlConfig.UpdateType.OnReadAndWrite
        """Whether who reads an entry renews it."""
        visibility = StateTtlConfig.StateVisibility.ReturnExpiredIfNotCleanedUp
        self.gives_expired = config.state_visibility is visibility
        """Whether what is too old is shown as long as it is there."""
        self.accessed: Callable[[], None] = _nobody
        """Told of each access, where somebody cleans up."""

    def stored(self, shown: Callable[[Any], Any] | None) -> Stored:
        """How entries are stored; `shown` is what a state without a time to live shows of what it stores."""
        bare = self.form.bare
        full = self.config.cleanup_strategies.in_full_snapshot()
        return Stored(
            self.form.packed,
            self.form.unpacked,
            bare if shown is None else lambda stored: shown(bare(stored)),
            self._pack_of_cut if full else None,
        )

    def _pack_of_cut(self) -> Callable[[Entry], Any]:
        """Without what is too old at a cut that is made now."""
        limit, left, packed = self.clock() - self.span, self.form.left, self.form.packed

        def pack(entry: Entry) -> Any:  # noqa: ANN401  # as the table stores it
            live = left(entry, limit)
            return live if live is NOTHING else packed(live)

        return pack

    def of_undated(self, shown: Callable[[Any], Any] | None) -> Stored:
        """How entries are taken up that were stored without times: as if they were written now."""
        now, dated = self.clock(), self.form.dated
        return Stored(self.form.packed, lambda stored: dated(stored, now), shown)


def of_dated(form: type[Form], plain: Stored | None) -> Stored:
    """How a state without a time to live takes up what was stored with times: it forgets them. `plain`: how it stores
    its own.
    """
    unpack = _same if plain is None else plain.unpack
    shown = _same if plain is None or plain.shown is None else plain.shown
    return Stored(form.packed, lambda stored: unpack(form.bare(stored)), lambda stored: shown(form.bare(stored)))


def _nobody() -> None:
    """Nobody cleans up."""


def _same(value: Any) -> Any:  # noqa: ANN401  # any value
    return value


class Cleaner:
    """Goes round the entries of a state and drops what is too old: some for each access, looked at together when they
    are `_LOT` (Flink's incremental clean-up).

    It begins a round by noting all addresses: 4 ms for a million entries, and at five entries an access every 200,000
    accesses.
    """

    def __init__(self, table: FlatTable[Entry], living: Living, size: int) -> None:
        """`size`: entries that are looked at for each access."""
        self._entries = table.entries
        self._living = living
        self._size = size
        self._due = 0
        self._round: list[Hashable] = []

    def accessed(self) -> None:
        """The state was asked for."""
        self._due += self._size
        if self._due >= _LOT:
            self._clean()

    def seen(self, records: int) -> None:
        """So many records have come."""
        self._due += records * self._size
        if self._due >= _LOT:
            self._clean()

    def _clean(self) -> None:
        entries, drop = self._entries, self._living.form.drop
        limit = self._living.clock() - self._living.span
        count, self._due = min(self._due, len(entries)), 0
        while count > 0:
            if not self._round:
                self._round = list(entries)
            some = self._round[-count:]
            del self._round[-count:]
            count -= len(some) or count
            drop(entries, some, limit)


FORMS: Final[Mapping[str, type[Form]]] = {
    "value": Form,
    "list": ListForm,
    "map": MapForm,
    "reducing": Form,
    "aggregating": Form,
}
"""By kind of state."""
