"""The gate: the queues of all channels into one task. Ready channels take turns, an element each; a channel that
alignment blocks keeps its queue and has no turn. A taken batch gives its credit back.

What was in flight at the checkpoint that the task goes on from is taken before anything else, and has no credit: it was
spent in another life.

A checkpoint whose barriers overtake stores what it finds here (`before`), and what comes by a channel until its barrier
does (`record`). A watcher hears of both as they come, between the steps of its task or within the step of another.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from millstream_dataflow.identity import ChannelId, CheckpointId
from millstream_dataflow.records import Barrier, ColumnBatch, Element, RowBatch
from millstream_taskmanager.exchange.channel import Parcel, ReceivingEnd
from millstream_taskmanager.exchange.credits import NO_LIMIT, GateCredits, Grant
from millstream_taskmanager.exchange.errors import ExchangeError

_INERTIA = 0.8  # of what is known of a channel's rows, against its next batch


class Taken(NamedTuple):
    """An element, the channel it came by (position in the gate) and that channel's input."""

    channel: int
    input: int
    element: Element


class Watcher(Protocol):
    """Who wants to know what comes before it is taken. Nothing here may raise."""

    def announced(self, channel: int, barrier: Barrier) -> None:
        """A barrier stands in a channel's queue."""
        ...

    def recorded(self, channel: int, element: Element | Parcel) -> None:
        """An element comes by a channel that is recorded; a parcel of rows, or opened."""
        ...


