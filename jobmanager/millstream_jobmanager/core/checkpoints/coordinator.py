"""The checkpoint coordinator of one job: when a checkpoint is triggered, who must answer, when it is complete, when
it is given up.

Chandy-Lamport as in Flink; the laws are 4.1 to 4.7 and 5.2. It knows tasks by name only and acts through narrow doors:

    trigger -> COLLECTING --all parts, audit balances--> WRITING --published--> STORING --stored--> told to everyone
                   |  timeout, decline, failover              |  timeout, refused,    |  refused
                   |                                          |  failover             |
                   +------------------------------------------+-----------------------+--> given up

A failover and the end of the job give up what isn't STORING; for that they wait: the record may name it already. So a
storage that doesn't answer holds up nothing but its own checkpoint, and that until its timeout.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from millstream_dataflow.identity import CheckpointId, Epoch, TaskId
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.audit import imbalances, operator_imbalances
from millstream_jobmanager.core.checkpoints.completed import (
    after_retention,
    restart_points,
    savepoint_path,
    with_former_savepoints,
    with_point,
    with_results,
)
from millstream_jobmanager.core.checkpoints.decider import Pace, next_due
from millstream_jobmanager.core.checkpoints.ids import CheckpointIds
from millstream_jobmanager.core.checkpoints.pending import Pending, Phase, alignment_of, metadata_of
from millstream_jobmanager.core.commands import DiscardCheckpoint, StepDown, WriteMetadata
from millstream_jobmanager.core.events import MetadataLoaded, MetadataWritten, Outcome
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.settings import CheckpointSettings
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.record import CompletedCheckpoint, JobRecord, SavepointRequest, SavepointResult
from millstream_runtime.messages.snapshots import AlignmentStats, CheckpointMetadata, TaskSnapshot


class CoordinatorDoors(Protocol):
    """What the coordinator may ask of its job."""

    def all_running(self) -> bool:
        """Every region runs: a checkpoint can begin."""
        ...

    def participants(self) -> set[TaskId]:
        """The tasks that owe a part of a checkpoint that begins now."""
        ...

    def all_ended(self) -> bool:
        """Every task has reported that its inputs have ended (law 5.2)."""
        ...

    def final_taken(self) -> bool:
        """The job's final checkpoint is stored, and not known to be damaged."""
        ...

    def trigger(self, turn: Turn, pending: Pending) -> None:
        """Ask the triggered tasks for their barriers."""
        ...

    def tell_completed(self, turn: Turn, completed: CompletedCheckpoint) -> None:
        """Tell every running task; the pointer is stored."""
        ...

    def tell_aborted(self, turn: Turn, checkpoint: CheckpointId) -> None:
        """Tell every running task to drop it."""
        ...

    def checkpoints_failed(self, turn: Turn, failure: Failure) -> None:
        """More in a row than are tolerated: the job fails over."""
        ...

    def final_failed(self, turn: Turn, failure: Failure) -> None:
        """The final checkpoint can't be taken and won't be tried again.

        The intent to stop is dropped, everything restarts.
        """
        ...

    def audit_failed(self, turn: Turn, failure: Failure) -> bool:
        """Records were lost or doubled between two tasks; True when the job ends for it (law 10.4)."""
        ...


