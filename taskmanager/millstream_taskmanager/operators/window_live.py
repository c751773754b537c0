"""Which windows of which keys there are, where each has a life of its own: how often it has fired, and when it ends."""

import heapq
from collections.abc import Callable, Hashable, Sequence

from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.windows import Window
from millstream_taskmanager.operators.window_timers import FEW_DELETED
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import WINDOWS, FlatTable


class LiveWindows:
    """What is stored is a table of firings; the ends follow from the windows."""

    def __init__(self, backend: KeyedBackend, end_of: Callable[[Window], int], *, merging: bool) -> None:
        """Takes up what was restored. `end_of`: when a window is forgotten, the allowed lateness included, in
        milliseconds; at the end of time none is. `merging`: those of a key will be asked for.
        """
        where = Where(backend.space.operator, "live-windows", "which windows there are")
        self._firings = backend.add(FlatTable[int](where, namespaces=WINDOWS, paired=True)).entries
        self._end_of = end_of
        self._of_keys: dict[Hashable, list[Window]] | None = {} if merging else None
        self._ends: list[tuple[int, int, Hashable, Window]] = []
        self._order = 0
        for identity, window in self._firings:
            self._await_end(identity, window)

    def __len__(self) -> int:
        return len(self._firings)

    def has(self, identity: Hashable, window: Window) -> bool:
        """Whether the key has this window."""
        return (identity, window) in self._firings

    def of(self, identity: Hashable) -> Sequence[Window]:
        """All windows of a key, where windows merge."""
        return () if self._of_keys is None else self._of_keys.get(identity, ())

    def open(self, identity: Hashable, window: Window, firings: int = 0) -> None:
        """A new one, or one that others have become, which had fired so often."""
        self._firings[identity, window] = firings
        self._await_end(identity, window)

    def close(self, identity: Hashable, window: Window) -> int:
        """It is forgotten; gives how often it has fired."""
        if self._of_keys is not None:
            windows = self._of_keys[identity]
            windows.remove(window)
            if not windows:
                del self._of_keys[identity]
        firings = self._firings.pop((identity, window))
        if len(self._ends) > 2 * len(self._firings) + FEW_DELETED:
            self._ends = [end for end in self._ends if (end[2], end[3]) in self._firings]
            heapq.heapify(self._ends)
        return firings

    def fired(self, identity: Hashable, window: Window) -> int:
        """It fires: how often it has now."""
        number = self._firings[identity, window] = self._firings[identity, window] + 1
        return number

    def add_firings(self, identity: Hashable, window: Window, firings: int) -> None:
        """It goes on from the results of others as well."""
        self._firings[identity, window] += firings

    def next_end(self) -> int | None:
        """When the next one is to be forgotten, milliseconds."""
        ends = self._ends
        while ends and (ends[0][2], ends[0][3]) not in self._firings:
            heapq.heappop(ends)
        return ends[0][0] if ends else None

    def pop_end(self) -> tuple[Hashable, Window]:
        """The one that `next_end` has told of; it is still there until it is closed."""
        _, _, identity, window = heapq.heappop(self._ends)
        return identity, window

    def _await_end(self, identity: Hashable, window: Window) -> None:
        if self._of_keys is not None:
            self._of_keys.setdefault(identity, []).append(window)
        end = self._end_of(window)
        if end < MAX_TIME:
            self._order = order = self._order + 1
            heapq.heappush(self._ends, (end, order, identity, window))
