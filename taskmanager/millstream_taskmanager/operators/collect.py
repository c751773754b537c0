"""Keeps records until the client has fetched them (`execute_and_collect`).

On a cluster the client asks for them through the JobManager, as in Flink's collect sink. Records are numbered from the
job's beginning; a request says how many the client has, and those are forgotten. The answer says which run of the
operator speaks (`version`, its region's attempt), and how many records belong to a completed checkpoint: after a
restart the client forgets what it holds beyond that number, for those records come again. What isn't fetched is
state. Nobody is hurried: when too much waits the task takes no more input, and it doesn't end while something waits.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import CollectSpecification
from millstream_dataflow.records import Barrier, RowBatch
from millstream_runtime.checkpoint_files.contents import StoredList
from millstream_runtime.messages.collect import CollectReply, CollectRequest
from millstream_taskmanager.exchange.elements import SizeEstimator
from millstream_taskmanager.operators.base import Commit, OperatorContext, Output, RowOperator
from millstream_taskmanager.operators.state import only, pickled, stored_list
from millstream_taskmanager.user_code.errors import UserCode

_RECORDS = "records"
_OFFSET = "offset"

_MOST_KEPT = 4 << 20  # bytes; as much as a few answers, so that a client that keeps asking never waits
_MOST_ANSWERED = 128 << 10  # bytes of one answer: it shares the session with heartbeats (law 3.3)
_NOBODY_LEFT = 60_000  # ms without a request after which an ended task doesn't wait for the client any more


class CollectOperator(RowOperator):
    """See the module. `waits`: records are fetched by requests, so the task waits for them."""

    def __init__(self, specification: CollectSpecification | None = None, *, waits: bool = False) -> None:
        self._waits = waits
        self._records = deque[Any]()
        self._first = 0  # number of the first of them
        self._sizes = SizeEstimator()
        self._size = 0
        self._committed = 0
        self._cuts: dict[CheckpointId, int] = {}
        self._finished = False
        self._asked_at = 0
        self._pickled: bytes | None = None  # the first of them, while it goes out in pieces

    def open(self, context: OperatorContext) -> None:
        """Takes up what was not fetched before."""
        self._context = context
        self._asked_at = context.now()
        self._records.extend(context.state.items(_RECORDS))
        self._first = sum(context.state.items(_OFFSET))
        self._committed = self._first + len(self._records)
        if self._records:
            self._size = self._sizes.size(RowBatch(list(self._records)))

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        self._records.extend(batch.values)
        self._size += self._sizes.size(batch)
        return iter(())

    def finish(self) -> Iterator[Output]:
        """See Operator."""
        self._finished = True
        return iter(())

    @property
    def accepts(self) -> bool:
        """See Operator."""
        return not self._waits or self._size < _MOST_KEPT

    @property
    def settled(self) -> bool:
        """See Operator. A client that is gone doesn't keep a slot for ever."""
        if not self._waits or not self._records:
            return True
        return self._context.now() >= self._asked_at + _NOBODY_LEFT

    def fetch(self) -> list[Any]:
        """What has come since the last call, in order: for a client in the same process."""
        records = list(self._records)
        self._forget(len(records))
        return records

    def ask(self, payload: bytes) -> bytes:
        """See Operator. Takes a CollectRequest and gives a CollectReply, both in msgpack. A record that can't be
        pickled is a UserCodeError: to be asked again would change nothing.
        """
        request = msgspec.msgpack.decode(payload, type=CollectRequest)
        self._asked_at = self._context.now()
        version = self._context.attempt
        if request.version == version:
            self._forget(min(request.offset - self._first, len(self._records)))
        total = self._first + len(self._records)
        ended = self._finished and self._committed >= total
        records, size = self._some(request.part if request.version == version else 0)
        ended = ended and not size and len(records) == len(self._records)
        return msgspec.msgpack.encode(CollectReply(version, self._first, records, self._committed, ended, size))

    def _some(self, part: int) -> tuple[list[bytes], int]:
        """From the first on, as many as go into an answer, and 0; or a piece of the first, from that byte on, and its
        size.
        """
        chosen: list[bytes] = []
        room = _MOST_ANSWERED
        for record in self._records:
            data = (None if chosen else self._pickled) or self._bytes_of(record)
            room -= len(data)
            if room < 0 and not chosen:
                self._pickled = data
                return [data[part : part + _MOST_ANSWERED]], len(data)
            if room < 0:
                break
            chosen.append(data)
        return chosen, 0

    def _bytes_of(self, record: object) -> bytes:
        with UserCode(self._context.name):
            return pickled(record)

    def _forget(self, count: int) -> None:
        if count <= 0:
            return
        if count >= len(self._records):
            self._size = 0
        else:
            self._size -= self._size * count // len(self._records)
        for _ in range(count):
            self._records.popleft()
        self._pickled = None
        self._first += count

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """What isn't fetched, and how much was."""
        self._cuts[barrier.checkpoint] = self._first + len(self._records)
        return only([stored_list(_RECORDS, self._records), stored_list(_OFFSET, [self._first] if self._first else [])])

    def commit(self, checkpoint: CheckpointId) -> Commit | None:
        """Nothing goes outside, but the client may rely on it."""
        for taken in [taken for taken in self._cuts if taken <= checkpoint]:
            self._committed = max(self._committed, self._cuts.pop(taken))
        return None
