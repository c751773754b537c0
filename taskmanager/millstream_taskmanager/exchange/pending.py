"""What one channel has not sent yet: batches that may still grow, and the controls between them.

    [ rows | watermark | rows | barrier | rows.. ]

Batches that follow one another are sent as one. Watermarks and statuses that follow one another melt into the newest
of their kind; nothing passes a batch or a barrier, so a record is late or not whatever the speed of the network. A
batch waits for its companions until the target is reached, which is no more than its receiver takes in at a turn, until
its sender pauses for want of input, or for the buffer timeout; it is never split. Barriers and ends don't wait, nor
does what stands before them, but for credit. An unaligned barrier doesn't even wait for that (law 4.1).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import cast

import numpy as np
import pyarrow as pa

from millstream_dataflow.identity import ChannelId, CheckpointId
from millstream_dataflow.records import (
    Barrier,
    Batch,
    ColumnBatch,
    Control,
    Element,
    RowBatch,
    StreamStatus,
    Watermark,
)
from millstream_dataflow.records.batches import Times
from millstream_taskmanager.exchange.channel import SendingEnd
from millstream_taskmanager.exchange.credits import FIRST_TURN, NO_LIMIT


@dataclass(frozen=True, slots=True)
class FlushRules:
    """When a channel sends by itself. Records and bytes of all that waits; milliseconds since the first of it came."""

    records: int
    size: int
    timeout: int


class PendingList:
    """The end of one channel that a task writes to."""

    __slots__ = (
        "_added",
        "_barrier_sent",
        "_batches",
        "_channel",
        "_elements",
        "_open",
        "_open_size",
        "_rules",
        "_share",
        "_size",
        "_stuck",
        "_waiting",
        "records",
        "since",
    )

    def __init__(self, channel: SendingEnd, rules: FlushRules) -> None:
        self._channel = channel
        self._rules = rules
        self._elements = deque[tuple[Element, int]]()
        self._open: list[Batch] = []
        self._open_size = 0
        self._batches = 0  # sealed ones, in _elements
        self._waiting = 0  # records that no flush has met
        self._size = 0  # and their bytes
        self._added = 0  # bytes that came in this turn of the task
        self._share = 0.0  # and in the turns before, the older the lighter
        self._stuck = False  # a flush ended for want of credit
        self._barrier_sent: Callable[[PendingList, Barrier], None] | None = None
        self.records = 0
        """Records written since the attempt began (law 10.1)."""
        self.since: int | None = None
        """When the oldest of what waits came, milliseconds of a clock that nobody sets; None: nothing waits."""

    @property
    def id(self) -> ChannelId:
        """The channel."""
        return self._channel.id

    @property
    def writable(self) -> bool:
        """Whether the task may go on: there is credit."""
        return self._channel.credit > 0

    @property
    def turn(self) -> int | None:
        """How many bytes the receiver takes in at a turn. None: it has taken none."""
        return self._channel.turn

    def room(self, records: float, weight: float) -> float:
        """A turn of the task is over: how many records it may well take in at one, for the sake of this channel's
        receiver. Of `records`, what it has taken in at past turns, each of which weighs `weight` of the one after it,
        came what was added here. A receiver that gets none has nothing to say of that, nor has one that is fast.
        """
        self._share = weight * self._share + self._added
        self._added = 0
        turn = self._channel.turn
        return inf if turn is None or turn == NO_LIMIT or not self._share else turn * records / self._share

    def when_writable(self, action: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Send what waits for credit as soon as it comes, then tell the task. `failed`: a record can't travel."""

        def credited() -> None:
            try:
                if self._stuck:
                    self._drain(more=False)
            except BaseException as error:  # noqa: BLE001  # the user's class may raise what it likes when it is pickled
                failed(error)
                return
            if self.writable:
                action()

        self._channel.when_credited(credited)

    def add(self, batch: Batch, size: int, now: int) -> bool:
        """Data. Full is sent at once; gives whether something waits."""
        if self._open and not _alike(self._open[-1], batch):
            self._seal()
        self._open.append(batch)
        self._open_size += size
        self._size += size
        self._added += size
        records = len(batch)
        self._waiting += records
        self.records += records
        if self.since is None:
            self.since = now
        if self._waiting >= self._rules.records or self._size >= min(self._rules.size, self.turn or FIRST_TURN):
            self.flush(more=True)
            return False
        return True

    def add_control(self, element: Control, now: int) -> bool:
        """A control. Watermarks and statuses wait with the data around them; gives whether something waits."""
        self._seal()
        if self.since is None:
            self.since = now
        if isinstance(element, Watermark | StreamStatus):
            self._melt(type(element))
            self._elements.append((element, 0))
            return True
        self._elements.append((element, 0))
        self.flush(more=False)
        return False

    def when_barrier_sent(self, action: Callable[["PendingList", Barrier], None]) -> None:
        """Whom to tell that a barrier that had to wait here has been sent."""
        self._barrier_sent = action

    def holds(self, checkpoint: CheckpointId) -> bool:
        """Whether a checkpoint's barrier waits here for what stands before it."""
        return any(isinstance(element, Barrier) and element.checkpoint == checkpoint for element, _ in self._elements)

    def before(self, checkpoint: CheckpointId) -> list[Element]:
        """What waits before that checkpoint's barrier; all, if it isn't here."""
        self._seal()
        found: list[Element] = []
        for element, _ in self._elements:
            if isinstance(element, Barrier) and element.checkpoint == checkpoint:
                break
            found.append(element)
        return found

    def overtake(self, barrier: Barrier) -> None:
        """Send a barrier before everything that waits; instead of itself, where it waits already."""
        self._seal()
        for place, (element, _) in enumerate(self._elements):
            if isinstance(element, Barrier) and element.checkpoint == barrier.checkpoint:
                del self._elements[place]
                break
        self._channel.send(barrier, 0, more=self._batches > 0)

    def flush(self, *, more: bool) -> None:
        """Send everything, as far as credit goes. `more`: the sender is busy, further data follows."""
        self._seal()
        self.since = None
        self._waiting = self._size = 0
        self._drain(more=more)

    def _seal(self) -> None:
        """What comes next is another batch."""
        if self._open:
            self._elements.append((_joined(self._open), self._open_size))
            self._batches += 1
            self._open = []
            self._open_size = 0

    def _melt(self, kind: type[Watermark | StreamStatus]) -> None:
        """Forget the element of that kind at the end, behind the last batch or barrier."""
        for place in range(len(self._elements) - 1, -1, -1):
            element = self._elements[place][0]
            if isinstance(element, kind):
                del self._elements[place]
                return
            if not isinstance(element, Watermark | StreamStatus):
                return

    def _drain(self, *, more: bool) -> None:
        channel, elements = self._channel, self._elements
        while elements:
            element, size = elements[0]
            if size:
                if channel.credit <= 0:
                    self._stuck = True
                    return
                self._batches -= 1
            elements.popleft()
            # A local channel may answer with credit, and so call `credited` from within: nothing is held across it.
            channel.send(element, size, more=more or self._batches > 0 or bool(self._open))
            if not size and self._barrier_sent is not None and isinstance(element, Barrier):
                self._barrier_sent(self, element)
        self._stuck = False


