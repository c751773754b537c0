"""What a task of a worker process may ask of its surroundings, and how the loop turns it."""

from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Final

from millstream_dataflow.identity import CheckpointId, TaskId
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import CheckpointDeclined, Progress, SourceTime, TaskReport, TaskStateChanged
from millstream_runtime.messages.worker import FromWorker
from millstream_runtime.states import TASK_STATES
from millstream_taskmanager.task.snapshot import TaskPart
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import traceback_text
from millstream_taskmanager.worker.coroutines import CoroutinesOfTask
from millstream_taskmanager.worker.durability import SnapshotWriter
from millstream_taskmanager.worker.loop import WorkerLoop
from millstream_taskmanager.worker.output import COROUTINE_OF, TaskOutputs
from millstream_taskmanager.worker.scheduler import ScheduledCall, work_clock
from millstream_taskmanager.worker.task_log import TaskLog
from millstream_taskmanager.worker.threads import BlockingPool

_FETCHES: Final = 4  # files of a monitored directory that a task reads at once; more than two cores could unpack


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all tasks of a worker share."""

    loop: WorkerLoop
    outputs: TaskOutputs
    snapshots: SnapshotWriter
    say: Callable[[FromWorker], None]


class PeerLostError(Exception):
    """The connection with a worker that the tasks share channels with is gone."""


class TurnedTask:
    """A task, as the scheduler sees it: what it prints while it steps is its own."""

    __slots__ = ("_log", "_outputs", "task")

    def __init__(self, task: Task, log: TaskLog, outputs: TaskOutputs) -> None:
        self.task = task
        self._log = log
        self._outputs = outputs

    @property
    def runnable(self) -> bool:
        """See Runnable. Not while nobody takes what it has printed."""
        return self.task.runnable and not self._outputs.is_full(self._log)

    @property
    def background(self) -> bool:
        """See Runnable."""
        return self.task.background

    @property
    def urgent(self) -> bool:
        """See Runnable."""
        return self.task.urgent

    def step(self) -> None:
        """See Runnable."""
        self._outputs.speaks(self._log)
        self.task.step()


class WorkerDoors:
    """The doors of one task. See TaskDoors."""

    def __init__(self, task: TaskId, log: TaskLog, around: Surroundings) -> None:
        self._task = task
        self._around = around
        self.log = log
        self.turned: TurnedTask | None = None
        """The task itself, once it is there."""
        self._malformed = 0
        self._blocking = BlockingPool(f"task-{task.subtask}", 1, around.loop.call_from_thread)
        self._fetching = BlockingPool(f"fetch-{task.subtask}", _FETCHES, around.loop.call_from_thread)
        self.now = around.loop.clock
        self.delays = around.loop.delays
        self.work_clock = work_clock
        context = copy_context()
        context.run(COROUTINE_OF.set, log)
        self.coroutines = CoroutinesOfTask(around.loop.coroutines, context)

    def call_at(self, time: int, action: Callable[[], None]) -> ScheduledCall:
        """See TaskDoors."""
        return self._around.loop.call_at(time, action)

    def wake(self) -> None:
        """See TaskDoors."""
        if self.turned is not None:
            self._around.loop.scheduler.wake(self.turned)

    def rounds(self) -> int:
        """See TaskDoors."""
        return self._around.loop.scheduler.rounds

    def report(self, report: TaskReport) -> None:
        """See TaskDoors."""
        if self.turned is not None and TASK_STATES.is_final(report.state):
            # The last totals come before the last report, so that those of a job that has ended are exact.
            self._around.say(Progress((self.turned.task.totals(),)))
        self._around.say(TaskStateChanged(report))

    def tell_time(self, time: SourceTime) -> None:
        """See TaskDoors."""
        self._around.say(time)

    def acknowledge(self, part: TaskPart) -> None:
        """See TaskDoors."""
        self._around.snapshots.store(self._task, part)

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """See TaskDoors."""
        self._around.snapshots.forget(self._task, checkpoint, older_too=older_too)

    def decline(self, checkpoint: CheckpointId, failure: Failure) -> None:
        """See TaskDoors."""
        self._around.say(CheckpointDeclined(self._task, checkpoint, failure))

    def fail(self, report: TaskReport, error: Exception) -> None:
        """See TaskDoors. The task's own log has the whole of it; other tasks go on until the region is told to end.

        A lost peer isn't in the log: the JobManager knows whether it has failed, or ended a little earlier than this
        one, as when the job is cancelled.
        """
        if isinstance(error, PeerLostError):
            report = replace(report, failure=Failure(FailureKind.EXTERNAL, str(error), secondary=True))
        else:
            self._log(_told(report.failure, error))
        self.report(report)

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """See TaskDoors."""
        self._submit(self._blocking, job, then)

    def fetch(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """See TaskDoors."""
        self._submit(self._fetching, job, then)

    def _submit(self, pool: BlockingPool, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        def speaking() -> None:
            with self._around.outputs.speaking(self.log):
                job()

        def done(result: Exception | None) -> None:
            with self._around.outputs.speaking(self.log):
                then(result)

        pool.submit(speaking, done)

    def write_out(self, text: str) -> None:
        """See TaskDoors."""
        self._around.outputs.write(self.log, text, error=False)

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        """See TaskDoors."""
        self._malformed += 1
        self._log(f"{operator}: malformed record {self._malformed} at {place}: {reason}: {record}\n")

    def _log(self, text: str) -> None:
        self._around.outputs.write(self.log, text, error=True)


def _told(failure: Failure | None, error: Exception) -> str:
    """What the task's log says of it. Whoever reads it there may never see the error that ends the job."""
    if failure is None:
        return traceback_text(error)
    text = traceback_text(error) if failure.traceback else f"{failure.message}\n"
    return f"{text}{failure.place}\n" if failure.place else text
