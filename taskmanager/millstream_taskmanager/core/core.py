"""The TaskManager's core: `handle(event, now) -> commands`, `deadline()`.

It stands between one leader and its own workers. It obeys the highest epoch it has seen, only for attempts that it
runs (law 1.2); passes orders down and reports up; keeps what the leader hasn't confirmed; ends what no leader wants
any more. Without a leader its tasks go on computing and commit nothing, since only a leader's word makes them commit
(law 3.5).

Told to leave it says so, also in each registration from then on, and goes when the leader has dismissed it: only the
leader knows whether a deployment is on its way. Without a leader it goes when nothing runs here. In any case it goes
when its grace is over, and what still runs is lost as with any TaskManager that dies (ARCHITECTURE 5).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from millstream_dataflow.identity import (
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SessionId,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_dataflow.job_graph import Versions
from millstream_dataflow.words import counted
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
    DropLeftovers,
    FromJobManager,
    FromTaskManager,
    Heartbeat,
    JobEnded,
    Leaving,
    LimitSources,
    ListenOutput,
    OperatorRequest,
    OutputTaken,
    Refused,
    RegionEnded,
    Register,
    Registered,
    ReleaseRegion,
    StopSources,
    TaskOutput,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
    WorkerEnded,
)
from millstream_runtime.messages.worker import CancelTasks, FromTasks, LeaderChanged, ToWorker
from millstream_runtime.states import TaskState
from millstream_taskmanager.core.commands import (
    CloseSession,
    Command,
    DropJob,
    KillWorker,
    Leave,
    SendToLeader,
    SendToWorker,
    StartWorker,
    Tell,
)
from millstream_taskmanager.core.events import (
    Event,
    LeaderConnected,
    LeaderDisconnected,
    LeaderSaid,
    Stopping,
    Tick,
    ToldToLeave,
    WorkerExited,
    WorkerSaid,
)
from millstream_taskmanager.core.ledger import Ledger
from millstream_taskmanager.core.workers import Workers


@dataclass(frozen=True, slots=True)
class TaskManagerSettings:
    """What the configuration says to the core. Times are milliseconds."""

    slots: int
    leader_absence_timeout: int = 900_000
    """After this long without a leader the tasks are cancelled (law 3.5)."""
    ended_grace: int = 200
    """What a worker gets to leave once its region or job has ended."""
    shutdown_timeout: int = 20_000
    """How long a TaskManager that is told to leave waits until its tasks run elsewhere."""


@dataclass(frozen=True, slots=True)
class Self:
    """Who this TaskManager is."""

    id: TaskManagerId
    address: DataAddress
    versions: Versions
    resource: str
    results_key: bytes = b""
    """See Register."""


class TaskManagerCore:
    """Everything a TaskManager decides."""

    def __init__(self, me: Self, settings: TaskManagerSettings) -> None:
        self._me = me
        self._settings = settings
        self._commands: list[Command] = []
        self._now = 0
        self._session: SessionId | None = None
        self._registered: Registered | None = None
        self._heard_at = 0
        self._next_heartbeat = 0
        self._heartbeats = 0
        self._leaderless_since: int | None = 0
        self._cancelled: dict[tuple[JobId, RegionId], int] = {}
        self._listened: set[JobId] = set()
        self._leave_by: int | None = None
        self._left = False
        self.epoch = Epoch(0)
        self.ledger = Ledger()
        self.workers = Workers()

    # ------------------------------------------------------------ face

    def handle(self, event: Event, now: int) -> list[Command]:
        """Take one event at a monotonic time in milliseconds; what the shell must do, in order."""
        self._now, self._commands = now, []
        match event:
            case LeaderConnected(session=session):
                self._session, self._heard_at = session, now
                self._send(self._registration())
            case LeaderDisconnected(session=session, reason=reason):
                if session == self._session:
                    self._leader_lost(reason)
            case LeaderSaid():
                self._leader_said(event)
            case WorkerSaid(worker=worker, message=message):
                self._worker_said(worker, message)
            case WorkerExited():
                self._worker_exited(event)
            case ToldToLeave():
                self._begin_to_leave()
            case Stopping():
                self._stop()
            case Tick():
                pass
        self._time_passes()
        return self._commands

    @property
    def unready(self) -> str | None:
        """In a word, why no task would be placed here; None when one could."""
        if self._leave_by is not None:
            return "leaving"
        return "unregistered" if self._registered is None else None

    def deadline(self) -> int | None:
        """The time of the next Tick that would change something."""
        times = [self.workers.deadline()]
        if self._registered is not None:
            times += [self._next_heartbeat, self._heard_at + self._registered.heartbeat_timeout]
        elif self._leaderless_since is not None and any(not worker.ending for _, worker in self.workers):
            times.append(self._leaderless_since + self._settings.leader_absence_timeout)
        if not self._left:
            times.append(self._leave_by)
        return min((time for time in times if time is not None), default=None)

    @property
    def results_key(self) -> bytes:
        """See Register."""
        return self._me.results_key

    @property
    def slots(self) -> int:
        """How many workers it can run at once."""
        return self._settings.slots

    def _send(self, message: FromTaskManager) -> None:
        if self._session is not None:
            self._commands.append(SendToLeader(self._session, message))

    def _tell_worker(self, worker: WorkerId, message: ToWorker) -> None:
        self._commands.append(SendToWorker(worker, message))

    # ------------------------------------------------------------ the leader comes and goes

    def _registration(self) -> Register:
        return Register(
            self._me.address,
            self._settings.slots,
            self._me.versions,
            self.epoch,
            self._me.resource,
            self.workers.reports(),
            tuple(self.ledger.tasks.values()),
            tuple(self.ledger.acknowledgements.values()),
            tuple(self.ledger.declines.values()),
            tuple(sorted(self.ledger.jobs)),
            leaving=self._leave_by is not None,
            results_key=self._me.results_key,
        )

    def _leader_lost(self, reason: str) -> None:
        self._session = None
        if self._registered is not None:
            self._registered, self._leaderless_since = None, self._now
            self._commands.append(Tell(f"the leader is lost: {reason}; tasks go on without it", warning=True))
            self._tell_all(LeaderChanged(present=False))

    def _tell_all(self, message: ToWorker) -> None:
        for worker, _ in self.workers:
            self._tell_worker(worker, message)

    def _leader_said(self, event: LeaderSaid) -> None:
        if event.session != self._session:
            return
        if event.epoch < self.epoch:
            text = f"the leader speaks in epoch {event.epoch}, but {self.epoch} has begun; it must step down"
            self._commands.append(CloseSession(event.session, text))
            self._leader_lost(text)
            return
        if event.epoch > self.epoch:
            self._listen_to_nobody()
        self.epoch, self._heard_at = event.epoch, self._now
        self._obey(event.message)

    def _obey(self, message: FromJobManager) -> None:
        match message:
            case Registered(heartbeat_interval=interval):
                self._registered, self._leaderless_since = message, None
                self._next_heartbeat = self._now + interval
                self._tell_all(LeaderChanged(present=True))
            case Refused(reason=reason):
                self._refused(reason)
            case DeployWorker():
                self._deploy(message)
            case CancelRegion(attempt=attempt, grace=grace):
                self._end_region(attempt, grace, "its region was cancelled")
            case RegionEnded() | ReleaseRegion() | JobEnded():
                self._end_some(message)
            case Dismissed():
                self._leave("nothing runs here")
            case ConfirmAcknowledged(task=task, checkpoint=checkpoint):
                self.ledger.confirmed(task, checkpoint)
            case ListenOutput():
                self._listen(message)
            case _:
                self._pass_down(message)

    def _end_some(self, message: RegionEnded | ReleaseRegion | JobEnded) -> None:
        """They have done what they were there for."""
        match message:
            case RegionEnded(attempt=attempt):
                self._end_region(attempt, self._settings.ended_grace, "its region has ended")
            case ReleaseRegion(attempt=attempt):
                self._release(attempt)
            case JobEnded(job=job):
                self._end_job(job)

    def _refused(self, reason: str) -> None:
        self._commands.append(Tell(f"the JobManager refuses this TaskManager: {reason}", warning=True))
        if self._session is not None:
            self._commands.append(CloseSession(self._session, reason, refused=True))
        self._leader_lost(reason)

    def _listen(self, message: ListenOutput) -> None:
        """Remembered, since workers of the job may still come."""
        if message.listen:
            self.ledger.knows(message.job)
            self._listened.add(message.job)
        else:
            self._listened.discard(message.job)
        for worker, entry in self.workers.of_job(message.job):
            if not entry.ending:
                self._tell_worker(worker, message)

    def _listen_to_nobody(self) -> None:
        """A new leader has no listeners yet; the clients of its predecessor ask it anew."""
        for job in sorted(self._listened):
            self._listen(ListenOutput(job, listen=False))

    def _pass_down(self, message: FromJobManager) -> None:
        """What tasks must do themselves."""
        match message:
            case TriggerCheckpoint(tasks=tasks) | StopSources(tasks=tasks) | LimitSources(tasks=tasks):
                self._to_workers(tasks, message)
            case DropLeftovers(task=task) | OperatorRequest(task=task) | OutputTaken(task=task):
                self._to_workers((task,), message)
            case CheckpointCompleted(attempt=attempt) | CheckpointAborted(attempt=attempt):
                self._to_attempt(attempt, message)
            case _:
                pass

    def _to_workers(self, tasks: Iterable[TaskId], message: ToWorker) -> None:
        wanted = set(tasks)
        for worker, entry in self.workers:
            mine = {TaskId(entry.attempt, subtask) for subtask in entry.deployment.subtasks}
            if wanted & mine and not entry.ending:
                self._tell_worker(worker, message)

    def _to_attempt(self, attempt: RegionAttempt, message: ToWorker) -> None:
        for worker in self.workers.of_attempt(attempt):
            self._tell_worker(worker, message)

    # ------------------------------------------------------------ it is to end

    def _begin_to_leave(self) -> None:
        if self._leave_by is not None:
            return
        self._leave_by = self._now + self._settings.shutdown_timeout
        self._commands.append(Tell("told to end; no task begins here any more, and those that run are to go elsewhere"))
        self._send(Leaving())

    def _leave(self, reason: str) -> None:
        """Once; a dismissal that nobody waits for means nothing."""
        if self._leave_by is not None and not self._left:
            self._left = True
            self._commands += [Tell(f"this TaskManager leaves: {reason}"), Leave()]

    def _may_leave(self, leave_by: int) -> None:
        running = sum(1 for _ in self.workers)
        if self._now >= leave_by:
            text = f"{counted(running, 'worker')} could not be placed elsewhere within taskmanager.shutdown-timeout"
            self._leave(text if running else "the JobManager has not dismissed it within taskmanager.shutdown-timeout")
        elif self._registered is None and not running:
            self._leave("nothing runs here, and there is no leader")

    # ------------------------------------------------------------ workers begin and end

    def _deploy(self, deployment: DeployWorker) -> None:
        attempt = deployment.attempt
        if deployment.worker in self.workers:
            return
        self.ledger.knows(attempt.job)
        occupant = self.workers.occupant(deployment.slot)
        if attempt.number <= self._cancelled.get((attempt.job, attempt.region), 0):
            self._ended(deployment, "its region was cancelled before it came", died=False)
        elif occupant is not None or not 0 <= deployment.slot < self._settings.slots:
            self._ended(deployment, f"slot {deployment.slot} is not free: {occupant}", died=True)
        elif not any(task.attempt == attempt and task.subtask in deployment.subtasks for task in self.ledger.tasks):
            # Known tasks would mean that this worker has already come and gone; its final states are being reported.
            self.workers.add(deployment)
            self._commands.append(StartWorker(deployment))
            if attempt.job in self._listened:
                self._tell_worker(deployment.worker, ListenOutput(attempt.job, listen=True))
            for subtask in deployment.subtasks:
                self._report(TaskReport(TaskId(attempt, subtask), TaskState.DEPLOYING))

    def _ended(self, deployment: DeployWorker, cause: str, *, died: bool) -> None:
        self._send(WorkerEnded(deployment.worker, deployment.attempt, deployment.slot, died, cause))

    def _end_region(self, attempt: RegionAttempt, grace: int, reason: str) -> None:
        key = attempt.job, attempt.region
        self.ledger.knows(attempt.job)
        self._cancelled[key] = max(attempt.number, self._cancelled.get(key, 0))
        self.ledger.forget_region(attempt)
        for name, _ in self.workers.of_region(attempt):
            self._end_worker(name, grace, reason)

    def _release(self, attempt: RegionAttempt) -> None:
        """Its slots are free for the next stage. The ledger keeps its tasks, as long as their results are here."""
        for name in list(self.workers.of_attempt(attempt)):
            self._end_worker(name, self._settings.ended_grace, "what its tasks leave is complete")

    def _end_worker(self, name: WorkerId, grace: int, reason: str) -> None:
        worker = self.workers.get(name)
        if worker is None:
            return
        if not worker.ending:
            worker.ending = reason
            self._tell_worker(name, CancelTasks(reason))
        kill_at = self._now + grace
        worker.kill_at = kill_at if worker.kill_at is None else min(worker.kill_at, kill_at)

    def _end_job(self, job: JobId) -> None:
        for name, _ in self.workers.of_job(job):
            self._end_worker(name, self._settings.ended_grace, "its job has ended")
        self.ledger.forget_job(job)
        self._listened.discard(job)
        self._cancelled = {key: number for key, number in self._cancelled.items() if key[0] != job}
        self._commands.append(DropJob(job))

    def _worker_exited(self, event: WorkerExited) -> None:
        worker = self.workers.remove(event.worker)
        if worker is None:
            return
        died = event.crashed or not worker.ending
        # First: it names all that ran in the process, where each report of a task names that one alone.
        self._ended(worker.deployment, event.cause if died else worker.ending, died=died)
        if not worker.ending:
            failure = Failure(FailureKind.EXTERNAL, event.cause)
            for report in self.ledger.unfinished(worker.attempt, worker.deployment.subtasks):
                # One that never began didn't fail: what its worker was to be made of may have gone with its leader.
                end = TaskState.CANCELED if report.state is TaskState.DEPLOYING else TaskState.FAILED
                self._report(TaskReport(report.task, end, failure))

    def _stop(self) -> None:
        self._session = self._registered = self._leaderless_since = None
        for name, _ in list(self.workers):
            self._end_worker(name, self._settings.ended_grace, "its TaskManager is stopping")

    # ------------------------------------------------------------ workers report

    def _worker_said(self, name: WorkerId, message: FromTasks) -> None:
        worker = self.workers.get(name)
        if worker is None or (worker.ending and not isinstance(message, TaskOutput)):
            return
        match message:
            case TaskStateChanged(report=report):
                self._report(report)
            case CheckpointAcknowledged() | CheckpointDeclined():
                self.ledger.answered(message)
                self._send(message)
            case _:
                self._send(message)

    def _report(self, report: TaskReport) -> None:
        self._send(TaskStateChanged(self.ledger.report(report)))

    # ------------------------------------------------------------ time

    def _time_passes(self) -> None:
        for name, worker in self.workers:
            if worker.kill_at is not None and self._now >= worker.kill_at:
                worker.kill_at = None
                self._commands.append(KillWorker(name, worker.ending))
        if self._registered is not None:
            self._beat(self._registered)
        elif self._leaderless_since is not None:
            self._abandon(self._leaderless_since)
        if self._leave_by is not None:
            self._may_leave(self._leave_by)

    def _beat(self, registered: Registered) -> None:
        if self._session is not None and self._now >= self._heard_at + registered.heartbeat_timeout:
            text = f"the leader was silent for {registered.heartbeat_timeout} ms"
            self._commands.append(CloseSession(self._session, text))
            self._leader_lost(text)
        elif self._now >= self._next_heartbeat:
            self._heartbeats += 1
            self._next_heartbeat = self._now + registered.heartbeat_interval
            self._send(Heartbeat(self._heartbeats))

    def _abandon(self, since: int) -> None:
        if self._now < since + self._settings.leader_absence_timeout:
            return
        reason = "no leader was there for too long"
        for name, worker in list(self.workers):
            if worker.ending:
                continue
            self._end_worker(name, self._settings.ended_grace, reason)
            # No leader has settled these tasks, and nothing is heard of a worker that was told to leave: the next
            # leader must not take them for running ones.
            for report in self.ledger.unfinished(worker.attempt, worker.deployment.subtasks):
                failure = Failure(FailureKind.EXTERNAL, reason, secondary=True)
                self._report(TaskReport(report.task, TaskState.CANCELED, failure))
