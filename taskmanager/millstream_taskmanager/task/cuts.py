"""The cuts of one task: what alignment decides, done. At a cut the state is taken, and the barrier goes on.

Where barriers may overtake, what comes into the gate is watched: the time of a checkpoint runs from its first barrier
here, wherever that stands. When it is over, or where the barrier says so itself, the cut waits for nothing but what the
task is at, which then goes on without credit as far as it is allowed to (`hasten`).

Measured with a map behind two rebalances, two slots, checkpoints every 100 ms, on two busy cores; seconds a checkpoint
takes at the median:

    a record takes     aligned    1 s, then overtaking    overtaking from the start
    1 ms                 0.2              0.2                    0.2
    100 ms                30              1.4                    0.3
    1 s                                   4.0
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from millstream_dataflow.identity import ChannelId, CheckpointId, OperatorId
from millstream_dataflow.records import Barrier, Batch, Control, Element, SnapshotKind
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.operators.chain import Chain
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
from millstream_taskmanager.task.in_flight import NOTHING_OVERTAKEN, InFlight, Overtaking
from millstream_taskmanager.task.protocol import ProtocolError
from millstream_taskmanager.task.snapshot import OpenPart, OpenParts, SnapshotLedger, TaskPart
from millstream_taskmanager.task.timers import Alarm
from millstream_taskmanager.user_code.errors import failure_of

_ALIGNED_INSTEAD = "from now on this task's barriers wait for the records before them"


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

    @property
    def rest(self) -> tuple[int, Batch] | None:
        """What it has taken from a channel, and not begun with yet."""
        ...

    def add_control(self, channel: PendingList, control: Control) -> None:
        """Into one of its channels."""
        ...

    def hasten(self, then: Callable[[], None] | None) -> None:
        """Come to the end of what it is at although credit is lacking, then do that. Between steps."""
        ...

    def relax(self) -> None:
        """Credit counts again."""
        ...


class Cuts:
    """See the module. Nothing that it does at a cut waits for anything: all of it is done when the call returns."""

    def __init__(
        self,
        task: CutTask,
        guarantee: Guarantee,
        doors: TaskDoors,
        base: Mapping[OperatorId, OperatorCount] | None = None,
        overtaking: Overtaking | None = None,
    ) -> None:
        """`base`: what the restored checkpoint had counted for each operator."""
        channels = task.aligned
        codecs = NOTHING_OVERTAKEN if overtaking is None else overtaking.codecs
        in_order = [position for position, channel in enumerate(channels) if channel.edge not in codecs]
        self._task = task
        self._doors = doors
        self._overtaking = overtaking
        self._codecs = codecs
        self._alignment = Alignment(len(channels), guarantee, in_order=in_order)
        self._ledger = SnapshotLedger(channels, base)
        self._parts = OpenParts(doors.acknowledge)
        self._begun: dict[CheckpointId, int] = {}  # when the first barrier was here; until the part is complete
        self._deadlines: dict[CheckpointId, int] = {}  # of these, when barriers overtake that don't yet
        self._turned = set[CheckpointId]()  # and those whose barriers overtake by now
        self._alarm = Alarm(doors.delays, self._time_is_up)
        if overtaking is not None:
            if task.gate is not None:
                task.gate.watch(self)
            for channel in task.channels if codecs else ():  # splits never wait
                channel.when_barrier_sent(self._sent)

    # ------------------------------------------------------------------------------------- what comes, between steps

    def triggered(self, barrier: Barrier) -> None:
        """The coordinator has spoken; `trigger` will be asked as soon as the task is through with what it is at."""
        if self._alignment.wants(barrier.checkpoint):
            self._begin(barrier)

    def announced(self, channel: int, barrier: Barrier) -> None:
        """See Watcher."""
        self._give_up_older(barrier.checkpoint, {channel})
        if (own := self._parts.in_flight(barrier.checkpoint)) is not None:
            own.close(channel, self._doors.delays.now())
            self._settle()
        elif self._alignment.announced(channel, barrier):
            self._begin(barrier)

    def recorded(self, channel: int, element: Element | Parcel) -> None:
        """See Watcher."""
        for checkpoint, flight in self._parts.all_in_flight().items():
            if channel in flight.open:
                try:
                    flight.record(channel, element)
                except Exception as error:  # noqa: BLE001  # a record's class may raise what it likes
                    self._refuse(checkpoint, error)

    def leader(self, *, present: bool) -> None:
        """The TaskManager has lost its leader, or has one again."""
        self._obey(self._alignment.leader(present=present))
        if not present:
            for checkpoint, flight in self._parts.all_in_flight().items():
                if flight.open:
                    self._give_up(checkpoint, "there is no leader that could abort it")

    def aborted(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """A checkpoint is given up."""
        self._obey(self._alignment.abort(checkpoint, older_too=older_too))

    def _begin(self, barrier: Barrier) -> None:
        """Time runs for a checkpoint of which a barrier is here. Savepoints are never unaligned."""
        now = self._doors.delays.now()
        self._begun.setdefault(barrier.checkpoint, now)
        if self._overtaking is None or barrier.kind is not SnapshotKind.CHECKPOINT:
            return
        if barrier.unaligned or self._overtaking.after == 0:
            self._turn(barrier.checkpoint)
        elif barrier.checkpoint not in self._turned:
            self._deadlines.setdefault(barrier.checkpoint, now + self._overtaking.after)
            self._set_alarm()

    def _time_is_up(self) -> None:
        now = self._doors.delays.now()
        for checkpoint in [one for one, due in self._deadlines.items() if due <= now]:
            self._turn(checkpoint)
        self._set_alarm()

    def _turn(self, checkpoint: CheckpointId) -> None:
        """From here on its barriers overtake."""
        self._turned.add(checkpoint)
        self._deadlines.pop(checkpoint, None)
        flight = self._parts.in_flight(checkpoint)
        if flight is None:
            self._alignment.turn(checkpoint)
            self._task.hasten(self._overtake if self._alignment.due else None)
        elif flight.waits:
            try:
                flight.overtake()
            except Exception as error:  # noqa: BLE001  # as above
                self._refuse(checkpoint, error)
            self._settle()

    def _sent(self, channel: PendingList, barrier: Barrier) -> None:
        """A barrier has left an output behind what had stood before it."""
        if (flight := self._parts.in_flight(barrier.checkpoint)) is not None:
            flight.sent(channel)
            self._settle()

    def _set_alarm(self) -> None:
        self._alarm.set(min(self._deadlines.values(), default=None))

    # -------------------------------------------------------------------------------------------- between two batches

    def trigger(self, barrier: Barrier) -> None:
        """The coordinator's own word."""
        self._obey(self._alignment.trigger(self._turned_barrier(barrier)))

    def barrier(self, gate: Gate, channel: int, barrier: Barrier) -> None:
        """A barrier was taken from a channel."""
        if self._overtaking is None:
            self._begun.setdefault(barrier.checkpoint, self._doors.delays.now())
        self._ledger.passes(barrier.checkpoint, channel, gate.records[channel])
        self._obey(self._alignment.barrier(channel, self._turned_barrier(barrier)))

    def end(self, channel: int) -> None:
        """A channel has ended."""
        for flight in self._parts.all_in_flight().values():
            flight.close(channel, self._doors.delays.now())
        self._settle()
        self._obey(self._alignment.end(channel))

    def _overtake(self) -> None:
        self._obey(self._alignment.overtake())

    def _turned_barrier(self, barrier: Barrier) -> Barrier:
        return replace(barrier, unaligned=True) if barrier.checkpoint in self._turned else barrier

    # ------------------------------------------------------------------------------------------------- encoding

    @property
    def encodes(self) -> bool:
        """Whether keyed state of a cut is still to be encoded."""
        return self._parts.encodes

    def encode_slice(self) -> None:
        """About a millisecond's worth of it, between two batches or while one waits for credit."""
        self._parts.encode_slice()

    def close(self) -> None:
        """The task is over, and speaks of no checkpoint any more: its sinks drop what isn't durable yet."""
        self._alarm.set(None)
        self._parts.close()
        self._doors.forget(self._alignment.passed, older_too=True)

    # ------------------------------------------------------------------------------------------------- obeying

    def _obey(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            match decision:
                case TakeSnapshot():
                    self._cut(decision)
                case Block(channel=channel):
                    self._gate().block(channel)
                case Unblock(channels=channels):
                    self._gate().unblock(channels)
                case Forget(checkpoint=checkpoint, older_too=older_too):
                    self._forget(checkpoint, older_too=older_too)
                case Decline(checkpoint=checkpoint, reason=reason):
                    # It follows from a lost leader or a newer barrier, and is nobody's failure.
                    self._doors.decline(checkpoint, Failure(FailureKind.INTERNAL, reason, secondary=True))

    def _cut(self, cut: TakeSnapshot) -> None:
        task, barrier = self._task, cut.barrier
        task.relax()
        self._give_up_older(barrier.checkpoint, cut.overtaken)
        flight = self._overtaken(cut)
        if flight is None:
            return
        snapshot = task.chain.snapshot(barrier, ended=not task.ending.emits)
        jobs = tuple(job for operator in task.chain.operators if (job := operator.make_durable()) is not None)
        sent = [(channel.id, channel.records) for channel in task.channels]
        restored = task.gate.restored if task.gate is not None and task.aligned else ()
        audit = self._ledger.counts(barrier.checkpoint, self._taken(), sent, task.chain.counts(), restored)
        self._send(flight)
        part = TaskPart(
            barrier.checkpoint,
            barrier.kind,
            audit=audit,
            finished=task.ending.finished,
            directory=barrier.directory,
            make_durable=jobs,
        )
        self._parts.add(OpenPart(part, snapshot, flight))
        self._tidy()

    def _overtaken(self, cut: TakeSnapshot) -> InFlight | None:
        """What the barrier overtakes here; None: it can't be stored, so the checkpoint is declined."""
        begun = self._begun.get(cut.barrier.checkpoint, self._doors.delays.now())
        flight = InFlight(cut.barrier, self._codecs, self._task.gate, begun)
        try:
            flight.take(cut.overtaken, self._task.rest, self._doors.delays.now())
            if cut.barrier.unaligned:
                flight.store(channel for channel in self._task.channels if flight.may_overtake(channel))
        except Exception as error:  # noqa: BLE001  # as above
            flight.drop()
            self._refuse(cut.barrier.checkpoint, error)
            return None
        return flight

    def _send(self, flight: InFlight) -> None:
        """The barrier, into every channel: ahead of what waits there, or behind it."""
        for channel in self._task.channels:
            if flight.barrier.unaligned and flight.may_overtake(channel):
                channel.overtake(flight.barrier)
            else:
                self._task.add_control(channel, flight.barrier)
                if flight.barrier.kind is SnapshotKind.CHECKPOINT and not flight.barrier.unaligned:
                    flight.wait_for(channel)

    def _taken(self) -> list[int]:
        """For each channel the records that the task has taken and begun with. Of what finished stages have left, the
        readers themselves count each channel (`results.reading`).
        """
        gate, rest = self._task.gate, self._task.rest
        counts = list(gate.records) if gate is not None and self._task.aligned else []
        if rest is not None and counts:
            channel, batch = rest
            counts[channel] -= len(batch)
        return counts

    # ---------------------------------------------------------------------------------------------- giving up

    def _refuse(self, checkpoint: CheckpointId, error: Exception) -> None:
        """A record in flight can't be stored. Between tasks of one process it needn't, so the job isn't to blame: the
        next checkpoint waits for such records, at this task.
        """
        self._codecs = NOTHING_OVERTAKEN
        self._alignment.keep_order()
        text = f"a record in flight can't be stored: {failure_of(error).message}; {_ALIGNED_INSTEAD}"
        self._give_up(checkpoint, text)

    def _give_up_older(self, checkpoint: CheckpointId, channels: Collection[int]) -> None:
        """Those that wait for their barriers by these channels. Their abort may still be on its way, and of one channel
        but one checkpoint is recorded.
        """
        for older, flight in self._parts.all_in_flight().items():
            if older < checkpoint and not flight.open.isdisjoint(channels):
                self._give_up(older, f"the barrier of checkpoint {checkpoint} overtook it")

    def _give_up(self, checkpoint: CheckpointId, reason: str) -> None:
        self._forget(checkpoint, older_too=False)
        self._doors.decline(checkpoint, Failure(FailureKind.INTERNAL, reason, secondary=True))

    def _forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        self._ledger.forget(checkpoint, older_too=older_too)
        self._parts.forget(checkpoint, older_too=older_too)
        self._doors.forget(checkpoint, older_too=older_too)
        self._stop_clock(one for one in self._begun if one == checkpoint or (older_too and one < checkpoint))
        self._task.relax()

    def _settle(self) -> None:
        self._parts.settle()
        self._tidy()

    def _tidy(self) -> None:
        """Time runs no more for what is complete here."""
        passed = self._alignment.passed
        self._stop_clock(one for one in self._begun if one <= passed and self._parts.in_flight(one) is None)

    def _stop_clock(self, checkpoints: Iterable[CheckpointId]) -> None:
        for one in tuple(checkpoints):
            del self._begun[one]
            self._deadlines.pop(one, None)
            self._turned.discard(one)
        self._set_alarm()

    def _gate(self) -> Gate:
        gate = self._task.gate
        if gate is None:
            raise ProtocolError("a task without input channels has none to block")
        return gate
