"""One region: what starts and fails together. Its attempt, where it runs, what its tasks have reported.

The region knows nothing of slots, stores or strategies; the job moves it. What it refuses is a report of another
attempt than its own (law 1.3) and a step that its table doesn't list.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from millstream_dataflow.identity import JobId, RegionAttempt, SubtaskId, TaskId, TaskManagerId, WorkerId, worker_id
from millstream_dataflow.plan import RegionPlan, WorkerPlan
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core.region_states import REGION_STATES, RegionState
from millstream_jobmanager.core.restart import History
from millstream_jobmanager.core.slots import Pair, SlotRef
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.record import RegionRecord, StoredWorker
from millstream_runtime.messages.session import TaskReport
from millstream_runtime.states import TASK_STATES, TaskState

_BEFORE_START = frozenset({TaskState.CREATED, TaskState.SCHEDULED, TaskState.DEPLOYING})
"""What a TaskManager reports of a task whose worker has said nothing yet."""
DEPLOYED = frozenset({RegionState.DEPLOYING, RegionState.RUNNING, RegionState.FINISHED, RegionState.RECONCILING})


class UnbelievableReportError(Exception):
    """A TaskManager reports what can't have come to pass."""


@dataclass(slots=True)
class TaskStatus:
    """What is known of one task of the present attempt."""

    state: TaskState = TaskState.CREATED
    ended: EndReason | None = None
    commits_restored: bool = False


