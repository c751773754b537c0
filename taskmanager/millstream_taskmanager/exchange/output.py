"""What a task writes to: one output an edge, with a pending list for each of its channels, and all of them together."""

from collections.abc import Callable, Sequence
from itertools import cycle
from math import inf

from millstream_dataflow.identity import EdgeId
from millstream_dataflow.records import Batch, ColumnBatch, Control, RowBatch
from millstream_taskmanager.exchange.elements import SizeEstimator
from millstream_taskmanager.exchange.partitioners import Partitioner
from millstream_taskmanager.exchange.pending import PendingList

_WEIGHT = 0.8  # of a turn against the one after it


class Output:
    """One edge out of a subtask."""

    def __init__(self, edge: EdgeId, partitioner: Partitioner, channels: Sequence[PendingList]) -> None:
        self.edge = edge
        self.channels = tuple(channels)
        self._partitioner = partitioner
        self._sizes = SizeEstimator()

    @property
    def rows_only(self) -> bool:
        """Whether columns must be turned into rows before they come here."""
        return self._partitioner.rows_only

    def emit(self, batch: Batch, now: int) -> bool:
        """Deal a batch out, and give whether something of it waits. One without rows is nothing."""
        waits = False
        if batch:
            for position, part in self._partitioner.deal(batch):
                waits |= self.channels[position].add(part, self._sizes.size(part), now)
        return waits

    def emit_control(self, element: Control, now: int) -> bool:
        """To all channels; gives whether it waits in one."""
        waits = False
        for channel in self.channels:
            waits |= channel.add_control(element, now)
        return waits


class SplitOutput:
    """The edge from an enumerator to its readers: a reader's credit is the number of splits it has asked for (law
    8.1).
    """

    def __init__(self, edge: EdgeId, channels: Sequence[PendingList]) -> None:
        self.edge = edge
        self.channels = tuple(channels)
        self._turns = cycle(range(len(channels)))

    @property
    def writable(self) -> bool:
        """Whether any reader has room."""
        return any(channel.writable for channel in self.channels)

    def give(self, split: object, now: int) -> int | None:
        """Send one split to a reader that has asked, in turn; gives its position, or None when nobody has."""
        for _ in self.channels:
            position = next(self._turns)
            channel = self.channels[position]
            if channel.writable:
                channel.add(RowBatch([split]), 1, now)
                channel.flush(more=False)
                return position
        return None


class Outputs:
    """All edges out of a subtask. `timeout` is how long a batch waits for companions while the task is busy, in ms."""

    def __init__(self, outputs: Sequence[Output], timeout: int) -> None:
        self._outputs = tuple(outputs)
        self._timeout = timeout
        self._channels = tuple(channel for output in outputs for channel in output.channels)
        self._due: int | None = None
        self._taken = 0.0  # records of past turns, the older the lighter

    def __getitem__(self, index: int) -> Output:
        return self._outputs[index]

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def channels(self) -> Sequence[PendingList]:
        """The channels of all edges."""
        return self._channels

    @property
    def writable(self) -> bool:
        """Whether the task may go on: every channel has credit, for nobody knows which the next record goes to."""
        for channel in self._channels:  # noqa: SIM110  # asked at every batch: a generator costs as much again
            if not channel.writable:
                return False
        return True

    @property
    def due(self) -> int | None:
        """When `flush_old` is to be called, milliseconds; None: nothing waits."""
        return self._due

    def room(self, records: int) -> float:
        """A turn is over in which the task took in so many records: how many it may well take in at one, so that none
        of its receivers gets more of what comes of them than it takes in at a turn itself.
        """
        self._taken = _WEIGHT * self._taken + records
        return min([channel.room(self._taken, _WEIGHT) for channel in self._channels], default=inf)

    def when_writable(self, action: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Whom to tell that a channel has credit again, and that what waited for it can't travel."""
        for channel in self._channels:
            channel.when_writable(action, failed)

    def emit(self, index: int, element: Batch | Control, now: int) -> None:
        """Into one edge."""
        output = self._outputs[index]
        if isinstance(element, RowBatch | ColumnBatch):
            waits = output.emit(element, now)
        else:
            waits = output.emit_control(element, now)
        if waits and self._due is None:
            self._due = now + self._timeout

    def flush(self) -> None:
        """The task has nothing more at hand: whatever waits goes out."""
        self._due = None
        for channel in self._channels:
            channel.flush(more=False)

    def flush_old(self, now: int) -> None:
        """The task is busy: what has waited for the timeout goes out."""
        self._due = None
        for channel in self._channels:
            if channel.since is None:
                continue
            if channel.since + self._timeout <= now:
                channel.flush(more=True)
            elif self._due is None or channel.since + self._timeout < self._due:
                self._due = channel.since + self._timeout
