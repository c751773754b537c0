"""The cuts of one task: what alignment decides, done. At a cut the state is taken, and the barrier goes on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from millstream_dataflow.identity import ChannelId, CheckpointId, OperatorId
from millstream_dataflow.records import Barrier, Control
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.operators.chain import Chain, Emission
from millstream_taskmanager.task.alignment import (
    Alignment,
    Block,
    Decision,
    Decline,
    Forget,
    Guarantee,
    TakeSnapshot,
    Unblock,
)
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.ending import Ending
from millstream_taskmanager.task.protocol import ProtocolError
from millstream_taskmanager.task.snapshot import OpenParts, SnapshotLedger, TaskPart


class CutTask(Protocol):
    """A task, as far as a cut goes through it."""

    @property
    def aligned(self) -> Sequence[ChannelId]:
        """The channels by which barriers come; none: it takes triggers."""
        ...

    @property
    def gate(self) -> Gate | None:
        """Its inputs."""
        ...

    @property
    def chain(self) -> Chain:
        """Its operators."""
        ...

    @property
    def ending(self) -> Ending:
        """How far it is with its end."""
        ...

    @property
    def channels(self) -> Sequence[PendingList]:
        """All channels that it writes to."""
        ...

    def broadcast(self, control: Control) -> None:
        """Into every channel."""
        ...


class Cuts:
    """See the module. What comes between two batches gives an activity; what acts at once is done when it returns."""

    def __init__(
        self,
        task: CutTask,
        guarantee: Guarantee,
        doors: TaskDoors,
        base: Mapping[OperatorId, OperatorCount] | None = None,
    ) -> None:
        """`base`: what the restored checkpoint had counted for each operator."""
        self._task = task
        self._doors = doors
        self._alignment = Alignment(len(task.aligned), guarantee)
        self._ledger = SnapshotLedger(task.aligned, base)
        self._parts = OpenParts(doors.acknowledge)

    def trigger(self, barrier: Barrier) -> Iterator[Emission]:
        """The coordinator's own word."""
        return self._obey(self._alignment.trigger(barrier))

    def barrier(self, gate: Gate, channel: int, barrier: Barrier) -> Iterator[Emission]:
        """A barrier was taken from a channel."""
        self._ledger.passes(barrier.checkpoint, channel, gate.records[channel])
        return self._obey(self._alignment.barrier(channel, barrier))

    def end(self, channel: int) -> Iterator[Emission]:
        """A channel has ended."""
        return self._obey(self._alignment.end(channel))

    def leader(self, *, present: bool) -> None:
        """The TaskManager has lost its leader, or has one again."""
        self._at_once(self._alignment.leader(present=present))

    def aborted(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """A checkpoint is given up."""
        self._at_once(self._alignment.abort(checkpoint, older_too=older_too))

    @property
    def encodes(self) -> bool:
        """Whether keyed state of a cut is still to be encoded."""
        return bool(self._parts.open)

    def encode_slice(self) -> None:
        """About a millisecond's worth of it, between two batches or while one waits for credit."""
        self._parts.encode_slice()

    def close(self) -> None:
        """The task is over, and speaks of no checkpoint any more: its sinks drop what isn't durable yet."""
        self._parts.close()
        self._doors.forget(self._alignment.passed, older_too=True)

    def _at_once(self, decisions: Iterable[Decision]) -> None:
        for _ in self._obey(decisions):
            raise ProtocolError("to give a checkpoint up can't emit anything")

    def _obey(self, decisions: Iterable[Decision]) -> Iterator[Emission]:
        for decision in decisions:
            match decision:
                case TakeSnapshot(barrier=barrier):
                    yield from self._cut(barrier)
                case Block(channel=channel):
                    self._gate().block(channel)
                case Unblock(channels=channels):
                    self._gate().unblock(channels)
                case Forget(checkpoint=checkpoint, older_too=older_too):
                    self._ledger.forget(checkpoint, older_too=older_too)
                    self._parts.forget(checkpoint, older_too=older_too)
                    self._doors.forget(checkpoint, older_too=older_too)
                case Decline(checkpoint=checkpoint, reason=reason):
                    # It follows from a lost leader or a newer barrier, and is nobody's failure.
                    self._doors.decline(checkpoint, Failure(FailureKind.INTERNAL, reason, secondary=True))

    def _cut(self, barrier: Barrier) -> Iterator[Emission]:
        task = self._task
        if task.ending.emits:
            yield from task.chain.before_barrier()
        if self._ledger.is_forgotten(barrier.checkpoint):  # given up while that was on its way out
            return
        snapshot = task.chain.snapshot(barrier, ended=not task.ending.emits)
        jobs = tuple(job for operator in task.chain.operators if (job := operator.make_durable()) is not None)
        # Of what finished stages have left, the readers themselves count each channel (`results.reading`).
        taken = () if task.gate is None or not task.aligned else task.gate.records
        sent = [(channel.id, channel.records) for channel in task.channels]
        audit = self._ledger.counts(barrier.checkpoint, taken, sent, task.chain.counts())
        task.broadcast(barrier)
        part = TaskPart(
            barrier.checkpoint,
            barrier.kind,
            audit=audit,
            finished=task.ending.finished,
            directory=barrier.directory,
            make_durable=jobs,
        )
        self._parts.add(part, snapshot)

    def _gate(self) -> Gate:
        gate = self._task.gate
        if gate is None:
            raise ProtocolError("a task without input channels has none to block")
        return gate
