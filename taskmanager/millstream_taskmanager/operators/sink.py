"""A sink: its writer takes batches, at a barrier it hands over committables, and they go outside when it is complete
(law 6).

The committer's state at a barrier is every committable that isn't known to be committed, each with the checkpoint
that it was prepared for. So what was prepared for an aborted checkpoint, or at a savepoint, is committed with the
next one (laws 4.4 and 4.7), and a restored operator commits at once what its checkpoint had prepared.

Durable first, then in a checkpoint, then committed: the writer's `make_durable` runs in the pool, one job after the
other, before the task acknowledges. What it couldn't do, or what was skipped since nobody waited for it any more, every
later snapshot waits for.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import SinkSpecification
from millstream_dataflow.records import Barrier, Batch, Watermark
from millstream_taskmanager.operators.base import Commit, Operator, OperatorContext, Output, Takes
from millstream_taskmanager.operators.state import StoredList, only, stored_list
from millstream_taskmanager.user_code.errors import ConnectorCode

_WRITER = "writer"
_COMMITTABLES = "committables"
_NOTHING: Iterator[Output] = iter(())


class SinkOperator(Operator):
    """See the module."""

    takes = Takes.EITHER
    audited = True

    def __init__(self, specification: SinkSpecification) -> None:
        self._sink = specification.sink
        self._pending: list[tuple[CheckpointId, Any]] = []
        self._closed = False
        # By a job in the pool, or by the task that closes it: the task never waits for a job.
        self._writer_in_use = threading.Lock()

    def open(self, context: OperatorContext) -> None:
        """Takes up what was prepared before."""
        self._context = context
        self._pending = context.state.items(_COMMITTABLES)
        self._guard = ConnectorCode(context.name)
        with self._guard:
            self._committer = self._sink.create_committer(context)
            self._writer = self._sink.create_writer(context, context.state.items(_WRITER))

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """See Operator."""
        with self._guard:
            self._writer.write(batch)
        self.received += len(batch)
        return _NOTHING

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """See Operator."""
        self._context.watermark = watermark.time
        return _NOTHING

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """The writer's own state, and every committable not known to be committed."""
        with self._guard:
            prepared = self._writer.prepare_commit(barrier.checkpoint, end_of_input=ended)
            self.processed = self.received
            self._pending += [(barrier.checkpoint, committable) for committable in prepared]
            return only([stored_list(_WRITER, self._writer.snapshot()), stored_list(_COMMITTABLES, self._pending)])

    def make_durable(self) -> Callable[[], None] | None:
        """See Operator."""
        with self._guard:
            job = self._writer.make_durable()
        return None if job is None else partial(self._run, job)

    def _run(self, job: Callable[[], None]) -> None:
        """In the pool. Its task may have ended meanwhile."""
        with self._writer_in_use, self._guard:
            if self._closed:
                raise ValueError("the sink is closed")
            job()

    def drop_leftovers(self, spared: Sequence[CheckpointId]) -> Callable[[], None] | None:
        """See Operator."""
        committer, context = self._committer, self._context
        if committer is None:
            return None
        return lambda: committer.drop_leftovers(context, spared)

    def restored_commit(self) -> Commit | None:
        """See Operator."""
        return self._commit_of(self._pending)

    def commit(self, checkpoint: CheckpointId) -> Commit | None:
        """See Operator."""
        return self._commit_of([item for item in self._pending if item[0] <= checkpoint])

    def _commit_of(self, items: Iterable[tuple[CheckpointId, Any]]) -> Commit | None:
        taken = list(items)
        committer = self._committer
        if committer is None or not taken:
            return None

        def run() -> None:
            with self._guard:
                committer.commit([committable for _, committable in taken])

        def done() -> None:
            gone = set(map(id, taken))
            self._pending = [item for item in self._pending if id(item) not in gone]

        return Commit(run, done)

    def close(self) -> None:
        """Gives files and connections back; those that are being made durable go with the process, as the task can't
        wait for a disk.
        """
        writer = getattr(self, "_writer", None)
        if writer is None or not self._writer_in_use.acquire(blocking=False):
            return
        try:
            self._closed = True
            writer.close()
        finally:
            self._writer_in_use.release()
