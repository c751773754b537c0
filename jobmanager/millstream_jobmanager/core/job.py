"""One job: its regions, its checkpoints, and the only place that moves the job's state.

Whatever can be derived is derived, after every event, in `settle`: which region runs, whether the job does, whether
sources must still be told to stop, tasks to end, leftovers to be dropped. So a new leader carries on what its
predecessor began without being told what that was (law 2.2), and an event that arrives twice does nothing the second
time.
"""

from collections.abc import Container
from dataclasses import replace

from millstream_dataflow.identity import (
    CheckpointId,
    RegionAttempt,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_jobmanager.core.adoption import adopt, overdue
from millstream_jobmanager.core.blame import of_task, of_worker
from millstream_jobmanager.core.checkpoints.coordinator import Coordinator
from millstream_jobmanager.core.checkpoints.pending import Pending
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.deployer import Deployer
from millstream_jobmanager.core.ending import Ending
from millstream_jobmanager.core.events import MetadataLoaded, MetadataWritten, RecordStored
from millstream_jobmanager.core.failover import UP, Failover
from millstream_jobmanager.core.leftovers import Leftovers
from millstream_jobmanager.core.region import Region, UnbelievableReportError
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.relocation import Relocation
from millstream_jobmanager.core.source_times import SourceTimes
from millstream_jobmanager.core.stages import Stages
from millstream_jobmanager.core.standing import GOING
from millstream_jobmanager.core.status import job_status
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.client import JobStatus
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.record import CompletedCheckpoint, Intent
from millstream_runtime.messages.session import (
    CancelRegion,
    CheckpointAborted,
    CheckpointAcknowledged,
    CheckpointCompleted,
    CheckpointDeclined,
    ConfirmAcknowledged,
    FromTaskManager,
    PeerLost,
    Register,
    SourceTime,
    StopMode,
    StopSources,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
    WorkerEnded,
)
from millstream_runtime.states import JOB_STATES, TASK_STATES, JobState, TaskState


class Job:
    """One job under one leader."""

    def __init__(self, context: JobContext, opened_at: int) -> None:
        """`opened_at`: when this leader took it in, by the clock that nobody sets."""
        self.context = context
        self.standing = context.standing
        self.opened_at = opened_at
        self.deployer = Deployer(context, self.give_up)
        self.coordinator = Coordinator(
            context.plan, context.settings.checkpoints, context.journal, context.cluster.epoch, self
        )
        self.failover = Failover(context, self.coordinator, self.deployer, self)
        self.ending = Ending(context, self.coordinator, self.deployer, self.failover)
        self.leftovers = Leftovers(context)
        self.relocation = Relocation(context, self.coordinator, self.deployer, self.failover)
        self.source_times = SourceTimes(context)
        self.stages = Stages(context, self.failover)
        self._told_stop: set[RegionAttempt] = set()
        self._told_last: set[RegionAttempt] = set()

    # ------------------------------------------------------------ state

    @property
    def state(self) -> JobState:
        """The job's."""
        return self.standing.state

    def status(self) -> JobStatus:
        """One line about it."""
        return job_status(self.context, self.coordinator)

    def give_up(self, turn: Turn, failure: Failure) -> None:
        """No more tries: cancel everything, then the job is FAILED. A job that is ending anyway ends as it was."""
        if self.state in GOING or self.state is JobState.RECONCILING:
            self.standing.failure = failure
            self.standing.move(turn, JobState.FAILING, str(failure))
        else:
            self.rename(failure)

    def rename(self, failure: Failure) -> None:
        """A primary failure gives its name to a job that fails for a secondary one."""
        if self.standing.failure is not None and self.standing.failure.secondary and not failure.secondary:
            self.standing.failure = failure
            self.ending.retry_at = None

    # ------------------------------------------------------------ events

    def session_opened(self, turn: Turn, taskmanager: TaskManagerId, registration: Register, *, resumed: bool) -> None:
        """A TaskManager has registered: its truth about this job (law 3.1)."""
        workers = {report.worker: report for report in registration.workers if report.attempt.job == self.context.job}
        tasks = [report for report in registration.tasks if report.task.attempt.job == self.context.job]
        for worker, shown in workers.items():
            self.context.open_workers[worker] = (shown.attempt, taskmanager)
        attempts = {report.attempt for report in workers.values()} | {report.task.attempt for report in tasks}
        self._cancel_ghosts(turn, taskmanager, attempts)
        tasks = [report for report in tasks if self._can_be(report, workers)]
        for report in tasks:
            self._registered(turn, taskmanager, report)
        answers: tuple[CheckpointAcknowledged | CheckpointDeclined, ...]
        answers = *registration.acknowledgements, *registration.declines
        for answer in answers:
            if answer.task.attempt.job == self.context.job:
                self.message(turn, taskmanager, answer)
        if resumed:
            self._compare(turn, taskmanager, set(workers), {report.task for report in tasks})
        self._repeat(turn, taskmanager)

    def _can_be(self, report: TaskReport, workers: Container[WorkerId]) -> bool:
        """A task that has not ended needs its worker: one whose worker isn't there counts as missing (law 3.4)."""
        if TASK_STATES.is_final(report.state) or not self.is_current(report.task):
            return True
        return self.context.region_of(report.task.subtask).worker_of(report.task.subtask) in workers

    def _registered(self, turn: Turn, taskmanager: TaskManagerId, report: TaskReport) -> None:
        """A task as a registration shows it. What can't be true fails the region: the next session would say it again,
        so closing this one would mend nothing.
        """
        region = self.context.region_of(report.task.subtask) if self.is_current(report.task) else None
        if region is not None and region.state is RegionState.RECONCILING and report.state is TaskState.CANCELED:
            return  # without a leader for too long (law 3.5): it is missing, and nobody's failure
        try:
            self._report(turn, report)
        except UnbelievableReportError as error:
            text = f"TaskManager {taskmanager[:8]} has registered what can't be: {error}"
            if region is not None:
                self.failover.fail(turn, region, Failure(FailureKind.INTERNAL, text))

    def _compare(self, turn: Turn, taskmanager: TaskManagerId, workers: set[WorkerId], shown: set[TaskId]) -> None:
        """What the former session lost: deployments are sent again, and workers that ended meanwhile are gone."""
        ended = {w for w, (_, holder) in self.context.open_workers.items() if holder == taskmanager} - workers
        self.deployer.reserve_again(taskmanager)
        again = self.failover.compare(turn, taskmanager, workers, shown)
        for worker in sorted(ended - again):
            self._gone(worker)

    def _cancel_ghosts(self, turn: Turn, taskmanager: TaskManagerId, attempts: set[RegionAttempt]) -> None:
        """Tasks of former attempts are cancelled wherever they turn up (law 3.4)."""
        for attempt in sorted(attempts):
            known = 0 <= attempt.region < len(self.context.regions)
            region = self.context.regions[attempt.region] if known else None
            if region is None or attempt != region.attempt or not region.deployed:
                self.context.send(turn, taskmanager, CancelRegion(attempt, self.ending.grace()))

    def _repeat(self, turn: Turn, taskmanager: TaskManagerId) -> None:
        """What may have been lost with the former session; all of it is idempotent."""
        over = CheckpointId(self.coordinator.settled_below - 1)
        for region in self.context.regions:
            if taskmanager in region.taskmanagers and region.deployed and region.state is not RegionState.RECONCILING:
                self._told_stop.discard(region.attempt)
                self._told_last.discard(region.attempt)
                self.leftovers.again(region)
                self.stages.again(region)
                if over > 0:
                    self.context.send(turn, taskmanager, CheckpointAborted(region.attempt, over, older_too=True))
                self._tell_completion(turn, region, taskmanager)
        for pending in self.coordinator.pending.values():
            self.trigger(turn, pending, only=taskmanager)

    def taskmanager_lost(self, turn: Turn, taskmanager: TaskManagerId, reason: str) -> None:
        """A TaskManager is dead, and its workers with it."""
        for worker in [w for w, (_, holder) in self.context.open_workers.items() if holder == taskmanager]:
            self._gone(worker)
        failure = Failure(FailureKind.EXTERNAL, f"TaskManager {taskmanager[:8]} is lost: {reason}")
        for region in self.context.regions:
            if taskmanager in region.taskmanagers and not self.stages.taskmanager_lost(turn, region, failure.message):
                self.failover.fail(turn, region, failure)

    def message(self, turn: Turn, taskmanager: TaskManagerId, message: FromTaskManager) -> None:
        """Something of this job happened on a TaskManager."""
        match message:
            case TaskStateChanged(report=report):
                self._report(turn, report)
            case CheckpointAcknowledged(task=task, checkpoint=checkpoint, snapshot=snapshot):
                if self.is_current(task):
                    self.coordinator.acknowledged(turn, task, checkpoint, snapshot)
                self.context.send(turn, taskmanager, ConfirmAcknowledged(task, checkpoint))
            case CheckpointDeclined(task=task, checkpoint=checkpoint, failure=failure):
                if self.is_current(task):
                    self.coordinator.declined(turn, task, checkpoint, failure)
                self.context.send(turn, taskmanager, ConfirmAcknowledged(task, checkpoint))
            case WorkerEnded():
                self._worker_ended(turn, taskmanager, message)
            case PeerLost(attempt=attempt, peer=peer):
                self._peer_lost(taskmanager, attempt, peer)
            case SourceTime(task=task) if self.is_current(task):
                self.source_times.heard(turn, message)
            case _:
                pass

    def is_current(self, task: TaskId) -> bool:
        """The message speaks of the attempt that is believed; former ones have no effect (law 1.3)."""
        if task.subtask not in self.context.plan.region_of:
            return False
        region = self.context.region_of(task.subtask)
        return task.attempt == region.attempt and region.deployed

    def _report(self, turn: Turn, report: TaskReport) -> None:
        if report.task.subtask not in self.context.plan.region_of:
            return
        if not self.is_current(report.task):
            if report.failure is not None:
                self.failover.name(turn, report.task.attempt, of_task(self.context.plan, report.task, report.failure))
            return
        region = self.context.region_of(report.task.subtask)
        if region.report(report) and report.state in (TaskState.FAILED, TaskState.CANCELED):
            text = f"it is {report.state.name} although nobody asked for it"
            failure = report.failure or Failure(FailureKind.INTERNAL, text)
            self.stages.failed(turn, failure)
            self.failover.fail(turn, region, of_task(self.context.plan, report.task, failure))

    def _worker_ended(self, turn: Turn, taskmanager: TaskManagerId, ended: WorkerEnded) -> None:
        self._gone(ended.worker)
        if not 0 <= ended.attempt.region < len(self.context.regions):
            return
        region = self.context.regions[ended.attempt.region]
        if ended.died:  # so that is why peers have lost it
            region.severed = {pair for pair in region.severed if taskmanager not in pair}
        failure = of_worker(self.context.plan, region.plan, ended)
        if ended.attempt == region.attempt and region.state in UP:
            if region.is_orphan(ended.worker):
                self.failover.orphaned(turn, region, failure)
            else:
                self.failover.fail(turn, region, failure)
        elif ended.died:
            self.failover.name(turn, ended.attempt, failure)

    def _peer_lost(self, taskmanager: TaskManagerId, attempt: RegionAttempt, peer: TaskManagerId) -> None:
        """A loss breaks the attempt. What comes afterwards says nothing of the network: its workers are being ended."""
        if 0 <= attempt.region < len(self.context.regions):
            region = self.context.regions[attempt.region]
            if attempt == region.attempt and region.state in UP:
                region.severed.add(frozenset((taskmanager, peer)))

    def _gone(self, worker: WorkerId) -> None:
        self.context.open_workers.pop(worker, None)
        self.context.cluster.pool.release(worker)
        self.deployer.forget(worker)

    def stored(self, turn: Turn, event: RecordStored) -> None:
        """The store has answered."""
        self.context.journal.stored(turn, event)

    def metadata_written(self, turn: Turn, event: MetadataWritten) -> None:
        """The storage has answered."""
        self.coordinator.metadata_written(turn, event)

    def metadata_loaded(self, turn: Turn, event: MetadataLoaded) -> None:
        """The storage has answered."""
        self.deployer.loaded(turn, event)
        self.coordinator.metadata_loaded(event)

    # ------------------------------------------------------------ after every event

    def settle(self, turn: Turn) -> None:
        """Derive what follows from the facts as they stand, and act on it."""
        self.context.journal.tick(turn)
        if JOB_STATES.is_final(self.state):
            return
        self.deployer.tick(turn)
        for region in self.context.regions:
            self.failover.slow_start(turn, region)
        if self.state is JobState.RECONCILING:
            self._reconcile(turn)
        self._undo_end(turn)
        self._progress(turn)
        self.stages.tick(turn, ends=self.final_taken(), completing=self.coordinator.completing)
        self.relocation.tick(turn, ends=self.all_ended())
        self.coordinator.tick(turn)
        self._progress(turn)
        self._carry_on(turn)
        self.ending.settle(turn)

    def _reconcile(self, turn: Turn) -> None:
        for region in self.context.regions:
            if region.state is not RegionState.RECONCILING:
                continue
            if not region.missing:
                adopt(turn, self.context, region)
                self.deployer.read_ahead(turn)
                self._tell_completion(turn, region, None)
            elif overdue(turn, self.context, region, self.opened_at):
                self.failover.missing(turn, region)
        if all(region.state is not RegionState.RECONCILING for region in self.context.regions):
            self._advance()
            down = JobState.RESTARTING if any(region.number for region in self.context.regions) else JobState.CREATED
            reason = "every region is adopted or will be restarted"
            self.standing.move(turn, JobState.RUNNING if self._all_up() else down, reason)

    def _advance(self) -> None:
        for region in self.context.regions:
            if region.state is RegionState.DEPLOYING and region.all_in(TaskState.RUNNING, TaskState.FINISHED):
                region.move(RegionState.RUNNING, "all its tasks run")
                region.severed.clear()
            if region.state is RegionState.RUNNING and region.all_in(TaskState.FINISHED):
                region.move(RegionState.FINISHED, "all its tasks are FINISHED")

    def _progress(self, turn: Turn) -> None:
        if self.state not in GOING:
            return
        self._advance()
        if self._all_up():
            self.standing.move(turn, JobState.RUNNING, "all its regions run")
        elif self.state is JobState.RUNNING:
            self.standing.move(turn, JobState.RESTARTING, "a region is down")

    def _undo_end(self, turn: Turn) -> None:
        """A region that has FINISHED runs again when the final checkpoint turns out to be damaged: others go back to an
        older one, and no later checkpoint could hold its parts.
        """
        if self.state not in GOING or self.final_taken():
            return
        for region in self.context.regions:
            if region.state is RegionState.FINISHED and self.stages.is_last(region):
                self.failover.undo_end(turn, region)

    def _all_up(self) -> bool:
        """Where stages follow one another, some of them."""
        up = [region.state in (RegionState.RUNNING, RegionState.FINISHED) for region in self.context.regions]
        return any(up) if self.context.plan.staged else all(up)

    def _carry_on(self, turn: Turn) -> None:
        """Stored intents and facts that every attempt must hear of once."""
        if self.state not in GOING:
            return
        record, ends = self.context.journal.record, self.final_taken()
        for region in self.context.regions:
            if region.state is not RegionState.RUNNING:
                continue
            if record.intent is Intent.STOP and region.attempt not in self._told_stop and not region.all_ended():
                self._told_stop.add(region.attempt)
                self._stop_sources(turn, region)
            if ends and region.all_ended() and region.attempt not in self._told_last:
                self._tell_completion(turn, region, None)
            self.leftovers.tick(turn, region)

    def _stop_sources(self, turn: Turn, region: Region) -> None:
        request = next((r for r in self.context.journal.record.savepoints if r.stop), None)
        mode = request.mode if request else StopMode.STOP
        for taskmanager, tasks in self._triggered(region).items():
            self.context.send(turn, taskmanager, StopSources(tuple(tasks), mode))

    def _triggered(self, region: Region) -> dict[TaskManagerId, list[TaskId]]:
        """The tasks of a region that take triggers, by TaskManager."""
        tasks: dict[TaskManagerId, list[TaskId]] = {}
        for subtask in region.plan.subtasks:
            if self.context.plan.takes_triggers(subtask.vertex):
                tasks.setdefault(region.holder(subtask), []).append(TaskId(region.attempt, subtask))
        return tasks

    # ------------------------------------------------------------ the coordinator's doors

    def all_running(self) -> bool:
        """Where one of the last regions has FINISHED, the final checkpoint is taken, and no other comes (law 5.2)."""
        return self.state is JobState.RUNNING and all(region.state is RegionState.RUNNING for region in self._last())

    def _last(self) -> list[Region]:
        """The regions that end with the job's final checkpoint: all, where none waits for another."""
        return [region for region in self.context.regions if self.stages.is_last(region)]

    def participants(self) -> set[TaskId]:
        """All tasks that end with the job."""
        return {task for region in self._last() for task in region.task_ids}

    def all_ended(self) -> bool:
        """Every task of the last regions has reported that its inputs have ended; those of others have finished."""
        return all(region.all_ended() for region in self._last())

    def final_taken(self) -> bool:
        """A region would restart from the job's final checkpoint; from a damaged one none does (law 4.6)."""
        point = self.deployer.point()
        return point is not None and self.ending.is_last(point)

    def trigger(self, turn: Turn, pending: Pending, *, only: TaskManagerId | None = None) -> None:
        """Ask the triggered tasks that still owe their part."""
        for region in self.context.regions:
            for taskmanager, tasks in self._triggered(region).items():
                owing = tuple(task for task in tasks if task in pending.waiting)
                if owing and only in (None, taskmanager):
                    message = TriggerCheckpoint(owing, pending.id, pending.kind, pending.directory)
                    self.context.send(turn, taskmanager, message)

    def tell_completed(self, turn: Turn, completed: CompletedCheckpoint) -> None:
        """The pointer is stored: everyone may know (law 4.3)."""
        metadata = self.coordinator.metadata
        if metadata is not None and metadata.checkpoint == completed.checkpoint:
            self.deployer.remember(completed, metadata)
        for region in self.context.regions:
            self._tell_completion(turn, region, None, completed)

    def _tell_completion(
        self,
        turn: Turn,
        region: Region,
        only: TaskManagerId | None,
        completed: CompletedCheckpoint | None = None,
    ) -> None:
        """The newest completion, to everyone who holds a part of a running region."""
        point = completed or self.deployer.point()
        if point is None or not region.deployed or self.ending.is_restore(point) or not self.stages.is_last(region):
            return
        last = self.ending.is_last(point) and region.all_ended()
        if last:
            if only is None:
                self._told_last.add(region.attempt)
            self.leftovers.at_end(turn, region)
        message = CheckpointCompleted(region.attempt, point.checkpoint, commits=self.ending.commits(point), last=last)
        for taskmanager in sorted(region.taskmanagers):
            if only in (None, taskmanager):
                self.context.send(turn, taskmanager, message)

    def tell_aborted(self, turn: Turn, checkpoint: CheckpointId) -> None:
        """Everyone drops what was begun of it."""
        self.context.tell_holders(turn, lambda region: CheckpointAborted(region.attempt, checkpoint))

    def checkpoints_failed(self, turn: Turn, failure: Failure) -> None:
        """Too many in a row: everything restarts from the last one that succeeded."""
        # Only what a task says of its restore marks a checkpoint as damaged.
        kind = FailureKind.EXTERNAL if failure.kind is FailureKind.CHECKPOINT else failure.kind
        for region in self.context.regions:
            self.failover.fail(turn, region, replace(failure, kind=kind))

    def final_failed(self, turn: Turn, failure: Failure) -> None:
        """The intent to stop is dropped and answered, everything restarts (ARCHITECTURE 4)."""
        self.ending.drop_stop(turn, failure)
        self.checkpoints_failed(turn, failure)

    def audit_failed(self, turn: Turn, failure: Failure) -> bool:
        """Records were lost or doubled: the job ends, unless it was told to go on (law 10.4)."""
        if self.context.settings.fail_on_imbalance:
            self.give_up(turn, failure)
        return self.context.settings.fail_on_imbalance
