"""Timers of one operator in one domain: a heap of times, each with a key, at most one of each pair.

Timers of one time fire in the order in which they were registered. One that is deleted stays in the heap until its time
comes, and is passed over then.
"""

import heapq
from collections.abc import Hashable, Iterator
from itertools import count

from millstream_dataflow.functions import TimerService
from millstream_dataflow.records.controls import MIN_TIME
from millstream_taskmanager.operators.base import OperatorContext
from millstream_taskmanager.state.current_key import CurrentKey


class TimerHeap:
    """See the module."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Hashable]] = []
        self._registered: dict[tuple[int, Hashable], tuple[int, object]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, time: int, identity: Hashable, key: object) -> None:
        """A timer; nothing happens when there is one already."""
        if (time, identity) not in self._registered:
            order = next(self._order)
            self._registered[time, identity] = (order, key)
            heapq.heappush(self._heap, (time, order, identity))

    def delete(self, time: int, identity: Hashable) -> None:
        """Forget it; nothing happens when it isn't there."""
        self._registered.pop((time, identity), None)

    def next_time(self) -> int | None:
        """The time of the first, milliseconds."""
        heap = self._heap
        while heap and self._registered.get((heap[0][0], heap[0][2]), (None,))[0] != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, time: int) -> Iterator[tuple[int, Hashable, object]]:
        """Take those out whose time has come, one by one: what is registered meanwhile for such a time comes as
        well.
        """
        while (first := self.next_time()) is not None and first <= time:
            _, _, identity = heapq.heappop(self._heap)
            _, key = self._registered.pop((first, identity))
            yield first, identity, key


class KeyTimers(TimerService):
    """The timers of the current key, in both domains."""

    def __init__(self, current: CurrentKey, context: OperatorContext) -> None:
        self._current = current
        self._context = context
        self.event_time = TimerHeap()
        self.processing_time = TimerHeap()
        self.watermark = MIN_TIME

    def current_processing_time(self) -> int:
        """See TimerService."""
        return self._context.now()

    def current_watermark(self) -> int:
        """See TimerService."""
        return self.watermark

    def register_processing_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.processing_time.register(timestamp, self._current.identity, self._current.key)
        self._context.call_at(timestamp)

    def register_event_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.event_time.register(timestamp, self._current.identity, self._current.key)

    def delete_processing_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.processing_time.delete(timestamp, self._current.identity)

    def delete_event_time_timer(self, timestamp: int) -> None:
        """See TimerService."""
        self.event_time.delete(timestamp, self._current.identity)
