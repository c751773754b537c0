"""Timers of one operator in one domain: a heap of times, each with a key, at most one of each pair.

Timers of one time fire in the order in which they were registered. One that is deleted stays in the heap until its time
comes, and is passed over then, or until the heap is made anew because most of it are such. What is stored is a table,
with the times as namespaces and the order as values.
"""

import heapq
from collections.abc import Hashable, Iterator
from typing import Final

from millstream_dataflow.functions import TimerService
from millstream_dataflow.functions.timers import NoTimersError
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time import checked_time
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.state.backend import KeyedBackend
from millstream_taskmanager.state.current_key import CurrentKey
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.tables import FlatTable

_TIMER: Final = "a timer"
_FEW_DELETED = 1_024  # below that a heap isn't worth being made anew


class TimerHeap:
    """See the module."""

    def __init__(self, table: FlatTable[int]) -> None:
        """`table` is one of pairs; its timers are taken up."""
        self._heap: list[tuple[int, int, Hashable]] = []
        self._registered = table.entries
        self._order = 0
        former: list[tuple[int, Hashable, int]] = sorted(  # of several subtasks, perhaps: orders may be equal
            ((order, identity, time) for (identity, time), order in table.entries.items()),
            key=lambda timer: timer[0],
        )
        table.entries.clear()
        for _, identity, time in former:
            self.register(time, identity)

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, time: int, identity: Hashable) -> None:
        """A timer; nothing happens when there is one already."""
        if (identity, time) not in self._registered:
            self._order = order = self._order + 1
            self._registered[identity, time] = order
            heapq.heappush(self._heap, (time, order, identity))

    def delete(self, time: int, identity: Hashable) -> None:
        """Forget it; nothing happens when it isn't there."""
        registered = self._registered
        registered.pop((identity, time), None)
        if len(self._heap) > 2 * len(registered) + _FEW_DELETED:
            self._heap = [(time, order, identity) for (identity, time), order in registered.items()]
            heapq.heapify(self._heap)

    def next_time(self) -> int | None:
        """The time of the first, milliseconds."""
        heap = self._heap
        while heap and self._registered.get((heap[0][2], heap[0][0])) != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def forget_all(self) -> None:
        """The table was emptied."""
        self._heap.clear()

    def due(self, time: int) -> Iterator[tuple[int, Hashable]]:
        """Take those out whose time has come, one by one: what is registered meanwhile for such a time comes as
        well.
        """
        while (first := self.next_time()) is not None and first <= time:
            _, _, identity = heapq.heappop(self._heap)
            del self._registered[identity, first]
            yield first, identity


class KeyTimers(TimerService):
    """The timers of the current key, in both domains.

    A timer by the clock fires when its millisecond is over, as in Flink: so no record can come behind it that reads the
    very time for which it was set. A function that counts to the end of a second would else tell that second twice.
    """

    def __init__(
        self, current: CurrentKey, context: OperatorContext, backend: KeyedBackend, *, heard: bool = True
    ) -> None:
        """Takes up restored timers; those by the clock go on by themselves. Not `heard`: the user gave a plain
        callable, which has no `on_timer`, so that timers are refused (NoTimersError).
        """
        self._heard = heard
        self._current = current
        self._context = context
        self.event_time = _heap(backend, "event-timers", "the timers of event time")
        self.processing_time = _heap(backend, "clock-timers", "the timers by the clock")
        self.watermark = MIN_TIME
        """That holds for the current key."""
        self.call()

    def call(self) -> None:
        """Ask for the call of the next timer by the clock."""
        if (first := self.processing_time.next_time()) is not None:
            self._context.call_at(first + 1)

    def current_processing_time(self) -> int:
        """See TimerService."""
        return self._context.now()

    def current_watermark(self) -> int:
        """See TimerService."""
        return self.watermark

    def register_processing_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self._refuse_unheard()
        self.processing_time.register(checked_time(timestamp, _TIMER), self._current.identity)
        self._context.call_at(timestamp + 1)

    def register_event_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self._refuse_unheard()
        self.event_time.register(checked_time(timestamp, _TIMER), self._current.identity)

    def delete_processing_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.processing_time.delete(checked_time(timestamp, _TIMER), self._current.identity)

    def delete_event_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.event_time.delete(checked_time(timestamp, _TIMER), self._current.identity)

    def _refuse_unheard(self) -> None:
        if not self._heard:
            mend = "write a KeyedProcessFunction with an on_timer method"
            raise NoTimersError(f"a timer calls on_timer, and a plain function has none; {mend}")


def _heap(backend: KeyedBackend, table: str, title: str) -> TimerHeap:
    return TimerHeap(backend.add(FlatTable(Where(backend.space.operator, table, title), paired=True)))