class Coordinator:
    """All checkpoints of one job under one leader."""

    def __init__(
        self, plan: Plan, settings: CheckpointSettings, journal: Journal, epoch: Epoch, doors: CoordinatorDoors
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._journal = journal
        self._epoch = epoch
        self._doors = doors
        self._ids = CheckpointIds(journal)
        self._answered: set[str] = set()
        """Savepoint requests whose answer is on its way into the record."""
        self._running_since: int | None = None
        self._last_triggered: int | None = None
        self._last_ended: int | None = None
        self._failed_in_row = 0
        self._final_at: int | None = None
        """When a final checkpoint that failed is tried again."""
        self._abandoned: dict[CheckpointId, str] = {}
        """Directories of those that were given up while their `_metadata` was being written."""
        self.pending: dict[CheckpointId, Pending] = {}
        self.metadata: CheckpointMetadata | None = None
        """Of the newest completed checkpoint that this leader took or has read."""
        self.completed_count = 0
        self.failed_count = 0
        self.urgent = False
        """A checkpoint is wanted at once, whatever interval and pause say; one under way will do."""
        self.last_failure = ""
        self.durations: dict[CheckpointId, int] = {}
        """Of the listed checkpoints that this leader took, milliseconds."""
        self.alignments: dict[CheckpointId, AlignmentStats] = {}
        """Of the same."""

    @property
    def completing(self) -> bool:
        """The pointer to some checkpoint is being stored: a failover waits for it."""
        return any(pending.completing for pending in self.pending.values())

    @property
    def settled_below(self) -> CheckpointId:
        """Every checkpoint below this one has completed or was given up."""
        return min(self.pending, default=self._ids.next)

    # ------------------------------------------------------------ time

    def deadline(self) -> int | None:
        """When `tick` has something to do."""
        times: list[int | None] = [
            pending.triggered.monotonic + self._settings.timeout
            for pending in self.pending.values()
            if not pending.completing
        ]
        times += [p.retry_at for p in self.pending.values() if p.retry_at is not None]
        if (due := self._due()) is not None and not self._ids.reserving:
            times.append(due)
        times.append(self._final_at)
        return min((time for time in (*times, self._ids.deadline()) if time is not None), default=None)

    def tick(self, turn: Turn) -> None:
        """Give up what takes too long, repeat what was lost, trigger what is due. Called after every event."""
        for pending in list(self.pending.values()):
            self._expire(turn, pending)
        if not self._doors.all_running():
            self._running_since = self._final_at = None
            return
        if self._running_since is None:
            self._running_since = turn.now.monotonic
        if self._doors.all_ended():
            self._finalise(turn)
        else:
            self._savepoints(turn)
            due = self._due()
            if (due is not None and turn.now.monotonic >= due) or (self.urgent and not self._in_flight()):
                self._trigger(turn, SnapshotKind.CHECKPOINT, ())

    def _expire(self, turn: Turn, pending: Pending) -> None:
        now = turn.now.monotonic
        if not pending.completing and now >= pending.triggered.monotonic + self._settings.timeout:
            owing = ", ".join(sorted(str(task.subtask) for task in pending.waiting)[:5])
            wanted = owing or f"its metadata to be written: {pending.doubt or 'the storage has not answered'}"
            text = f"checkpoint {pending.id} expired after {self._settings.timeout} ms, waiting for {wanted}"
            self.give_up(turn, pending, Failure(FailureKind.EXTERNAL, text))
        elif pending.retry_at is not None and now >= pending.retry_at:
            self._publish(turn, pending)

    def _due(self) -> int | None:
        if self._running_since is None or self._doors.all_ended():
            return None
        pace = Pace(self._running_since, self._last_triggered, self._last_ended, self._in_flight())
        return next_due(self._settings, pace)

    def _in_flight(self) -> int:
        """How many checkpoints are under way, as far as a periodic one waits for them."""
        waits_for_all = self._settings.overtaking
        return sum(waits_for_all or pending.kind is SnapshotKind.CHECKPOINT for pending in self.pending.values())

    # ------------------------------------------------------------ trigger

    def _finalise(self, turn: Turn) -> None:
        """Nothing flows any more: the final checkpoint, and no other (law 5.2)."""
        if self._doors.final_taken():
            return
        for pending in [p for p in self.pending.values() if p.kind is not SnapshotKind.FINAL and not p.completing]:
            self.give_up(turn, pending, None)
        if not self.pending and (self._final_at is None or turn.now.monotonic >= self._final_at):
            self._final_at = None
            stops = tuple(request for request in self._journal.record.savepoints if request.stop)
            self._trigger(turn, SnapshotKind.FINAL, stops)

    def _savepoints(self, turn: Turn) -> None:
        under_way = {name for pending in self.pending.values() for name in pending.requests} | self._answered
        for request in self._journal.record.savepoints:
            if not request.stop and request.request not in under_way:
                self._trigger(turn, SnapshotKind.SAVEPOINT, (request,))

    def _trigger(self, turn: Turn, kind: SnapshotKind, requests: tuple[SavepointRequest, ...]) -> None:
        def refused(turn: Turn, reason: str) -> None:
            failure = Failure(FailureKind.EXTERNAL, f"no checkpoint ids could be reserved: {reason}")
            self._blame(turn, kind, failure)

        number = self._ids.take(turn, refused)
        if number is None:
            return
        pending = Pending(
            number,
            kind,
            self._directory(number, requests),
            turn.now,
            self._doors.participants(),
            tuple(request.request for request in requests),
        )
        self.pending[number] = pending
        if kind is SnapshotKind.CHECKPOINT:
            self._last_triggered = turn.now.monotonic
        self._doors.trigger(turn, pending)

    def _directory(self, number: CheckpointId, requests: tuple[SavepointRequest, ...]) -> str:
        job = self._plan.graph.job
        if requests:
            return savepoint_path(requests[0].target or self._settings.savepoint_directory, job, number)
        return f"{self._settings.directory}/{job}/chk-{number}"

    # ------------------------------------------------------------ answers

    def acknowledged(self, turn: Turn, task: TaskId, checkpoint: CheckpointId, snapshot: TaskSnapshot) -> None:
        """A task's part is durable. What belongs to no checkpoint in flight has come too late and means nothing."""
        pending = self.pending.get(checkpoint)
        if pending is not None and pending.acknowledge(task, snapshot):
            self._complete(turn, pending)

    def declined(self, turn: Turn, task: TaskId, checkpoint: CheckpointId, failure: Failure) -> None:
        """A task couldn't take its part."""
        pending = self.pending.get(checkpoint)
        if pending is not None and task in pending.waiting:
            text = f"checkpoint {checkpoint} was declined by {task.subtask}: {failure.message}"
            if failure.secondary:
                turn.tell(self._plan.graph.job, text)
            # What a task gives up because it lost its leader, or a peer, counts as nobody's failure.
            self.give_up(turn, pending, None if failure.secondary else replace(failure, message=text))

    def _complete(self, turn: Turn, pending: Pending) -> None:
        counts = {task.subtask: snapshot.audit for task, snapshot in pending.parts.items()}
        channels = () if pending.balance.even else imbalances(self._plan, counts)
        if wrong := [*channels, *operator_imbalances(self._plan, counts)]:
            self._unbalanced(turn, pending, "; ".join(map(str, wrong[:5])))
            return
        pending.phase = Phase.WRITING
        pending.metadata = metadata_of(self._plan, self._epoch, pending, turn.now.wall)
        self._publish(turn, pending)

    def _unbalanced(self, turn: Turn, pending: Pending, wrong: str) -> None:
        """The checkpoint fails, and the job with it unless it was told to go on (law 10.4). One that goes on restarts
        only when it couldn't end otherwise.
        """
        text = f"the record audit of checkpoint {pending.id} doesn't balance: {wrong}"
        failure = Failure(FailureKind.INTERNAL, text, restartable=False)
        if self._doors.audit_failed(turn, failure) or pending.kind is SnapshotKind.CHECKPOINT:
            turn.tell(self._plan.graph.job, text, warning=True)
            self._note_failure(failure)
            self.give_up(turn, pending, None)
        else:
            self.give_up(turn, pending, replace(failure, restartable=True))

    # ------------------------------------------------------------ completion

    def _publish(self, turn: Turn, pending: Pending) -> None:
        pending.retry_at = None
        if pending.metadata is not None:
            pending.writing = True
            turn.emit(WriteMetadata(self._plan.graph.job, pending.id, pending.directory, pending.metadata))

    def metadata_loaded(self, event: MetadataLoaded) -> None:
        """What another leader took counts as if this one had, as long as it has taken none."""
        points = restart_points(self._journal.record)
        if self.metadata is None and points and points[-1].path == event.path:
            self.metadata = event.metadata

    def metadata_written(self, turn: Turn, event: MetadataWritten) -> None:
        """`_metadata` is published, or not, or nobody knows."""
        if event.outcome is Outcome.CONFLICT:
            turn.emit(StepDown(f"checkpoint {event.checkpoint} was written by another leader: {event.reason}"))
            return
        if (directory := self._abandoned.pop(event.checkpoint, None)) is not None:
            turn.emit(DiscardCheckpoint(self._plan.graph.job, directory))
        pending = self.pending.get(event.checkpoint)
        if pending is None:
            return
        pending.writing = False
        match event.outcome:
            case Outcome.DONE:
                pending.size = event.size
                self._store(turn, pending)
            case Outcome.UNKNOWN:
                pending.retry_at, pending.doubt = turn.now.later(self._journal.retry_delay), event.reason
                self.last_failure = f"the metadata of checkpoint {pending.id} is written again: {event.reason}"
            case Outcome.REFUSED:
                text = f"the metadata of checkpoint {pending.id} could not be written: {event.reason}"
                self.give_up(turn, pending, Failure(FailureKind.EXTERNAL, text))

    def _store(self, turn: Turn, pending: Pending) -> None:
        pending.phase = Phase.STORING
        completed = CompletedCheckpoint(
            pending.id,
            self._epoch,
            pending.kind,
            pending.directory,
            turn.now.wall,
            pending.size,
            discardable=not pending.requests,
        )

        def refused(turn: Turn, reason: str) -> None:
            text = f"the pointer to checkpoint {pending.id} could not be stored: {reason}"
            self.give_up(turn, pending, Failure(FailureKind.EXTERNAL, text))

        self._journal.change(turn, self._adding(pending, completed), self._telling(pending, completed), refused)

    def _adding(self, pending: Pending, completed: CompletedCheckpoint) -> Callable[[JobRecord], JobRecord]:
        results = tuple(SavepointResult(request, pending.directory) for request in pending.requests)

        def add(record: JobRecord) -> JobRecord:
            kept, pending.let_go = after_retention(
                with_point(record.checkpoints, completed), self._settings.num_retained
            )
            asked = tuple(s for s in record.savepoints if s.request not in pending.requests)
            results_kept = with_results(record, results)
            return with_former_savepoints(replace(record, checkpoints=kept, savepoints=asked, results=results_kept))

        return add

    def _telling(self, pending: Pending, completed: CompletedCheckpoint) -> Callable[[Turn], None]:
        def tell(turn: Turn) -> None:
            del self.pending[pending.id]
            self._last_ended = turn.now.monotonic
            self._failed_in_row = 0
            self.completed_count += 1
            self._note_duration(pending, turn.now.monotonic - pending.triggered.monotonic)
            if completed in restart_points(self._journal.record)[-1:]:
                self.metadata = pending.metadata
                self._subsume(turn, completed.checkpoint)
                self._doors.tell_completed(turn, completed)
            elif pending.kind is SnapshotKind.SAVEPOINT:
                self._doors.tell_completed(turn, completed)
            for gone in pending.let_go:
                turn.emit(DiscardCheckpoint(self._plan.graph.job, gone.path))

        return tell

    def _note_duration(self, pending: Pending, duration: int) -> None:
        """For as long as people can see the checkpoint."""
        listed = {point.checkpoint for point in self._journal.record.checkpoints}
        self.durations[pending.id], self.alignments[pending.id] = duration, alignment_of(pending)
        self.durations = {number: took for number, took in self.durations.items() if number in listed}
        self.alignments = {number: stats for number, stats in self.alignments.items() if number in listed}

    def _subsume(self, turn: Turn, newest: CheckpointId) -> None:
        """An older one that is still on its way is of no use: with the newest, everything before was committed."""
        for pending in [p for p in self.pending.values() if p.id < newest and not p.completing]:
            if pending.kind is not SnapshotKind.SAVEPOINT:
                self.give_up(turn, pending, None)

    # ------------------------------------------------------------ giving up

    def region_failed(self, turn: Turn) -> None:
        """A region goes down: what isn't completing is dropped (law 1.3). It counts as nobody's failure."""
        for pending in [pending for pending in self.pending.values() if not pending.completing]:
            self.give_up(turn, pending, None)

    def give_up(self, turn: Turn, pending: Pending, failure: Failure | None) -> None:
        """Drop a checkpoint that isn't stored; `failure` None when nobody is to blame. One that was dropped already,
        together with another, stays so. Its files go when nothing is being written there any more.
        """
        if self.pending.pop(pending.id, None) is None:
            return
        self._last_ended = turn.now.monotonic
        if pending.writing:
            self._abandoned[pending.id] = pending.directory
        else:
            turn.emit(DiscardCheckpoint(self._plan.graph.job, pending.directory))
        self._doors.tell_aborted(turn, pending.id)
        if failure is None:
            return
        turn.tell(self._plan.graph.job, failure.message, warning=True)
        if pending.kind is SnapshotKind.FINAL:
            self._final_at = turn.now.later(self._journal.retry_delay)
        if pending.kind is SnapshotKind.SAVEPOINT:
            self._answer(turn, pending, failure)
        self._blame(turn, pending.kind, failure)

    def _answer(self, turn: Turn, pending: Pending, failure: Failure) -> None:
        """Whoever asked for the savepoint hears why there is none."""
        answers: Mapping[str, SavepointResult] = {
            request: SavepointResult(request, "", failure) for request in pending.requests
        }

        def answer(record: JobRecord) -> JobRecord:
            asked = tuple(request for request in record.savepoints if request.request not in answers)
            return replace(record, savepoints=asked, results=with_results(record, [*answers.values()]))

        def settled(_turn: Turn, _reason: str = "") -> None:
            self._answered.difference_update(answers)

        # Refused: the request still stands in the record, so the savepoint is tried again.
        self._answered.update(answers)
        self._journal.change(turn, answer, settled, settled)

    def _note_failure(self, failure: Failure) -> None:
        self.failed_count += 1
        self.last_failure = failure.message

    def _blame(self, turn: Turn, kind: SnapshotKind, failure: Failure) -> None:
        """Count a failure; a savepoint's is only noted."""
        self._note_failure(failure)
        if kind is SnapshotKind.SAVEPOINT:
            return
        self._failed_in_row += 1
        if self._failed_in_row <= self._settings.tolerable_failures:
            return
        self._failed_in_row = 0
        if kind is SnapshotKind.FINAL:
            self._doors.final_failed(turn, failure)
        else:
            text = f"{failure.message} (execution.checkpointing.tolerable-failed-checkpoints is exceeded)"
            self._doors.checkpoints_failed(turn, replace(failure, message=text))