def _alike(one: Batch, other: Batch) -> bool:
    """Whether two batches can be one: the same form, both with times or both without, the same columns."""
    if (one.timestamps is None) != (other.timestamps is None):
        return False
    if isinstance(one, ColumnBatch):
        return isinstance(other, ColumnBatch) and one.columns.schema.equals(other.columns.schema)
    return isinstance(other, RowBatch)


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]  # by reference: whoever made it may not change it any more
    if isinstance(batches[0], RowBatch):
        rows = cast("list[RowBatch]", batches)
        return RowBatch(list(chain.from_iterable(batch.values for batch in rows)), _joined_lists(rows))
    columns = cast("list[ColumnBatch]", batches)
    return ColumnBatch(_concatenated([batch.columns for batch in columns]), _joined_arrays(columns))


def _joined_lists(batches: list[RowBatch]) -> list[int] | None:
    parts = [batch.timestamps for batch in batches if batch.timestamps is not None]
    return list(chain.from_iterable(parts)) if parts else None


def _joined_arrays(batches: list[ColumnBatch]) -> Times | None:
    parts = [batch.timestamps for batch in batches if batch.timestamps is not None]
    return np.concatenate(parts) if parts else None


def _concatenated(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.concat_batches(parts)  # type: ignore[attr-defined, no-any-return]  # the stubs are older than the function
