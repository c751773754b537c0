"""The whole core: `handle(event, now) -> commands`, and `deadline()`. It routes events to jobs, gives free slots to
the regions that wait for them, and decides who is dead. One leader's lifetime long; nothing here survives it but
what was stored.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from millstream_dataflow.identity import Epoch, JobId, SessionId, TaskId, TaskManagerId
from millstream_dataflow.job_graph import JobGraph, Versions
from millstream_dataflow.plan import Plan
from millstream_dataflow.words import counted
from millstream_jobmanager.core.commands import CloseSession, Command, DeleteRecord, Reply, Send, StepDown
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.events import (
    Asked,
    Event,
    JobDiscarded,
    JobRecovered,
    MessageReceived,
    MetadataLoaded,
    MetadataWritten,
    RecordStored,
    SessionClosed,
    SessionOpened,
    Tick,
)
from millstream_jobmanager.core.job import Job
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.region import Region, UnbelievableReportError
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.sessions import Member, Members
from millstream_jobmanager.core.settings import ClusterSettings, JobSettings
from millstream_jobmanager.core.slots import SlotPool
from millstream_jobmanager.core.standing import GOING, Standing
from millstream_jobmanager.core.submission import Submissions
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.client import JobStatus, SubmitJob
from millstream_runtime.messages.deployments import DataAddress
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    Dismissed,
    FromTaskManager,
    Heartbeat,
    JobEnded,
    Leaving,
    PeerLost,
    Progress,
    Refused,
    Registered,
    SourceTime,
    TaskTotals,
    WorkerEnded,
)
from millstream_runtime.states import JOB_STATES, JobState


@dataclass(frozen=True, slots=True)
class Chances:
    """Where the core gets what must not be guessed or repeated; arguments, so that a simulation can replay them."""

    secret: Callable[[], bytes]
    uniform: Callable[[], float]


class ClusterCore:
    """Everything a leading JobManager decides."""

    def __init__(
        self,
        epoch: Epoch,
        settings: ClusterSettings,
        job_settings: Callable[[Mapping[str, str]], JobSettings],
        chances: Chances,
    ) -> None:
        self._epoch = epoch
        self._settings = settings
        self._job_settings = job_settings
        self._chances = chances
        self._pool = SlotPool()
        self._members = Members(settings)
        self._writes = 0
        self._settled_at = 0
        self._deposed = False
        self.jobs: dict[JobId, Job] = {}
        self.totals: dict[TaskId, TaskTotals] = {}
        """What tasks of the present attempts have reported for people."""
        self._submissions = Submissions(self)

    # ------------------------------------------------------------ face

    def handle(self, event: Event, now: Moment) -> list[Command]:
        """Take one event; what the shell must do, in order. A deposed leader decides nothing."""
        turn = Turn(now)
        if not self._deposed:
            self._route(turn, event)
            self._bury(turn)
            self._beat(turn)
            if not _says_only_that_it_lives(event):
                self._settled_at = now.monotonic
                self._settle(turn)
        for number, command in enumerate(turn.commands):
            if isinstance(command, StepDown):
                self._deposed = True
                return turn.commands[: number + 1]
        return turn.commands

    def deadline(self) -> int | None:
        """The monotonic time of the next `Tick` that would change something."""
        if self._deposed:
            return None
        times = [self._members.deadline()]
        for job in self.jobs.values():
            times += [
                job.context.journal.deadline(),
                job.deployer.deadline(),
                job.coordinator.deadline(),
                job.ending.retry_at,
            ]
            times += list(self._region_deadlines(job))
        # What was due when the jobs were last settled has been done or waits for something else.
        return min((time for time in times if time is not None and time > self._settled_at), default=None)

    def _region_deadlines(self, job: Job) -> Iterator[int]:
        if JOB_STATES.is_final(job.state):
            if (due := self._forget_next(job)) is not None:
                yield due
            return
        for region in job.context.regions:
            if region.state is RegionState.RECONCILING:
                yield job.opened_at + self._settings.adoption_timeout
            elif region.state is RegionState.WAITING and job.state in GOING:
                yield region.not_before
                yield self._slots_due(job, region)
            elif region.start_by is not None and region.not_started():
                yield region.start_by

    # ------------------------------------------------------------ events

    def _route(self, turn: Turn, event: Event) -> None:
        match event:
            case SessionOpened():
                self._session_opened(turn, event)
            case SessionClosed(session=session, reason=reason):
                if (member := self._members.current(session)) is not None:
                    member.closed_at, member.close_reason = turn.now.monotonic, reason
                    self._pool.pause(session.taskmanager)
            case MessageReceived(session=session, message=message):
                self._message(turn, session, message)
            case Asked(request=request, ask=SubmitJob() as ask):
                self._submissions.submit(turn, request, ask)
            case Asked():
                self._ask(turn, event)
            case JobRecovered(record=record, graph=graph):
                self._submissions.recover(turn, record, graph)
            case RecordStored() | MetadataWritten() | MetadataLoaded() | JobDiscarded():
                self._answered(turn, event)
            case Tick():
                pass

    def _answered(self, turn: Turn, event: RecordStored | MetadataWritten | MetadataLoaded | JobDiscarded) -> None:
        """Store or storage has answered a job's question."""
        if isinstance(event, MetadataLoaded) and self._submissions.loaded(turn, event):
            return
        job = self.jobs.get(event.job)
        match event:
            case _ if job is None:
                pass
            case RecordStored():
                job.stored(turn, event)
            case MetadataWritten():
                job.metadata_written(turn, event)
            case MetadataLoaded():
                job.metadata_loaded(turn, event)
            case JobDiscarded():
                job.ending.discarded(turn, event)

    def _session_opened(self, turn: Turn, event: SessionOpened) -> None:
        session, registration = event.session, event.registration
        known = self._members.get(session.taskmanager)
        if known is not None and known.session == session:
            return  # it came twice, and was answered
        if known is not None and known.session.number > session.number:
            turn.emit(CloseSession(session, f"session {known.session} of the same TaskManager is newer"))
            return
        if known is not None and known.open:
            turn.emit(CloseSession(known.session, "a newer session of the same TaskManager has registered"))
        for predecessor in self._members.predecessors(session, registration):
            if (former := self.session_of(predecessor)) is not None:
                # Its process has ended, as a rule; one that hasn't must hear why nobody listens to it any more.
                reason = f"TaskManager {session.taskmanager} has registered as {registration.resource} in its place"
                turn.emit(Send(former, Refused(reason)))
                turn.emit(CloseSession(former, reason))
            self._lose(turn, predecessor, "it was started again")
        self._members.add(session, registration, turn.now.monotonic)
        held = [(report.slot, report.worker) for report in registration.workers]
        self._pool.add(session.taskmanager, registration.slots, held, accepts=not registration.leaving)
        settings = self._settings
        turn.emit(Send(session, Registered(settings.leader, settings.heartbeat_interval, settings.heartbeat_timeout)))
        mentioned = {report.attempt.job for report in registration.workers}
        mentioned |= {report.task.attempt.job for report in registration.tasks}
        for job in sorted(mentioned | set(registration.jobs)):
            if job not in self.jobs or JOB_STATES.is_final(self.jobs[job].state):
                turn.emit(Send(session, JobEnded(job)))
        for running in self.jobs.values():
            if not JOB_STATES.is_final(running.state):
                running.session_opened(turn, session.taskmanager, registration, resumed=known is not None)

    def _message(self, turn: Turn, session: SessionId, message: FromTaskManager) -> None:
        member = self._members.current(session)
        if member is None:
            return
        member.heard_at = turn.now.monotonic
        self._note(turn, member, message)
        job = _job_of(message)
        if job is None:
            return
        if job in self.jobs:
            try:
                self.jobs[job].message(turn, session.taskmanager, message)
            except UnbelievableReportError as error:
                turn.emit(CloseSession(session, f"{error}, which can't be; its next registration tells the truth"))
        else:
            turn.emit(Send(session, JobEnded(job)))

    def _note(self, turn: Turn, member: Member, message: FromTaskManager) -> None:
        """What it says to the cluster, whatever it says to a job."""
        match message:
            case Progress(tasks=tasks):
                self._count(tasks)
            case Leaving():
                member.leaving = True
                self._pool.pause(member.session.taskmanager)
            case WorkerEnded(worker=worker):
                self._pool.release(worker)
            case PeerLost(peer=peer):
                if (lost := self._members.get(peer)) is not None:
                    lost.peer_reported_at = turn.now.monotonic
            case _:
                pass

    def _count(self, tasks: Iterable[TaskTotals]) -> None:
        for totals in tasks:
            job = self.jobs.get(totals.task.attempt.job)
            if job is not None and job.is_current(totals.task):
                self.totals[totals.task] = totals

    def _drop_totals(self, region: Region) -> None:
        """The present attempt of the region is about to be a former one."""
        for task in region.task_ids:
            self.totals.pop(task, None)

    def _ask(self, turn: Turn, event: Asked) -> None:
        ask = event.ask
        if isinstance(ask, SubmitJob):
            return
        if self._submissions.pending(ask.job):
            text = f"job {ask.job} is not stored yet; ask again when its submission was answered"
            turn.emit(Reply(event.request, None, Failure(FailureKind.USER, text)))
        elif ask.job in self.jobs:
            self.jobs[ask.job].ending.ask(turn, event.request, ask)
        else:
            text = f"there is no job {ask.job}; millstream list shows those there are"
            turn.emit(Reply(event.request, None, Failure(FailureKind.USER, text)))

    # ------------------------------------------------------------ who is alive

    def _bury(self, turn: Turn) -> None:
        """Whoever has been silent for too long is dead."""
        now = turn.now.monotonic
        dead = [(tm, member) for tm, member in self._members if member.dies_at(self._settings) <= now]
        for taskmanager, member in dead:
            if member.open:
                turn.emit(CloseSession(member.session, member.death()))
            self._lose(turn, taskmanager, member.death())

    def _lose(self, turn: Turn, taskmanager: TaskManagerId, reason: str) -> None:
        self._members.remove(taskmanager)
        self._pool.remove(taskmanager)
        for job in self.jobs.values():
            job.taskmanager_lost(turn, taskmanager, reason)

    def _beat(self, turn: Turn) -> None:
        for _, member in self._members:
            if member.open and turn.now.monotonic >= member.next_heartbeat:
                member.heartbeats += 1
                member.next_heartbeat = turn.now.later(self._settings.heartbeat_interval)
                turn.emit(Send(member.session, Heartbeat(member.heartbeats)))

    # ------------------------------------------------------------ after every event

    def _settle(self, turn: Turn) -> None:
        for job in list(self.jobs.values()):
            job.settle(turn)
        for job in list(self.jobs.values()):
            self._place(turn, job)
            self._forget(turn, job)
        self._dismiss(turn)

    def _dismiss(self, turn: Turn) -> None:
        """Who is leaving goes when all its slots are free: a deployment on its way there would hold one; and nobody has
        to read what finished stages have left there.
        """
        for taskmanager, member in self._members:
            if member.leaving and member.open and not member.dismissed:
                slots, free = self._pool.counts(taskmanager)
                if free == slots and not any(job.stages.holds(taskmanager) for job in self.jobs.values()):
                    member.dismissed = True
                    turn.emit(Send(member.session, Dismissed()))

    def _place(self, turn: Turn, job: Job) -> None:
        """Slots for the job's waiting regions, jobs in the order of their submission."""
        if job.state not in GOING or job.coordinator.completing or not job.context.journal.settled:
            return
        ready = job.stages.readiness(ends=job.final_taken())
        for region in job.context.regions:
            if region.state is not RegionState.WAITING or turn.now.monotonic < region.not_before or not ready(region):
                continue
            slots = self._pool.place(len(region.plan.workers), region.taskmanagers, region.severed)
            if slots is not None:
                self._drop_totals(region)
                job.deployer.place(turn, region, slots)
            elif turn.now.monotonic >= self._slots_due(job, region):
                job.give_up(turn, self._no_slots(job, region))
                job.settle(turn)
                return

    def _slots_due(self, job: Job, region: Region) -> int:
        """Until when it waits for slots; the restart delay doesn't count."""
        return max(region.waiting_since, region.not_before) + job.context.settings.slot_request_timeout

    def _no_slots(self, job: Job, region: Region) -> Failure:
        text = (
            f"{counted(len(region.plan.workers), 'slot')} couldn't be had within slot.request.timeout "
            f"({job.context.settings.slot_request_timeout} ms); start more TaskManagers or lower the parallelism"
        )
        if region.failure is not None:
            return replace(region.failure, message=f"{region.failure.message}; to start again, {text}")
        return Failure(FailureKind.EXTERNAL, text, restartable=False)

    def _forget_next(self, job: Job) -> int | None:
        """When an ended job's data go once more; then, when its record does. None while that is waited for."""
        standing, delay = job.standing, self._settings.retry_delay
        until = standing.ended_monotonic + self._settings.tombstone_time
        if standing.swept_at is None:
            return max(until - delay, standing.sweep_not_before)
        return max(until, standing.swept_at + delay) if standing.is_swept else None

    def _forget(self, turn: Turn, job: Job) -> None:
        """The tombstone of an ended job has served its time. What was still being written when its data went has landed
        by now, so they go once more; a moment before the record, which tells the next leader to delete them.
        """
        due = self._forget_next(job) if JOB_STATES.is_final(job.state) else None
        if due is None or turn.now.monotonic < due:
            return
        if job.standing.swept_at is None:
            job.standing.swept_at = turn.now.monotonic
            job.ending.discard(turn)
        else:
            for region in job.context.regions:
                self._drop_totals(region)
            del self.jobs[job.context.job]
            turn.emit(DeleteRecord(job.context.job))

    # ------------------------------------------------------------ doors for jobs and submissions

    def open_job(self, turn: Turn, plan: Plan, journal: Journal, *, recovered: bool) -> Job:
        """Take a job in; its record is in the journal."""
        settings = self.job_settings(plan.graph)
        regions = [Region(plan.graph.job, region, waiting_since=turn.now.monotonic) for region in plan.regions]
        record, now = journal.record, turn.now.monotonic
        going = JobState.RECONCILING if recovered else JobState.CREATED
        state = record.state if JOB_STATES.is_final(record.state) else going
        standing = Standing(record.job, state, record.failure, ended_monotonic=now)
        job = Job(JobContext(plan, settings, standing, journal, self, regions), now)
        self.jobs[plan.graph.job] = job
        return job

    def job_settings(self, graph: JobGraph) -> JobSettings:
        """What the configuration says to a job: its own options over the cluster's."""
        return self._job_settings(graph.configuration)

    def nonce(self) -> str:
        """Names a write; never used twice."""
        self._writes += 1
        return f"{self._epoch}-{self._writes}"

    @property
    def epoch(self) -> Epoch:
        """Of this leader."""
        return self._epoch

    @property
    def settings(self) -> ClusterSettings:
        """The cluster's own settings."""
        return self._settings

    @property
    def pool(self) -> SlotPool:
        """All slots."""
        return self._pool

    def session_of(self, taskmanager: TaskManagerId) -> SessionId | None:
        """The open session of a TaskManager."""
        member = self._members.get(taskmanager)
        return member.session if member is not None and member.open else None

    def taskmanagers(self) -> Iterator[TaskManagerId]:
        """Everybody with an open session."""
        return (taskmanager for taskmanager, member in self._members if member.open)

    def leaving(self) -> Collection[TaskManagerId]:
        """Everybody that is to end."""
        return [taskmanager for taskmanager, member in self._members if member.leaving]

    def spare_slots(self) -> int:
        """Free slots that no waiting region is about to take."""
        spare = sum(1 for _ in self._pool.free())
        for job in self.jobs.values():
            for region in job.context.regions if job.state in GOING else ():
                wanted = job.context.slots_wanted(region) if region.state is RegionState.WAITING else 0
                spare -= wanted if wanted <= spare else 0
        return spare

    def resource_of(self, taskmanager: TaskManagerId) -> str:
        """The stable resource of a registered TaskManager."""
        member = self._members.get(taskmanager)
        return member.registration.resource if member is not None else ""

    def registered(self, taskmanager: TaskManagerId, resource: str) -> bool:
        """It, or one that stands for it, has registered with this leader."""
        return self._members.registered(taskmanager, resource)

    def addresses(self) -> Mapping[TaskManagerId, DataAddress]:
        """Where workers of each TaskManager are reached."""
        return {taskmanager: member.registration.address for taskmanager, member in self._members}

    def results_key(self, taskmanager: TaskManagerId) -> bytes:
        """See ClusterDoors."""
        member = self._members.get(taskmanager)
        return member.registration.results_key if member is not None else b""

    def versions(self) -> Mapping[str, Versions]:
        """Of whoever may run workers, by a name for people; as long as there is nobody, this JobManager's own."""
        members = {f"TaskManager {name[:8]}": member.registration.versions for name, member in self._members}
        own = self._settings.versions
        return members or ({} if own is None else {"the JobManager": own})

    def secret(self) -> bytes:
        """A fresh secret for an attempt."""
        return self._chances.secret()

    def chance(self) -> float:
        """Uniform in [0, 1)."""
        return self._chances.uniform()

    def statuses(self) -> list[JobStatus]:
        """One line a job."""
        return [job.status() for job in self.jobs.values()]


def _says_only_that_it_lives(event: Event) -> bool:
    """Most events, and no state follows from them; to settle every job for each was half of a busy leader's time."""
    return isinstance(event, MessageReceived) and isinstance(event.message, Heartbeat | Progress | SourceTime)


def _job_of(message: FromTaskManager) -> JobId | None:
    """The job that a message speaks of."""
    report = getattr(message, "report", None)
    task = getattr(report or message, "task", None)
    attempt = getattr(message, "attempt", None) or getattr(task, "attempt", None)
    return attempt.job if attempt is not None else None
