"""Records of one side of an interval join, by key and in the order of their times, until no partner can come any more.

A key's records are two parallel lists, times and values: partners are found by bisection, records that come in order
are appended. When the first of a key's records is of no use any more is known to a heap of one entry a key; it isn't
stored, since it follows from the records.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator
from typing import Any

from millstream_taskmanager.state.tables import FlatTable
from millstream_taskmanager.user_code.copies import are_immutable

Kept = tuple[list[int], list[Any]]
"""Times, and the values that belong to them."""


class IntervalBuffer:
    """See the module. Times are milliseconds."""

    def __init__(self, table: FlatTable[Kept], waits: int) -> None:
        """`table` has what was restored. `waits`: how long event time may have passed a record's own while partners may
        still come; negative where they are always earlier.
        """
        self._table = table
        self._entries = table.entries
        self._waits = waits
        self._heap: list[tuple[int, int, Hashable]] = []
        self._due: dict[Hashable, int] = {}
        self._order = 0
        for identity, (times, _) in self._entries.items():
            self._register(times[0], identity)

    @property
    def plain(self) -> bool:
        """Whether nobody can change any of the values."""
        return all(are_immutable(values) for _, values in self._entries.values())

    def add(self, identity: Hashable, time: int, value: object) -> None:
        """A record; of equal times the last one stands last."""
        kept = self._entries.get(identity)
        if kept is None:
            self._entries[identity] = [time], [value]
            self._register(time, identity)
            return
        if self._table.shadows:
            self._table.touch(identity)
        times, values = kept
        if time >= times[-1]:
            times.append(time)
            values.append(value)
            return
        place = bisect_right(times, time)
        times.insert(place, time)
        values.insert(place, value)
        if place == 0:
            self._register(time, identity)

    def between(self, identity: Hashable, first: int, last: int) -> Iterator[tuple[int, Any]]:
        """Times and values of the key's records from one time to another, both included."""
        kept = self._entries.get(identity)
        if kept is None:
            return iter(())
        times, values = kept
        start, end = bisect_left(times, first), bisect_right(times, last)
        if start == end:
            return iter(())
        if self._table.shadows:
            self._table.touch(identity)
        return zip(times[start:end], values[start:end], strict=True)

    def first_waiting(self, watermark: int) -> int:
        """The time from which on partners of a record may still come."""
        return watermark - self._waits

    def expire(self, watermark: int) -> None:
        """Forget what waits for nobody."""
        while self._heap and self._heap[0][0] < watermark:
            due, _, identity = heapq.heappop(self._heap)
            if self._due.get(identity) != due:
                continue  # an earlier record has come since
            del self._due[identity]
            times, values = self._entries[identity]
            end = bisect_left(times, self.first_waiting(watermark))
            if end == len(times):
                del self._entries[identity]
                continue
            if self._table.shadows:
                self._table.touch(identity)
            del times[:end], values[:end]
            self._register(times[0], identity)

    def forget_all(self) -> None:
        """The table was emptied."""
        self._heap.clear()
        self._due.clear()

    def _register(self, time: int, identity: Hashable) -> None:
        self._order = order = self._order + 1
        self._due[identity] = due = time + self._waits
        heapq.heappush(self._heap, (due, order, identity))
