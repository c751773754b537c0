"""A shell for the JobManager's core that does no I/O: virtual time, a store and a storage whose answers follow rules,
and TaskManagers that play their part of the protocols. Everything is deterministic.

It is also a watchman: it fails the test when something is told before it was stored, when two workers would share a
slot, when a stored checkpoint is deleted, or when the core asks for a Tick that does nothing for ever.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import cast

from millstream_dataflow.identity import CheckpointId, Digest, Epoch, JobId, TaskManagerId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core import events as e
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.core.job import Job
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.settings import CheckpointSettings, ClusterSettings, JobSettings
from millstream_runtime.messages.client import SubmitJob
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import CheckpointCompleted, FromJobManager, FromTaskManager
from millstream_runtime.messages.snapshots import CheckpointMetadata, WorkerRestore
from millstream_runtime.states import JOB_STATES, JobState
from tests.support.fake_taskmanager import FakeTaskManager
from tests.support.graphs import JOB, NO_BLOB

WALL = 1_000_000
"""Wall time when virtual time is 0."""
STORE_TAKES, STORAGE_TAKES, WIRE_TAKES = 2, 3, 1


class Rule(Enum):
    """How a write goes."""

    DONE = "done"
    REFUSED = "refused"
    CONFLICT = "conflict"
    LANDED = "landed"
    """The answer is unknown, the write has taken effect."""
    LATE = "late"
    """The answer is unknown, the write takes effect when it has been repeated already."""
    LOST = "lost"
    """The answer is unknown, the write never takes effect."""
    HELD = "held"
    """Nothing happens until it is let go."""


@dataclass
class Writes:
    """One place that is written to, with what is going to happen to the next writes."""

    rules: deque[Rule] = field(default_factory=deque[Rule])
    always: Rule = Rule.DONE
    held: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def next(self) -> Rule:
        """For the write that comes now."""
        return self.rules.popleft() if self.rules else self.always


def settings_of(**options: object) -> JobSettings:
    """Job settings whose checkpoints lie in `ckpt` and `save`."""
    checkpoints = cast("dict[str, object]", options.pop("checkpoints", {}))
    made = CheckpointSettings(directory="ckpt", savepoint_directory="save", **checkpoints)  # type: ignore[arg-type]  # names are checked at run time
    return JobSettings(checkpoints=made, **options)  # type: ignore[arg-type]  # as above


class CoreShell:
    """A JobManager's shell, a cluster around it, and the watchman."""

    def __init__(self, settings: JobSettings | None = None, cluster: ClusterSettings | None = None) -> None:
        self.now = 0
        self.settings = settings or settings_of()
        self.cluster = cluster or ClusterSettings()
        self.heard: Callable[[c.Command], None] = lambda _: None
        """Is told every command before it is carried out."""
        self.commands: list[c.Command] = []
        self.records: dict[JobId, JobRecord] = {}
        self.graphs: dict[JobId, JobGraph] = {}
        self.metadata: dict[str, CheckpointMetadata] = {}
        self.damaged: set[str] = set()
        self.unreachable: set[str] = set()
        self.blobs: dict[Digest, bytes] = {}
        self.store, self.storage = Writes(), Writes()
        self.replies: dict[int, c.Reply] = {}
        self.taskmanagers: dict[str, FakeTaskManager] = {}
        self.completed: dict[JobId, set[CheckpointId]] = {}
        """Checkpoints whose pointers were stored at some time."""
        self.holding: set[str] = set()
        """Subtasks that keep their part of checkpoints back."""
        self.keeps = False
        """The storage lets nothing of an ended job be deleted."""
        self.losing: set[str] = set()
        """Channels (`edge 0: 0 -> 1`) whose receiver counts one record too few."""
        self.committed: list[tuple[str, CheckpointId]] = []
        """Region attempts that were told to commit, with the checkpoint."""
        self.stepped_down = False
        self.current = JOB
        """The job that is spoken of when none is named."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._requests = count(1)
        self._epoch = 0
        self._leader: ClusterCore | None = None
        self._ticks: Counter[int] = Counter()
        self._plans: dict[JobId, Plan] = {}
        self._told: dict[JobId, CheckpointId] = {}
        """The newest checkpoint on which sinks were told to commit."""
        self._deadline: int | None = None
        self.start_jobmanager()

    # ------------------------------------------------------------ time

    def after(self, milliseconds: int, action: Callable[[], None]) -> None:
        """Do it later; ties in the order of asking."""
        heapq.heappush(self._queue, (self.now + milliseconds, next(self._order), action))

    def run(self, milliseconds: int) -> None:
        """Let that much time pass."""
        self.run_until(lambda: False, self.now + milliseconds)

    def run_until(self, done: Callable[[], bool], limit: int | None = None) -> None:
        """Let time pass until it is done; with a limit it may also come to that time."""
        end = self.now + 1_000_000 if limit is None else limit
        while not done():
            times = [self._queue[0][0]] if self._queue else []
            times += [self._deadline] if self._deadline is not None else []
            if not times or min(times) > end:
                assert limit is not None, "it never comes to that"
                self.now = end
                return
            self.now = max(self.now, min(times))
            if self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            else:
                self._ticks[self.now] += 1
                assert self._ticks[self.now] < 5, f"the core asks again and again for a Tick at {self.now}"
                self.handle(e.Tick())

    def until_state(self, state: JobState, job: JobId | None = None) -> None:
        """Let time pass until the job is in that state."""
        self.run_until(lambda: self.job(job).state is state)

    # ------------------------------------------------------------ the JobManager

    @property
    def core(self) -> ClusterCore:
        """The leading one."""
        assert self._leader is not None, "no JobManager runs"
        return self._leader

    def job(self, job: JobId | None = None) -> Job:
        """A job as the core sees it."""
        return self.core.jobs[job or self.current]

    def start_jobmanager(self) -> None:
        """A new leader in the next epoch; it reads what is stored."""
        self._epoch += 1
        chances = Chances(lambda: b"secret", lambda: 0.5)
        self._leader = ClusterCore(Epoch(self._epoch), self.cluster, lambda _: self.settings, chances)
        for job, record in list(self.records.items()):
            self.handle(e.JobRecovered(record, self.graphs[job]))

    def kill_jobmanager(self) -> None:
        """All streams end; writes under way land, and nobody hears of it."""
        self._leader, self._deadline = None, None
        for taskmanager in self.taskmanagers.values():
            taskmanager.disconnect()

    def handle(self, event: e.Event) -> None:
        """Tell the core, and carry out what it wants."""
        if self._leader is None:
            return
        for command in self._leader.handle(event, Moment(self.now, WALL + self.now)):
            self.commands.append(command)
            self.heard(command)
            self._carry_out(command)
        self._deadline = self._leader.deadline()

    def ask(self, ask: e.Ask) -> int:
        """A client asks; the number under which the answer comes."""
        request = next(self._requests)
        self.handle(e.Asked(request, ask))
        return request

    def submit(self, graph: JobGraph, **options: object) -> int:
        """A client wants the job run."""
        self.graphs.setdefault(graph.job, graph)
        return self.ask(SubmitJob(graph, NO_BLOB, **options))  # type: ignore[arg-type]  # names are checked at run time

    # ------------------------------------------------------------ TaskManagers

    def register(self, name: str, slots: int = 1, resource: str = "") -> FakeTaskManager:
        """A TaskManager of that name opens a session; a new process if there is none."""
        if name not in self.taskmanagers:
            self.taskmanagers[name] = FakeTaskManager(
                self, TaskManagerId(name), slots, resource or f"resource of {name}"
            )
        self.taskmanagers[name].connect()
        return self.taskmanagers[name]

    def lose(self, name: str) -> None:
        """SIGKILL of a TaskManager and all its workers: its stream closes."""
        taskmanager = self.taskmanagers.pop(name)
        taskmanager.die()
        self.handle(e.SessionClosed(taskmanager.session, "the connection was closed"))

    def close(self, name: str) -> None:
        """A TaskManager's stream breaks; what was under way in it is lost."""
        taskmanager = self.taskmanagers[name]
        taskmanager.disconnect()
        self.handle(e.SessionClosed(taskmanager.session, "the connection was closed"))

    def say(self, taskmanager: FakeTaskManager, message: FromTaskManager) -> None:
        """A TaskManager's message travels to the leader."""
        session, leader = taskmanager.session, self._leader

        def arrive() -> None:
            if leader is self._leader and taskmanager.connected and session == taskmanager.session:
                self.handle(e.MessageReceived(session, message))

        if taskmanager.connected and not taskmanager.deaf:
            for _ in range(1 + taskmanager.doubled):
                self.after(WIRE_TAKES, arrive)

    def plan(self, job: JobId) -> Plan:
        """How a job is laid out."""
        if job not in self._plans:
            self._plans[job] = Plan(self.graphs[job])
        return self._plans[job]

    # ------------------------------------------------------------ carrying out

    def _carry_out(self, command: c.Command) -> None:  # noqa: C901, PLR0912  # one arm a command
        match command:
            case c.Send(session=session, message=message):
                self._send(self.taskmanagers.get(session.taskmanager), session.number, message)
            case c.CloseSession(session=session):
                taskmanager = self.taskmanagers.get(session.taskmanager)
                if taskmanager is not None and taskmanager.session == session:
                    taskmanager.disconnect()
            case c.StoreRecord(record=record):
                self._write(self.store, STORE_TAKES, self._putting(record), self._stored_answer(record))
            case c.DeleteRecord(job=job):
                del self.records[job]
            case c.WriteMetadata(path=path, metadata=metadata):
                self._write(self.storage, STORAGE_TAKES, lambda: self._publish(path, metadata), self._written(command))
            case c.LoadMetadata(job=job, path=path):
                self._answer(STORAGE_TAKES, lambda: self._load(job, path))
            case c.DiscardCheckpoint(path=path):
                kept = {point.path for record in self.records.values() for point in record.checkpoints}
                assert path not in kept, f"{path} is deleted while a record points to it"
                self.metadata.pop(path, None)
            case c.DiscardJob(job=job, sweep=sweep):
                assert JOB_STATES.is_final(self.records[job].state), "data goes before the end is recorded"
                problem = "Permission denied" if self.keeps else ""
                self._answer(STORAGE_TAKES, lambda: e.JobDiscarded(job, sweep, problem))
            case c.PublishBlob(digest=digest, data=data):
                self.blobs[digest] = data
            case c.Reply(request=request):
                assert request not in self.replies, f"request {request} was answered twice"
                self.replies[request] = command
            case c.StepDown():
                self.stepped_down = True
            case c.Tell():
                pass

    def _send(self, taskmanager: FakeTaskManager | None, number: int, message: FromJobManager) -> None:
        self._watch(message)
        if taskmanager is None or taskmanager.mute or taskmanager.session.number != number:
            return
        session = taskmanager.session

        def arrive() -> None:
            if taskmanager.connected and taskmanager.session == session:
                taskmanager.obey(message)

        self.after(WIRE_TAKES, arrive)

    def _watch(self, message: FromJobManager) -> None:
        """Stored before told (laws 1.3 and 4.3), and nothing restores from before what was committed."""
        match message:
            case DeployWorker(attempt=attempt, worker=worker):
                regions = [region for region in self.records[attempt.job].regions if region.attempt == attempt]
                stored = {placed.worker for region in regions for placed in region.workers}
                assert worker in stored, f"{worker} is deployed before its attempt is stored"
                told, restored = self._told.get(attempt.job, CheckpointId(0)), self._restored(message)
                assert restored >= told or self.damaged, f"{worker} restores from {restored}, {told} was committed"
            case CheckpointCompleted(attempt=attempt, checkpoint=checkpoint, commits=commits):
                assert checkpoint in self.completed[attempt.job], f"{checkpoint} is told before its pointer is stored"
                if commits:
                    self._told[attempt.job] = max(checkpoint, self._told.get(attempt.job, CheckpointId(0)))
            case _:
                pass

    def _restored(self, message: DeployWorker) -> CheckpointId:
        if message.restore is None:
            return CheckpointId(0)
        return decode(WorkerRestore, self.blobs[message.restore.digest]).tasks[0].checkpoint

    # ------------------------------------------------------------ store and storage

    def _answer(self, milliseconds: int, event: Callable[[], e.Event]) -> None:
        leader = self._leader

        def arrive() -> None:
            if leader is self._leader:
                self.handle(event())

        self.after(milliseconds, arrive)

    def _write(
        self,
        place: Writes,
        takes: int,
        effect: Callable[[], e.Outcome],
        answer: Callable[[e.Outcome], e.Event],
        rule: Rule | None = None,
    ) -> None:
        leader = self._leader

        def act() -> None:
            self._tell(leader, answer(effect()))

        match rule or place.next():
            case Rule.DONE:
                self.after(takes, act)
            case Rule.REFUSED:
                self.after(takes, lambda: self._tell(leader, answer(e.Outcome.REFUSED)))
            case Rule.CONFLICT:
                self.after(takes, lambda: self._tell(leader, answer(e.Outcome.CONFLICT)))
            case Rule.LANDED:
                self.after(takes, lambda: self._tell(leader, (effect(), answer(e.Outcome.UNKNOWN))[1]))
            case Rule.LATE:
                self.after(takes, lambda: self._tell(leader, answer(e.Outcome.UNKNOWN)))
                self.after(self.cluster.retry_delay + 10 * takes, lambda: self._ignore(effect()))
            case Rule.LOST:
                self.after(takes, lambda: self._tell(leader, answer(e.Outcome.UNKNOWN)))
            case Rule.HELD:
                place.held.append(act)

    def _ignore(self, outcome: e.Outcome) -> None:
        """Nobody hears of it."""

    def _tell(self, leader: ClusterCore | None, event: e.Event) -> None:
        if leader is self._leader:
            self.handle(event)

    def _putting(self, record: JobRecord) -> Callable[[], e.Outcome]:
        """Fenced: after a new leader has begun, nothing of an older one lands."""
        epoch = self._epoch
        return lambda: self._put(record) if epoch == self._epoch else e.Outcome.CONFLICT

    def _put(self, record: JobRecord) -> e.Outcome:
        known = self.records.get(record.job)
        if known is not None and (known.version, known.nonce) == (record.version, record.nonce):
            return e.Outcome.DONE
        if (known.version if known else 0) != record.version - 1:
            return e.Outcome.CONFLICT
        for point in record.checkpoints:
            assert point.path in self.metadata, f"the pointer to {point.path} leads nowhere"
            self.completed.setdefault(record.job, set()).add(point.checkpoint)
        if record.restore is not None:
            self.completed.setdefault(record.job, set())
        self.records[record.job] = record
        return e.Outcome.DONE

    def _publish(self, path: str, metadata: CheckpointMetadata) -> e.Outcome:
        self.metadata[path] = metadata
        return e.Outcome.DONE

    def _stored_answer(self, record: JobRecord) -> Callable[[e.Outcome], e.Event]:
        return lambda outcome: e.RecordStored(record.job, record.nonce, outcome, _reason(outcome))

    def _written(self, command: c.WriteMetadata) -> Callable[[e.Outcome], e.Event]:
        return lambda outcome: e.MetadataWritten(command.job, command.checkpoint, outcome, 100, _reason(outcome))

    def _load(self, job: JobId, path: str) -> e.MetadataLoaded:
        if path in self.unreachable:
            return e.MetadataLoaded(job, path, None, e.LoadProblem.UNREACHABLE, "the storage doesn't answer")
        if path in self.damaged or path not in self.metadata:
            return e.MetadataLoaded(job, path, None, e.LoadProblem.CORRUPT, "_metadata doesn't verify")
        return e.MetadataLoaded(job, path, self.metadata[path])

    def let_go(self) -> None:
        """The held writes happen now."""
        held = [*self.store.held, *self.storage.held]
        self.store.held, self.storage.held = [], []
        for act in held:
            act()

    def heal(self) -> None:
        """What was damaged or unreachable is sound again."""
        self.damaged.clear()
        self.unreachable.clear()


_REASONS: Mapping[e.Outcome, str] = {
    e.Outcome.REFUSED: "no room",
    e.Outcome.CONFLICT: "version is newer",
    e.Outcome.UNKNOWN: "no answer",
}


def _reason(outcome: e.Outcome) -> str:
    return _REASONS.get(outcome, "")
