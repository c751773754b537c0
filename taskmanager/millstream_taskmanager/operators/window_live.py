"""Which windows of which keys there are, where each has a life of its own: how often it has fired, and when it ends.

One that never ends is there while it holds something.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from typing import Any, Final, cast

from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.windows import TimeWindow, Window
from millstream_taskmanager.operators.window_timers import FEW_DELETED
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import WINDOWS, FlatTable

_START: Final[Callable[[TimeWindow], Any]] = attrgetter("start")
_END: Final[Callable[[TimeWindow], Any]] = attrgetter("end")


class LiveWindows:
    """What is stored is a table of firings; the ends follow from the windows."""

    def __init__(
        self, backend: KeyedBackend, end_of: Callable[[Window], int], *, merging: bool, sessions: bool = False
    ) -> None:
        """Takes up what was restored. `end_of`: when a window is forgotten, the allowed lateness included, in
        milliseconds; at the end of time none is. `merging`: those of a key will be asked for; `sessions`: they are
        spans of time that never intersect.
        """
        where = Where(backend.space.operator, "live-windows", "which windows there are")
        self._firings = backend.add(FlatTable[int](where, namespaces=WINDOWS, paired=True)).entries
        self._end_of = end_of
        self._sessions = sessions
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

    def meeting(self, identity: Hashable, start: int, end: int) -> Sequence[TimeWindow]:
        """The sessions of a key that a span intersects, the earliest first. They never intersect one another, so those
        of a key are in the order of their ends as well.
        """
        windows = cast("list[TimeWindow]", self.of(identity))
        if not windows:
            return ()
        first = bisect_left(windows, start, key=_END)
        return windows[first : bisect_right(windows, end, first, key=_START)]

    def open(self, identity: Hashable, window: Window, firings: int = 0) -> None:
        """A new one, or one that others have become, which had fired so often."""
        self._firings[identity, window] = firings
        self._await_end(identity, window)

    def close(self, identity: Hashable, window: Window) -> int:
        """It is forgotten; gives how often it has fired."""
        if self._of_keys is not None:
            windows = self._of_keys[identity]
            if isinstance(window, TimeWindow) and self._sessions:
                del windows[bisect_left(cast("list[TimeWindow]", windows), window.start, key=_START)]
            else:
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

    def forget_all(self) -> None:
        """The table was emptied."""
        self._ends.clear()
        if self._of_keys is not None:
            self._of_keys.clear()

    def _await_end(self, identity: Hashable, window: Window) -> None:
        if self._of_keys is not None:
            windows = self._of_keys.setdefault(identity, [])
            if self._sessions:
                insort(cast("list[TimeWindow]", windows), cast("TimeWindow", window), key=_START)
            else:
                windows.append(window)
        end = self._end_of(window)
        if end < MAX_TIME:
            self._order = order = self._order + 1
            heapq.heappush(self._ends, (end, order, identity, window))
