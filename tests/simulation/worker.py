"""A worker process and its tasks. Alignment is the real one; channels keep their order and take their time.

Operators are three. A source counts records 0, 1, 2, ... up to its end; its state is the next number. A keyed one
counts how often it has seen a record's key; its state is the counts, and its output carries them. A sink gathers
records; at a barrier they become a committable, which lies in its state until the checkpoint is complete.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from millstream_dataflow.identity import ChannelId, CheckpointId, SubtaskId, TaskId
from millstream_dataflow.job_graph import Vertex
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier, End, EndOfData, EndReason
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointAcknowledged,
    CheckpointCompleted,
    CheckpointDeclined,
    StopMode,
    TaskReport,
    TaskStateChanged,
)
from millstream_runtime.messages.snapshots import (
    AuditCounts,
    ChannelCount,
    FileRef,
    ListState,
    OperatorSnapshot,
    Redistribution,
    TaskRestore,
    TaskSnapshot,
)
from millstream_runtime.messages.worker import FromTasks
from millstream_runtime.states import TaskState
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
from tests.simulation.outside import BrokenInvariantError, Committable, Record
from tests.simulation.stores import Stores
from tests.simulation.world import World

KEYS = 5
NUMBERS = 120
"""Records of each source subtask."""


@dataclass(slots=True)
class SavedState:
    """What a task's data file holds."""

    position: int = 0
    counts: dict[int, int] = field(default_factory=dict[int, int])
    committables: tuple[tuple[Committable, CheckpointId, tuple[Record, ...]], ...] = ()


class TaskDoors(Protocol):
    """What a task may ask of its worker."""

    world: World
    stores: Stores
    alive: bool

    def say(self, message: FromTasks) -> None:
        """To the TaskManager."""
        ...

    def send(self, channel: ChannelId, element: object) -> None:
        """Into a channel."""
        ...

    def published(self, name: Committable, records: tuple[Record, ...], told: CheckpointId) -> None:
        """Commit outside."""
        ...


