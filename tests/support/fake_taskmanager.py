"""A TaskManager as its leader sees it: it starts and ends workers, lets barriers flow through regions, keeps what isn't
confirmed and registers with it (laws 3.1, 3.4). No core of its own, so that a story can make it misbehave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from millstream_dataflow.identity import CheckpointId, RegionAttempt, SessionId, TaskId, TaskManagerId, WorkerId
from millstream_dataflow.job_graph import Exchange
from millstream_dataflow.keys import group_range
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core.events import SessionOpened
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DataAddress, DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    CancelRegion,
    CheckpointAborted,
    CheckpointAcknowledged,
    CheckpointCompleted,
    CheckpointDeclined,
    ConfirmAcknowledged,
    Dismissed,
    FromJobManager,
    Heartbeat,
    JobEnded,
    Leaving,
    RegionEnded,
    Register,
    ReleaseRegion,
    StopMode,
    StopSources,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
    WorkerEnded,
    WorkerReport,
)
from millstream_runtime.messages.snapshots import (
    AuditCounts,
    ChannelCount,
    InlineBytes,
    ListState,
    OperatorCount,
    OperatorSnapshot,
    Redistribution,
    TaskSnapshot,
    WorkerRestore,
)
from millstream_runtime.states import TASK_STATES, TaskState
from tests.support.graphs import VERSIONS

if TYPE_CHECKING:
    from tests.support.core_shell import CoreShell

START_TAKES, RUN_TAKES, BARRIER_TAKES, END_TAKES, CANCEL_TAKES = 5, 10, 4, 4, 3
LEADERLESS = Failure(FailureKind.EXTERNAL, "the leader is lost", secondary=True)


class FakeTaskManager:
    """One TaskManager process."""

    def __init__(self, shell: CoreShell, name: TaskManagerId, slots: int, resource: str) -> None:
        self.shell = shell
        self.name = name
        self.slots = slots
        self.resource = resource
        self.session = SessionId(name, 0)
        self.connected = False
        self.mute = False
        """What the leader says doesn't arrive."""
        self.deaf = False
        """What it says doesn't arrive at the leader."""
        self.doubled = False
        """Everything it says arrives twice."""
        self.frozen = False
        """SIGSTOP: its stream stands, and nothing comes."""
        self.stubborn = False
        """Its workers don't leave when they are asked to."""
        self.told_to_leave = False
        self.workers: dict[WorkerId, DeployWorker] = {}
        self.leaving: set[WorkerId] = set()
        """Workers that were asked to leave: what they say doesn't count any more."""
        self.tasks: dict[TaskId, TaskReport] = {}
        self.acknowledgements: dict[tuple[TaskId, CheckpointId], CheckpointAcknowledged] = {}
        self.declines: dict[tuple[TaskId, CheckpointId], CheckpointDeclined] = {}
        self.triggered: set[tuple[TaskId, CheckpointId]] = set()
        self.aborted: set[tuple[RegionAttempt, CheckpointId]] = set()
        self.aligning: set[tuple[TaskId, CheckpointId]] = set()
        """Barriers that arrived at a task that hasn't answered yet."""
        self.stopped: dict[TaskId, StopMode] = {}

    # ------------------------------------------------------------ sessions

    def connect(self) -> None:
        """A new session, whose registration tells all."""
        self.session = SessionId(self.name, self.session.number + 1)
        self.connected, self.mute, self.deaf = True, False, False
        self.shell.handle(SessionOpened(self.session, self.registration()))
        self._beat(self.session)

    def _beat(self, session: SessionId) -> None:
        if self.connected and session == self.session and not self.frozen:
            self.shell.say(self, Heartbeat(0))
            self.shell.after(self.shell.cluster.heartbeat_interval, lambda: self._beat(session))

    def registration(self) -> Register:
        """The whole truth."""
        workers = tuple(WorkerReport(name, worker.attempt, worker.slot) for name, worker in self.workers.items())
        address = DataAddress("localhost", 1, "", self.name)
        return Register(
            address,
            self.slots,
            VERSIONS,
            self.shell.core.epoch,
            self.resource,
            workers,
            tuple(self.tasks.values()),
            tuple(self.acknowledgements.values()),
            tuple(self.declines.values()),
            leaving=self.told_to_leave,
        )

    def leave(self) -> None:
        """SIGTERM: it says so, now and whenever it registers."""
        self.told_to_leave = True
        self.shell.say(self, Leaving())

    def disconnect(self) -> None:
        """The leader is lost: unfinished alignments are given up (law 4.2)."""
        self.connected = False
        for task, checkpoint in sorted(self.aligning):
            self.declines[task, checkpoint] = CheckpointDeclined(task, checkpoint, LEADERLESS)
            self.aborted.add((task.attempt, checkpoint))
        self.aligning.clear()

    def die(self) -> None:
        """SIGKILL."""
        self.connected = False
        self.workers.clear()
        self.tasks.clear()

    # ------------------------------------------------------------ what the leader says

    def obey(self, message: FromJobManager) -> None:  # noqa: C901, PLR0912  # one arm a message
        """Do what the leader says."""
        match message:
            case DeployWorker():
                self._deploy(message)
            case CancelRegion(attempt=attempt, grace=grace):
                self._end(attempt, "its region was cancelled", grace)
            case RegionEnded(attempt=attempt):
                self._end(attempt, "its region has ended", CANCEL_TAKES)
            case ReleaseRegion(attempt=attempt):
                self._dismiss_workers(attempt, "what its tasks leave is complete", CANCEL_TAKES)
            case JobEnded(job=job):
                for attempt in {worker.attempt for worker in self.workers.values() if worker.attempt.job == job}:
                    self._end(attempt, "its job has ended", CANCEL_TAKES)
                self.tasks = {task: report for task, report in self.tasks.items() if task.attempt.job != job}
            case ConfirmAcknowledged(task=task, checkpoint=checkpoint):
                self.acknowledgements.pop((task, checkpoint), None)
                self.declines.pop((task, checkpoint), None)
            case TriggerCheckpoint(tasks=tasks, checkpoint=checkpoint):
                self._trigger(tasks, checkpoint)
            case CheckpointAborted():
                self._abort(message)
            case CheckpointCompleted():
                self._completed(message)
            case StopSources(tasks=tasks, mode=mode):
                self._stop(tasks, mode)
            case Dismissed():
                assert not self.workers, f"{self.name} is dismissed while {list(self.workers)} run there"
                self.shell.lose(self.name)
            case _:
                pass

    # ------------------------------------------------------------ workers

    def _deploy(self, message: DeployWorker) -> None:
        if message.worker in self.workers:
            return
        occupied = [name for name, worker in self.workers.items() if worker.slot == message.slot]
        assert not occupied, (
            f"slot {message.slot} of {self.name} is held by {occupied}, and {message.worker} shall have it"
        )
        self.workers[message.worker] = message
        for state, takes in ((TaskState.DEPLOYING, 0), (TaskState.INITIALIZING, START_TAKES)):
            self.shell.after(takes, lambda state=state: self._all_to(message, state))  # type: ignore[misc]  # a bound value
        self.shell.after(RUN_TAKES, lambda: self._run(message))

    def _works(self, worker: DeployWorker) -> bool:
        return worker.worker in self.workers and worker.worker not in self.leaving

    def _all_to(self, worker: DeployWorker, state: TaskState) -> None:
        if self._works(worker):
            for subtask in worker.subtasks:
                self.report(TaskReport(TaskId(worker.attempt, subtask), state))

    def _run(self, worker: DeployWorker) -> None:
        restores = {}
        if worker.restore is not None:
            found = decode(WorkerRestore, self.shell.blobs[worker.restore.digest])
            restores = {restore.subtask: restore for restore in found.tasks}
        self._all_to(worker, TaskState.RUNNING)
        for subtask in worker.subtasks if self._works(worker) else ():
            restore, task = restores.get(subtask), TaskId(worker.attempt, subtask)
            if restore is not None and restore.parts:
                self.report(TaskReport(task, TaskState.RUNNING, commits_restored=True))
            if restore is not None and restore.finished:
                self.report(TaskReport(task, TaskState.RUNNING, ended=EndReason.INPUT))

    def report(self, report: TaskReport) -> None:
        """A task moved; facts that were known of it stay. Nothing follows a final state."""
        known = self.tasks.get(report.task)
        if known is None and report.state is not TaskState.DEPLOYING:
            return  # its region was ended
        if known is not None and TASK_STATES.is_final(known.state):
            return
        if known is not None:
            report = replace(
                report,
                ended=report.ended or known.ended,
                commits_restored=report.commits_restored or known.commits_restored,
            )
        self.tasks[report.task] = report
        self.shell.say(self, TaskStateChanged(report))

    def _end(self, attempt: RegionAttempt, reason: str, grace: int) -> None:
        def over(other: RegionAttempt) -> bool:
            return (other.job, other.region) == (attempt.job, attempt.region) and other.number <= attempt.number

        self.tasks = {task: report for task, report in self.tasks.items() if not over(task.attempt)}
        self.acknowledgements = {key: a for key, a in self.acknowledgements.items() if not over(key[0].attempt)}
        self.declines = {key: d for key, d in self.declines.items() if not over(key[0].attempt)}
        for other in sorted({worker.attempt for worker in self.workers.values() if over(worker.attempt)}):
            self._dismiss_workers(other, reason, grace)

    def _dismiss_workers(self, attempt: RegionAttempt, reason: str, grace: int) -> None:
        takes = grace if self.stubborn else CANCEL_TAKES
        for name, worker in list(self.workers.items()):
            if worker.attempt == attempt:
                self.leaving.add(name)
                self.shell.after(takes, lambda name=name: self.ended(name, reason))  # type: ignore[misc]  # a bound value

    def finish(self, attempt: RegionAttempt) -> None:
        """The tasks of a stage that runs here have left all that they leave."""
        for task in [task for task in self.tasks if task.attempt == attempt]:
            self.report(TaskReport(task, TaskState.RUNNING, ended=EndReason.INPUT))
            self.report(TaskReport(task, TaskState.FINISHED))

    def ended(self, name: WorkerId, reason: str, *, died: bool = False) -> None:
        """A worker process is gone."""
        worker = self.workers.pop(name, None)
        if worker is not None:
            self.shell.say(self, WorkerEnded(name, worker.attempt, worker.slot, died, reason))

    def kill_worker(self, slot: int, cause: str = "worker was killed by signal 9") -> None:
        """SIGKILL of the worker in a slot."""
        name, worker = next((name, worker) for name, worker in self.workers.items() if worker.slot == slot)
        self.ended(name, cause, died=True)
        for subtask in worker.subtasks:
            failure = Failure(FailureKind.EXTERNAL, cause)
            self.report(TaskReport(TaskId(worker.attempt, subtask), TaskState.FAILED, failure))

    # ------------------------------------------------------------ barriers

    def _peers(self, attempt: RegionAttempt) -> Iterator[tuple[FakeTaskManager, TaskId]]:
        """All tasks of an attempt that live, wherever they are."""
        for taskmanager in self.shell.taskmanagers.values():
            for worker in taskmanager.workers.values():
                if worker.attempt == attempt:
                    yield from ((taskmanager, TaskId(attempt, subtask)) for subtask in worker.subtasks)

    def _trigger(self, tasks: tuple[TaskId, ...], checkpoint: CheckpointId) -> None:
        attempt = tasks[0].attempt
        new = {(task, checkpoint) for task in tasks} - self.triggered
        self.triggered |= new
        if not new:
            return
        plan = self.shell.plan(attempt.job)
        peers = list(self._peers(attempt))
        sources = [(tm, task) for tm, task in peers if plan.takes_triggers(task.subtask.vertex)]
        region = self.shell.plan(attempt.job).regions[attempt.region]
        whole = len(peers) == len(list(region.subtasks))
        if whole and all((task, checkpoint) in tm.triggered for tm, task in sources):
            for taskmanager, task in peers:
                taskmanager.aligning.add((task, checkpoint))
                self.shell.after(BARRIER_TAKES, lambda tm=taskmanager, task=task: tm.answer(task, checkpoint))  # type: ignore[misc]  # bound values

    def answer(self, task: TaskId, checkpoint: CheckpointId) -> None:
        """The task's part is durable, unless it is held back or was given up."""
        held = str(task.subtask) in self.shell.holding
        alive = task in self.tasks and any(task == mine for _, mine in self._peers(task.attempt))
        if held or not alive or (task, checkpoint) not in self.aligning:
            return
        self.aligning.discard((task, checkpoint))
        message = CheckpointAcknowledged(task, checkpoint, self._snapshot(task, checkpoint))
        self.acknowledgements[task, checkpoint] = message
        self.shell.say(self, message)

    def decline(self, task: TaskId, checkpoint: CheckpointId, failure: Failure) -> None:
        """The task couldn't take its part."""
        self.aligning.discard((task, checkpoint))
        self.declines[task, checkpoint] = CheckpointDeclined(task, checkpoint, failure)
        self.shell.say(self, self.declines[task, checkpoint])

    def _abort(self, message: CheckpointAborted) -> None:
        self.aligning = {
            (task, checkpoint)
            for task, checkpoint in self.aligning
            if task.attempt != message.attempt
            or not (checkpoint == message.checkpoint or (message.older_too and checkpoint < message.checkpoint))
        }

    def _snapshot(self, task: TaskId, checkpoint: CheckpointId) -> TaskSnapshot:
        plan = self.shell.plan(task.attempt.job)
        vertex, index = plan.vertices[task.subtask.vertex], task.subtask.index
        records = 10 * checkpoint
        sent = [
            ChannelCount(channel, records)
            for edge in plan.edges_from(vertex.id)
            if edge.exchange is Exchange.PIPELINED
            for channel in plan.channels_from(edge, index)
        ]
        received = [
            ChannelCount(channel, records - (str(channel) in self.shell.losing))
            for edge in plan.edges_to(vertex.id)
            if edge.exchange is Exchange.PIPELINED
            for channel in plan.channels_to(edge, index)
        ]
        groups = group_range(index, vertex.parallelism, vertex.max_parallelism)
        operators = [
            OperatorSnapshot(o.id, groups.start, groups.stop)
            if o.keyed
            else OperatorSnapshot(o.id, lists=(ListState("items", Redistribution.SPLIT, 3),))
            for o in vertex.operators
        ]
        counts = tuple(OperatorCount(o.id, received=records, processed=records) for o in vertex.operators)
        ended = self.tasks[task].ended
        finished = ended is not None and ended is not EndReason.STOP
        audit = AuditCounts(tuple(sent), tuple(received), counts)
        return TaskSnapshot(InlineBytes(b"state"), tuple(operators), audit, finished)

    def _completed(self, message: CheckpointCompleted) -> None:
        here = [task for task in self.tasks if task.attempt == message.attempt]
        if message.commits and here:
            self.shell.committed.append((f"{message.attempt.region}.{message.attempt.number}", message.checkpoint))
        for task in here if message.last else ():
            assert self.tasks[task].ended is not None, f"{task} is told the last checkpoint before it has ended"
            self.report(TaskReport(task, TaskState.FINISHED))

    # ------------------------------------------------------------ the end of input

    def _stop(self, tasks: tuple[TaskId, ...], mode: StopMode) -> None:
        self.stopped.update((task, mode) for task in tasks)
        attempt = tasks[0].attempt
        vertices = self.shell.plan(attempt.job).vertices
        peers = list(self._peers(attempt))
        if all(task in tm.stopped for tm, task in peers if vertices[task.subtask.vertex].triggered):
            self.end_of_data(attempt, EndReason(mode.value))

    def end_of_data(self, attempt: RegionAttempt, reason: EndReason) -> None:
        """Every task of the attempt comes to the end of its input."""
        for taskmanager, task in self._peers(attempt):
            report = TaskReport(task, TaskState.RUNNING, ended=reason)
            self.shell.after(END_TAKES, lambda tm=taskmanager, report=report: tm.report(report))  # type: ignore[misc]  # bound values