class Gate:
    """All that flows into one task. `inputs` gives each channel's input; positions are those of `channels`."""

    def __init__(
        self, channels: Sequence[ChannelId], inputs: Sequence[int], credits_: GateCredits, wake: Callable[[], None]
    ) -> None:
        self.channels = tuple(channels)
        self.inputs = tuple(inputs)
        self.records = [0] * len(channels)
        """Records taken per channel since the attempt began (law 10.1)."""
        self.restored = [0] * len(channels)
        """Records per channel that the attempt began with (law 10.1)."""
        self._first = deque[tuple[int, Element]]()  # what it began with and hasn't taken yet
        self._watcher: Watcher | None = None
        self._recorded = set[int]()
        self._credits = credits_
        self._wake = wake
        self._ends: list[ReceivingEnd | None] = [None] * len(channels)
        self._queues: list[deque[tuple[Element | Parcel, int]]] = [deque() for _ in channels]
        self._ready = deque[int]()
        self._blocked = set[int]()
        self._row_bytes = [0.0] * len(channels)  # of the rows that were taken last; 0: none came yet
        self._turns = [0] * len(channels)  # bytes, as senders have heard; 0: nothing yet
        self._slow = True  # or unknown
        self._closed = False

    def connect(self, position: int, end: ReceivingEnd) -> None:
        """Where the grants of that channel go."""
        self._ends[position] = end

    @property
    def ready(self) -> bool:
        """Whether there is an element to take."""
        return bool(self._ready or self._first)

    @property
    def blocked(self) -> frozenset[int]:
        """The channels that alignment holds back."""
        return frozenset(self._blocked)

    def arrive(self, channel: int, element: Element | Parcel, size: int, *, backlog: bool) -> None:
        """An element came in. What still comes for a task that is over is dropped."""
        if self._closed:
            return
        if channel in self._recorded:
            element = self._record(channel, element)
        queue = self._queues[channel]
        queue.append((element, size))
        if len(queue) == 1 and channel not in self._blocked:
            self._ready.append(channel)
            self._wake()
        if size:  # last: a local sender answers a grant at once, with its next frame
            self._grant(self._credits.received(channel, size, backlog=backlog))
        elif self._watcher is not None and isinstance(element, Barrier):
            self._watcher.announced(channel, element)

    def take(self) -> Taken | None:
        """The next element of the channel whose turn it is; None when nothing can be taken."""
        if self._first:
            return self._take_first()
        if not self._ready:
            return None
        channel = self._ready.popleft()
        queue = self._queues[channel]
        element, size = queue.popleft()
        if queue:
            self._ready.append(channel)
        if isinstance(element, Parcel):
            element = element.open()
        if size:
            if isinstance(element, RowBatch | ColumnBatch):
                records = len(element)
                self.records[channel] += records
                self._weigh(channel, size, records)
            self._grant(self._credits.taken(channel, size))
        if not self._ready and (grants := self._credits.dry()):
            self._grant(grants)
        return Taken(channel, self.inputs[channel], element)

    def _take_first(self) -> Taken:
        channel, element = self._first.popleft()
        if isinstance(element, RowBatch | ColumnBatch):
            self.records[channel] += len(element)
        return Taken(channel, self.inputs[channel], element)

    # ------------------------------------------------------------------------------------------------- in flight

    def restore(self, channel: int, elements: Iterable[Element]) -> None:
        """What was in flight at the checkpoint, to be taken before anything that comes."""
        for element in elements:
            self._first.append((channel, element))
            if isinstance(element, RowBatch | ColumnBatch):
                self.restored[channel] += len(element)

    def watch(self, watcher: Watcher) -> None:
        """Who wants to know."""
        self._watcher = watcher

    def before(self, channel: int, checkpoint: CheckpointId) -> tuple[list[Element | Parcel], bool]:
        """What stands in a channel before the barrier of that checkpoint, columns opened, and whether that is here."""
        found: list[Element | Parcel] = [element for at, element in self._first if at == channel]
        queue = self._queues[channel]
        for place, (element, size) in enumerate(tuple(queue)):
            if isinstance(element, Barrier) and element.checkpoint == checkpoint:
                return found, True
            opened = _opened(element)
            queue[place] = (opened, size)
            found.append(opened)
        return found, False

    def record(self, channel: int) -> None:
        """Tell the watcher all that comes by a channel, until `stop_recording`; `before` was asked."""
        self._recorded.add(channel)

    def stop_recording(self, channel: int) -> None:
        """No more."""
        self._recorded.discard(channel)

    def _record(self, channel: int, element: Element | Parcel) -> Element | Parcel:
        opened = _opened(element)
        if self._watcher is not None:
            self._watcher.recorded(channel, opened)
        return opened

    # ------------------------------------------------------------------------------------------------- alignment

    def block(self, channel: int) -> None:
        """Leave the channel's elements where they are."""
        self._blocked.add(channel)
        self._credits.block(channel)
        if self._queues[channel]:
            self._ready.remove(channel)
        if not self._ready:
            self._grant(self._credits.dry())

    def unblock(self, channels: Iterable[int]) -> None:
        """Let the channels have their turns again."""
        for channel in channels:
            if channel not in self._blocked:
                raise ExchangeError(f"{self.channels[channel]} was unblocked, but alignment doesn't block it")
            self._blocked.discard(channel)
            if self._queues[channel]:
                self._ready.append(channel)
            self._grant(self._credits.unblock(channel))
        if self._ready:
            self._wake()

    def grant(self, channel: int, size: int) -> None:
        """Credit by the task's own decision: a reader that has room for splits (law 8.1)."""
        self._grant(((channel, size),))

    def pace(self, rows: int | None) -> None:
        """The task takes in so many rows at a turn; None: whatever comes. Senders hear of what has changed much, and
        one whose rows are not known yet of no limit alone.
        """
        if rows is None and not self._slow:
            return
        self._slow = rows is not None
        share = None if rows is None else max(1.0, rows / len(self.channels))  # records of a channel: one at the least
        for channel, row in enumerate(self._row_bytes):
            if share is None:
                self._pace(channel, NO_LIMIT)
            elif row:
                self._pace(channel, max(1, int(share * row)))

    def _pace(self, channel: int, turn: int) -> None:
        told, end = self._turns[channel], self._ends[channel]
        if end is not None and not (4 * told <= 5 * turn and 4 * turn <= 5 * told):
            self._turns[channel] = turn
            end.pace(turn)
            self._grant(self._credits.pace(channel, turn))

    def _weigh(self, channel: int, size: int, rows: int) -> None:
        row = size / max(1, rows)
        former = self._row_bytes[channel]
        self._row_bytes[channel] = _INERTIA * former + (1 - _INERTIA) * row if former else row

    def close(self) -> None:
        """The task is over: forget what is queued."""
        self._closed = True
        self._watcher = None
        self._first.clear()
        self._ready.clear()
        for queue in self._queues:
            queue.clear()

    def _grant(self, grants: Sequence[Grant]) -> None:
        for channel, size in grants:
            end = self._ends[channel]
            if end is None:
                raise ExchangeError(f"{self.channels[channel]} gets credit, but nothing is connected to it")
            end.grant(size)


def _opened(element: Element | Parcel) -> Element | Parcel:
    """A parcel of columns can be opened once: its batch stands for it from now on."""
    return element.open() if isinstance(element, Parcel) and element.payload is None else element