class SimulatedTask:
    """One subtask."""

    def __init__(self, task: TaskId, vertex: Vertex, plan: Plan, doors: TaskDoors, restore: TaskRestore | None) -> None:
        self.id = task
        self.vertex = vertex
        self.kind = vertex.operators[0].kind
        """source, keyed or sink."""
        self._doors = doors
        index = task.subtask.index
        self.inputs = [channel for edge in plan.edges_to(vertex.id) for channel in plan.channels_to(edge, index)]
        self.outputs = [channel for edge in plan.edges_from(vertex.id) for channel in plan.channels_from(edge, index)]
        self._queues: list[deque[object]] = [deque() for _ in self.inputs]
        self._numbers = {channel: number for number, channel in enumerate(self.inputs)}
        self._blocked: set[int] = set()
        self._closed: set[int] = set()
        self.sent: Counter[ChannelId] = Counter()
        self.received: Counter[ChannelId] = Counter()
        self.alignment = Alignment(len(self.inputs), Guarantee.EXACTLY_ONCE)
        self.state = SavedState()
        self._gathered: list[Record] = []
        self._forgotten: set[CheckpointId] = set()
        self._floor = 0
        self.ended: EndReason | None = None
        self.reported = TaskState.DEPLOYING
        self._restore = restore

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Restore, report, run."""
        self._report(TaskState.INITIALIZING)
        restore = self._restore
        if restore is not None:
            for part in restore.parts:
                if isinstance(part.handle, FileRef):
                    self._read(part.handle.path)
            if self.reported is TaskState.FAILED:
                return  # a ghost: newer attempts have gone on, and what it knew of was let go
            self._commit(restore.checkpoint, restored=True)
        self._report(TaskState.RUNNING, commits_restored=True)
        if restore is not None and restore.finished:
            self._end(EndReason.INPUT)
        elif not self.inputs:
            self._doors.world.after(1, 20, self._produce)

    def _read(self, path: str) -> None:
        saved = self._doors.stores.files.get(path)
        if not isinstance(saved, SavedState):
            self.fail(f"it restores from {path}, which is gone")
            if self._doors.stores.outside.is_current(self.id.attempt):
                raise BrokenInvariantError(f"{self.id} restores from {path}, which is gone")
            return
        self.state = SavedState(saved.position, dict(saved.counts), saved.committables)

    def _report(self, state: TaskState, failure: Failure | None = None, *, commits_restored: bool = False) -> None:
        self.reported = state
        report = TaskReport(self.id, state, failure, self.ended, commits_restored)
        self._doors.say(TaskStateChanged(report))

    def fail(self, text: str, *, secondary: bool = False) -> None:
        """The task is over."""
        kind = FailureKind.EXTERNAL if secondary else FailureKind.USER
        self._report(TaskState.FAILED, Failure(kind, text, secondary=secondary))

    # ------------------------------------------------------------ records

    def _produce(self) -> None:
        if not self._doors.alive or self.ended is not None:
            return
        first = self.state.position
        self.state.position = min(NUMBERS, first + self._doors.world.number(2, 12))
        batches: dict[ChannelId, list[Record]] = {}
        for number in range(first, self.state.position):
            channel = self.outputs[number % KEYS % len(self.outputs)]
            batches.setdefault(channel, []).append((source_number(self.id.subtask), number, 0))
        for channel, records in batches.items():
            self._emit(channel, records)
        if self.state.position == NUMBERS:
            self._end(EndReason.INPUT)
        else:
            self._doors.world.after(10, 120, self._produce)

    def _emit(self, channel: ChannelId, records: list[Record]) -> None:
        self.sent[channel] += len(records)
        self._doors.send(channel, records)

    def deliver(self, channel: ChannelId, element: object) -> None:
        """An element has arrived."""
        self._queues[self._numbers[channel]].append(element)
        self._work()

    def _work(self) -> None:
        moved = True
        while moved and self._doors.alive:
            moved = False
            for number, queue in enumerate(self._queues):
                while queue and number not in self._blocked:
                    self._take(number, queue.popleft())
                    moved = True

    def _take(self, number: int, element: object) -> None:
        match element:
            case list():
                self.received[self.inputs[number]] += len(element)
                self._process(element)
            case Barrier():
                self._decide(self.alignment.barrier(number, element))
            case EndOfData(reason=reason):
                self._closed.add(number)
                if len(self._closed) == len(self.inputs):
                    self._end(reason)
            case End():
                pass
            case _:
                raise AssertionError(element)

    def _process(self, records: list[Record]) -> None:
        if self.kind == "sink":
            self._gathered += records
            return
        counts, counted = self.state.counts, list[Record]()
        for source, value, _ in records:
            counts[value % KEYS] = seen = counts.get(value % KEYS, 0) + 1
            counted.append((source, value, seen))
        self._emit(self.outputs[0], counted)

    def _end(self, reason: EndReason) -> None:
        if self.ended is None:
            self.ended = reason
            for channel in self.outputs:
                self._doors.send(channel, EndOfData(reason))
            self._report(self.reported)

    # ------------------------------------------------------------ orders

    def trigger(self, barrier: Barrier) -> None:
        """From the coordinator, to a source."""
        self._decide(self.alignment.trigger(barrier))

    def stop(self, mode: StopMode) -> None:
        """From the coordinator, to a source."""
        self._end(EndReason.STOP if mode is StopMode.STOP else EndReason.DRAIN)

    def aborted(self, message: CheckpointAborted) -> None:
        """From the coordinator."""
        self._decide(self.alignment.abort(message.checkpoint, older_too=message.older_too))

    def leader(self, *, present: bool) -> None:
        """From the TaskManager."""
        self._decide(self.alignment.leader(present=present))

    def completed(self, message: CheckpointCompleted) -> None:
        """From the coordinator."""
        if message.commits:
            self._commit(message.checkpoint, restored=False)
        if message.last and self.reported is TaskState.RUNNING:
            for channel in self.outputs:
                self._doors.send(channel, End())
            self._report(TaskState.FINISHED)

    def _commit(self, checkpoint: CheckpointId, *, restored: bool) -> None:
        kept: list[tuple[Committable, CheckpointId, tuple[Record, ...]]] = []
        for name, made_for, records in self.state.committables:
            if restored or made_for <= checkpoint:
                self._doors.published(name, records, checkpoint)
            else:
                kept.append((name, made_for, records))
        self.state.committables = tuple(kept)

    # ------------------------------------------------------------ snapshots

    def _decide(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Block(channel=channel):
                    self._blocked.add(channel)
                case Unblock(channels=channels):
                    self._blocked -= set(channels)
                case TakeSnapshot(barrier=barrier):
                    self._cut(barrier)
                case Forget(checkpoint=checkpoint, older_too=older_too):
                    self._forgotten.add(checkpoint)
                    self._floor = max(self._floor, checkpoint) if older_too else self._floor
                case Decline(checkpoint=checkpoint, reason=reason):
                    failure = Failure(FailureKind.EXTERNAL, reason)
                    self._doors.say(CheckpointDeclined(self.id, checkpoint, failure))
        self._doors.world.after(0, 0, self._work)

    def _cut(self, barrier: Barrier) -> None:
        if self._gathered:
            attempt = self.id.attempt
            name = (str(attempt.region), str(attempt.number), str(self.id.subtask), str(barrier.checkpoint))
            made = name, barrier.checkpoint, tuple(self._gathered)
            self.state.committables = (*self.state.committables, made)
            self._gathered = []
        saved = SavedState(self.state.position, dict(self.state.counts), self.state.committables)
        audit = AuditCounts(_counts(self.outputs, self.sent), _counts(self.inputs, self.received))
        for channel in self.outputs:
            self._doors.send(channel, barrier)
        finished = self.ended is not None
        number = self._doors.world.random.getrandbits(32)
        name_of_file = f"{self.id.subtask}-{self.id.attempt.number}-{number}"

        def durable() -> None:
            if not self._doors.alive or barrier.checkpoint in self._forgotten or barrier.checkpoint <= self._floor:
                return
            self._doors.stores.keep(f"{barrier.directory}/{name_of_file}", saved)
            self._acknowledge(barrier.checkpoint, FileRef(name_of_file, 1, 0), audit, finished=finished)

        self._doors.world.after(1, 60, self._slow(durable))

    def _slow(self, action: Callable[[], None]) -> Callable[[], None]:
        """Some snapshots take long."""
        if self._doors.world.chance(0.03):
            return lambda: self._doors.world.after(500, 4_000, action)
        return action

    def _acknowledge(self, checkpoint: CheckpointId, handle: FileRef, audit: AuditCounts, *, finished: bool) -> None:
        operator = self.vertex.operators[0]
        state = OperatorSnapshot(operator.id, lists=(ListState("all", Redistribution.SPLIT, 1),))
        snapshot = TaskSnapshot(handle, (state,), audit, finished)
        self._doors.say(CheckpointAcknowledged(self.id, checkpoint, snapshot))


def source_number(subtask: SubtaskId) -> int:
    """Numbers the source subtasks of all pipelines: hundreds are the pipeline."""
    return 100 * int(subtask.vertex[-1]) + subtask.index


def _counts(channels: list[ChannelId], counter: Counter[ChannelId]) -> tuple[ChannelCount, ...]:
    return tuple(ChannelCount(channel, counter[channel]) for channel in channels)