@dataclass(slots=True)
class Region:
    """A region under one leader."""

    job: JobId
    plan: RegionPlan
    number: int = 0
    """Of the present attempt; 0 before the first."""
    state: RegionState = RegionState.WAITING
    placement: dict[int, SlotRef] = field(default_factory=dict[int, SlotRef])
    tasks: dict[SubtaskId, TaskStatus] = field(default_factory=dict[SubtaskId, TaskStatus])
    history: History = field(default_factory=History)
    failure: Failure | None = None
    """Of the last attempt that failed."""
    failed_at: int = 0
    failed_number: int = 0
    """Its number; the next one may have begun meanwhile."""
    restored: str = ""
    """Directory of the checkpoint that the present attempt was restored from, if this leader deployed it."""
    start_by: int | None = None
    """Monotonic time by which the workers of the present attempt must have started. None when another leader deployed
    them, and when they read state first, which may take any time.
    """
    waiting_since: int = 0
    not_before: int = 0
    """Monotonic time before which it isn't placed again: the restart delay."""
    severed: set[Pair] = field(default_factory=set[Pair])
    """TaskManagers whose workers lost each other in the attempt that failed, and none had died: they are kept apart
    until the region has run again (law 9.2).
    """
    missing: set[SubtaskId] = field(default_factory=set[SubtaskId])
    """In RECONCILING: tasks that nobody has reported."""
    inherited: bool = False
    """Another leader deployed the present attempt."""
    reads: int = 0
    """See RegionRecord: what the present attempt was placed for."""
    lost: bool = False
    """It is FINISHED, but what its tasks have left for later stages is lost or damaged."""
    _in: Counter[TaskState] = field(default_factory=Counter[TaskState])
    """How many tasks are in each state."""
    _over: int = 0
    """How many have no input any more."""

    @property
    def attempt(self) -> RegionAttempt:
        """The present attempt, as messages name it."""
        return RegionAttempt(self.job, self.plan.id, self.number)

    @property
    def task_ids(self) -> Iterator[TaskId]:
        """All tasks of the present attempt."""
        return (TaskId(self.attempt, subtask) for subtask in self.plan.subtasks)

    @property
    def taskmanagers(self) -> set[TaskManagerId]:
        """Who holds a part of the present attempt."""
        return {slot.taskmanager for slot in self.placement.values()}

    @property
    def deployed(self) -> bool:
        """Workers of the present attempt may be running."""
        return self.state in DEPLOYED

    def worker(self, ordinal: int) -> WorkerId:
        """The id of a worker of the present attempt."""
        return worker_id(self.attempt, ordinal)

    def worker_of(self, subtask: SubtaskId) -> WorkerId:
        """The worker that runs a subtask in the present attempt."""
        return self.worker(self.plan.ordinals[subtask])

    def holder(self, subtask: SubtaskId) -> TaskManagerId:
        """The TaskManager that a subtask was placed on."""
        return self.placement[self.plan.ordinals[subtask]].taskmanager

    # ------------------------------------------------------------ steps

    def move(self, state: RegionState, reason: str) -> None:
        """Take a listed step; IllegalTransitionError for any other."""
        REGION_STATES.check(f"region {self.plan.id} of job {self.job[:8]}", self.state, state, reason)
        self.state = state

    def begin_attempt(self, placement: dict[int, SlotRef], reads: int = 0) -> None:
        """Placed: a new attempt with nothing reported."""
        self.number += 1
        self.placement = placement
        self.reads = reads
        self.restored, self.start_by, self.inherited = "", None, False
        self._begin(TaskState.CREATED)

    def restored_from(self, record: RegionRecord) -> None:
        """A new leader takes over what its predecessor stored."""
        self.number = record.attempt.number
        self.placement = {worker.ordinal: SlotRef(worker.taskmanager, worker.slot) for worker in record.workers}
        self.history = History(record.failures, record.backoff)
        self.reads = record.reads
        self._begin(TaskState.RECONCILING)
        self.missing = set(self.plan.subtasks)
        self.inherited = True
        self.state = RegionState.RECONCILING

    def _begin(self, state: TaskState) -> None:
        self.lost = False
        self.tasks = {subtask: TaskStatus(state) for subtask in self.plan.subtasks}
        self._in, self._over = Counter({state: len(self.tasks)}), 0

    def to_record(self) -> RegionRecord:
        """What is stored before anything is deployed."""
        workers = tuple(
            StoredWorker(self.worker(ordinal), ordinal, slot.taskmanager, slot.slot)
            for ordinal, slot in sorted(self.placement.items())
        )
        return RegionRecord(self.attempt, workers, self.history.failures, self.history.delay, self.reads)

    def report(self, report: TaskReport) -> bool:
        """Take a task's report; False when it belongs to another attempt or says nothing new."""
        if report.task.attempt != self.attempt or not self.deployed:
            return False
        status = self.tasks[report.task.subtask]
        self.missing.discard(report.task.subtask)
        self._count(status, -1)
        try:
            return self._take(report, status)
        finally:
            self._count(status, 1)

    def _take(self, report: TaskReport, status: TaskStatus) -> bool:
        changed = status.ended != report.ended and report.ended is not None
        status.commits_restored = status.commits_restored or report.commits_restored
        status.ended = report.ended or status.ended
        if report.state is not status.state and not TASK_STATES.is_final(status.state):
            self._advance(report.task, status, report.state)
            return True
        return changed

    def not_started(self) -> list[WorkerId]:
        """Deployed workers of which no task has reported by itself."""
        if self.state is not RegionState.DEPLOYING:
            return []
        return [self.worker(worker.ordinal) for worker in self.plan.workers if self._has_not_begun(worker)]

    def is_orphan(self, worker: WorkerId) -> bool:
        """Deployed by another leader, and nothing that ran in it has ever reported: what it was to begin with may have
        been that leader's to give.
        """
        mine = (known for known in self.plan.workers if self.worker(known.ordinal) == worker)
        return self.inherited and any(self._has_not_begun(known) for known in mine)

    def _has_not_begun(self, worker: WorkerPlan) -> bool:
        return all(self.tasks[subtask].state in _BEFORE_START for subtask in worker.subtasks)

    def _advance(self, task: TaskId, status: TaskStatus, state: TaskState) -> None:
        """Reports are states, not steps: those between may have been lost with a session."""
        path = _shortest_path(status.state, state)
        if not path:
            raise UnbelievableReportError(f"task {task} was {status.state.name} and is reported as {state.name}")
        for step in path:
            TASK_STATES.check(f"task {task}", status.state, step, "its TaskManager reported it")
            status.state = step

    # ------------------------------------------------------------ what its tasks add up to (asked after every event)

    def all_in(self, *states: TaskState) -> bool:
        """Every task is in one of the states."""
        return sum(self._in[state] for state in states) == len(self.tasks)

    def all_ended(self) -> bool:
        """Every task has reported the end of its inputs, or is FINISHED."""
        return self._over == len(self.tasks)

    def _count(self, status: TaskStatus, change: int) -> None:
        self._in[status.state] += change
        self._over += change * (status.ended is not None or status.state is TaskState.FINISHED)


def _shortest_path(source: TaskState, target: TaskState) -> list[TaskState]:
    paths: list[list[TaskState]] = [[source]]
    seen = {source}
    while paths:
        path = paths.pop(0)
        for state in sorted(TASK_STATES.targets(path[-1]), key=lambda state: list(TaskState).index(state)):
            if state is target:
                return [*path[1:], state]
            if state not in seen:
                seen.add(state)
                paths.append([*path, state])
    return []
