"""Timers of windows of keys: a heap of times, each with a key and a window, at most one of each three (as
`operators.timers` has them for keys).

Timers of one time fire in the order in which they were registered. One that is deleted stays in the heap until its time
comes, and is passed over then, or until the heap is made anew because most of it are such. What is stored is a table,
with the times and windows as namespaces and the order as values.
"""

import heapq
from collections.abc import Hashable
from typing import Final

from millstream_dataflow.windows import Window
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import FlatTable, Stored
from millstream_taskmanager.state.windows import packed_timer, unpacked_timer

FEW_DELETED: Final = 1_024  # below that a heap isn't worth being made anew
_TIMERS = Stored(packed_timer, unpacked_timer)
_Address = tuple[Hashable, tuple[int, Window]]


class WindowTimers:
    """See the module."""

    def __init__(self, backend: KeyedBackend, table: str, title: str) -> None:
        """Takes up restored timers."""
        where = Where(backend.space.operator, table, title)
        stored = backend.add(FlatTable[int](where, namespaces=_TIMERS, paired=True))
        self._registered: dict[_Address, int] = stored.entries
        self._heap: list[tuple[int, int, _Address]] = []
        self._order = 0
        former = sorted(stored.entries.items(), key=lambda timer: timer[1])  # of several subtasks: orders may be equal
        stored.entries.clear()
        for (identity, (time, window)), _ in former:
            self.register(time, identity, window)

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, time: int, identity: Hashable, window: Window) -> None:
        """A timer; nothing happens when there is one already."""
        address = identity, (time, window)
        if address not in self._registered:
            self._order = order = self._order + 1
            self._registered[address] = order
            heapq.heappush(self._heap, (time, order, address))

    def delete(self, time: int, identity: Hashable, window: Window) -> None:
        """Forget it; nothing happens when it isn't there."""
        registered = self._registered
        registered.pop((identity, (time, window)), None)
        if len(self._heap) > 2 * len(registered) + FEW_DELETED:
            self._heap = [(address[1][0], order, address) for address, order in registered.items()]
            heapq.heapify(self._heap)

    def next_time(self) -> int | None:
        """The time of the first, milliseconds."""
        heap = self._heap
        while heap and self._registered.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def forget_all(self) -> None:
        """The table was emptied."""
        self._heap.clear()

    def pop(self) -> tuple[int, Hashable, Window]:
        """Take out the one that `next_time` has told of."""
        time, _, address = heapq.heappop(self._heap)
        del self._registered[address]
        return time, address[0], address[1][1]
