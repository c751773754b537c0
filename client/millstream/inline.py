"""Inline execution: the whole job in the program's own process and thread, task by task, as a debugger wants it.

Same graph, same functions (each subtask unpickles its own, as in a worker), same tasks as on a cluster; channels hand
batches over by reference, and what may block is done at once. An exception of the user's code leaves `execute()` as it
is, with the user's part of its traceback, so `breakpoint()` and post-mortem debuggers stand where it was raised, and so
does Ctrl-C, which cancels the job. Only what means something else to the program around (`StopIteration`,
`sys.exit()`, whatever else is no `Exception`) leaves as a JobFailedError.

A job runs to its end within `submit`, so `execute_async` refuses one that has none. One whose records are fetched
(`execute_and_collect`) runs while they are.
There are no periodic checkpoints; the final one, which lets sinks commit, is answered at once (law 5.4).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from millstream.errors import ExecutionError, JobCanceledError, JobFailedError, JobRefusedError
from millstream.execution.job_client import JobClient, no_accumulators
from millstream.execution.job_execution_result import JobExecutionResult
from millstream.submission.brief import OutputClosedError, OutputLostError, brief_ends
from millstream.submission.program_streams import ProgramStreams
from millstream.submission.verdict import failed_because
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import client
from millstream_dataflow.identity import CheckpointId, Digest, JobId, OperatorId, RegionAttempt, TaskId
from millstream_dataflow.job_graph import Exchange, JobGraph
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import Barrier, SnapshotKind
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import SourceTime, TaskReport
from millstream_runtime.states import JOB_STATES, JobState, TaskState
from millstream_runtime.user_frames import raise_for_user
from millstream_taskmanager.operators.collect import CollectOperator
from millstream_taskmanager.task.local_alignment import LocalAlignment
from millstream_taskmanager.task.snapshot import TaskPart
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import (
    FunctionExitError,
    UnsupportedOperatorError,
    UserCodeError,
    user_error,
)
from millstream_taskmanager.worker.coroutines import Coroutines, CoroutinesOfTask
from millstream_taskmanager.worker.deployment import deploy, ranks
from millstream_taskmanager.worker.loop import STINT_NS, steady_clock
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.scheduler import Delays, ScheduledCall, Scheduler, work_clock
from millstream_taskmanager.worker.settings import task_settings

T = TypeVar("T")

_FINAL = CheckpointId(1)
_UNSAFE = (StopIteration, StopAsyncIteration, FunctionExitError)
"""What must not leave as it is, nor what is no Exception: it would end a loop, a generator or a coroutine of the
program, or the program, without a word.
"""

_LONGEST_NAP_S = 60.0  # Ctrl-C ends a nap, but a clock that is set back should not make it longer


class InlineExecutor:
    """Runs jobs in the thread that calls. See the module."""

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """Run the job to its end, unless its records are to be fetched. What the user's code raises, this raises."""
        job = InlineJob(graph, blobs, configuration)
        if not job.is_fetched:
            job.run()
        return job


class InlineJob:
    """A job of this process, and the handle on it."""

    def __init__(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> None:
        """JobRefusedError when there is an operator that this version can't run."""
        plan = Plan(_at_once(graph))
        attempts = {subtask: RegionAttempt(graph.job, plan.region_of[subtask], 1) for subtask in plan.subtasks}
        orders = Orders(plan, attempts, task_settings(configuration), lambda blob: blobs[blob.digest])
        self._id = graph.job
        self._name = graph.name
        self._scheduler = Scheduler()
        self._delays = Delays(steady_clock)
        self._coroutines = Coroutines()
        self._coroutines_turned = 0
        self._doors: dict[TaskId, _InlineDoors] = {}
        self._failure: Exception | None = None
        self._round = _FinalRound(plan)
        self._alignment = LocalAlignment(plan)
        try:
            tasks = deploy(orders, self._open_doors)
        except UnsupportedOperatorError as error:
            raise JobRefusedError(f"{error}; nothing was started", job=graph.job) from error
        self._tasks = {task.place.task: task for task in tasks}
        self._alignment.watch(tasks)
        rank_of = ranks(plan)
        for task in tasks:
            self._doors[task.place.task].task = task
            self._scheduler.add(task, rank_of[task.place.task.subtask.vertex])
        self._state = JobState.CREATED
        self._started = time.monotonic_ns()
        self._runtime = 0

    # ------------------------------------------------------------------------------------------------ running

    @property
    def is_fetched(self) -> bool:
        """Whether somebody will fetch records, and so turn the job."""
        return any(
            isinstance(operator, CollectOperator) for task in self._tasks.values() for operator in task.chain.operators
        )

    def run(self) -> None:
        """To the end. Raises what the user's code raises."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        """A step, or a nap until there is one to do; False when the job is over."""
        if JOB_STATES.is_final(self._state):
            return False
        self._state = JobState.RUNNING
        try:
            self._scheduler.run_timers(now())
            self._delays.run()
            self._turn_coroutines()
            if not self._scheduler.step() and not self._round.goes_on(self._tasks):
                self._nap()
        except BaseException:  # Ctrl-C
            self._end(JobState.CANCELED)
            raise
        if self._failure is not None:
            self._raise(self._failure)
        if all(task.state is TaskState.FINISHED for task in self._tasks.values()):
            self._end(JobState.FINISHED)
        return self._state is JobState.RUNNING

    def _turn_coroutines(self) -> None:
        """Each millisecond, as in a worker."""
        if self._coroutines.active and time.monotonic_ns() - self._coroutines_turned >= STINT_NS:
            self._coroutines.turn(0)
            self._coroutines_turned = time.monotonic_ns()

    def _nap(self) -> None:
        """Nothing to do before the next timer, or before a coroutine has ended."""
        due, wait = self._scheduler.next_timer(), self._delays.wait()
        if due is None and wait is None and not self._coroutines.pending:
            places = ", ".join(f"{task.place.vertex_name} {task.ending.phase.value}" for task in self._tasks.values())
            raise ExecutionError(f"the job stands still, which is a mistake of Millstream: {places}", job=self._id)
        naps = [_LONGEST_NAP_S] if wait is None else [_LONGEST_NAP_S, wait / 1_000]
        if due is not None:
            naps.append(max((due - now()) / 1_000, 0.0))
        if self._coroutines.active:
            self._coroutines.turn(min(naps))
        else:
            time.sleep(min(naps))

    def _raise(self, failure: Exception) -> NoReturn:
        if not isinstance(failure, UserCodeError):
            self._end(JobState.FAILED)
            raise failure
        cause = failure.cause
        if isinstance(cause, KeyboardInterrupt):  # Ctrl-C, most likely, wherever the job was
            self._end(JobState.CANCELED)
            raise_for_user(cause)
        self._end(JobState.FAILED)
        if isinstance(cause, OutputClosedError | OutputLostError):
            with brief_ends():
                raise cause
        if isinstance(cause, _UNSAFE) or not isinstance(cause, Exception):
            told = failure.failure()
            raise JobFailedError(failed_because(self._name, self._id, told), job=self._id, failure=told) from cause
        cause.add_note(failure.failure().place)
        if failure.says_all:
            cause.__traceback__ = None
        raise_for_user(cause)

    def _end(self, state: JobState) -> None:
        self._state = state
        self._runtime = (time.monotonic_ns() - self._started) // 1_000_000
        for task in self._tasks.values():
            task.cancel()
        self._coroutines.close()

    # ---------------------------------------------------------------------------------------------- the handle

    def get_job_id(self) -> JobId:
        """See JobClient."""
        return self._id

    def get_job_status(self) -> Future[JobState]:
        """See JobClient."""
        return _done(self._state)

    def observe(self, observer: Callable[[JobDetails], None]) -> None:
        """See JobClient."""

    def cancel(self) -> Future[None]:
        """See JobClient."""
        if not JOB_STATES.is_final(self._state):
            self._end(JobState.CANCELED)
        return _done(None)

    def stop_with_savepoint(
        self,
        advance_to_end_of_event_time: bool,  # noqa: FBT001  # PyFlink's signature
        savepoint_directory: str | None = None,
    ) -> Future[str]:
        """Not inline."""
        return self._no_savepoints()

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> Future[str]:
        """Not inline."""
        return self._no_savepoints()

    def get_accumulators(self) -> Future[dict[str, Any]]:
        """See JobClient."""
        return no_accumulators()

    def get_job_execution_result(self) -> Future[JobExecutionResult]:
        """See JobClient. Runs the job to its end, and raises what the user's code raises."""
        self.run()
        if self._state is JobState.FINISHED:
            return _done(JobExecutionResult(self._id, self._runtime))
        if self._state is JobState.CANCELED:
            return _failed(JobCanceledError("the job was cancelled", job=self._id))
        return _failed(JobFailedError("the job has failed; its error was raised where it ran", job=self._id))

    def fetch_records(self, operator: OperatorId) -> Iterator[Any]:
        """See JobClient. Runs the job while records are taken."""
        collectors = self._collectors(operator)
        try:
            running = True
            while running:
                running = self._turn()
                for collector in collectors:
                    yield from collector.fetch()
        finally:
            self.cancel()
        if self._state is JobState.CANCELED:
            raise JobCanceledError("the job was cancelled before all of its records were fetched", job=self._id)

    def _collectors(self, operator: OperatorId) -> list[CollectOperator]:
        found = [one for task in self._tasks.values() if isinstance(one := task.chain.find(operator), CollectOperator)]
        if not found:
            raise ExecutionError(f"operator {operator} of job {self._id} collects no records", job=self._id)
        return found

    def _no_savepoints(self) -> Future[str]:
        target = client.TARGET.key
        message = f"inline execution takes no savepoints; run the job on a cluster ({target}: embedded or remote)"
        return _failed(ExecutionError(message, job=self._id))

    # ------------------------------------------------------------------------------------------------- doors

    def _open_doors(self, task: TaskId) -> "_InlineDoors":
        turned = _Turned(self._scheduler, self._delays, self._coroutines)
        doors = self._doors[task] = _InlineDoors(turned, self._round, self._alignment.heard, self._failed)
        return doors

    def _failed(self, error: Exception) -> None:
        self._failure = self._failure or error


def _at_once(graph: JobGraph) -> JobGraph:
    """All stages together: nobody spares slots here, and grouped operators wait for the end of their input anyway."""
    edges = tuple(replace(edge, exchange=Exchange.PIPELINED) for edge in graph.edges)
    return replace(graph, edges=edges)


class _FinalRound:
    """The one checkpoint of an inline job: when every task has ended it is taken, and is stored at once (law 5.4)."""

    def __init__(self, plan: Plan) -> None:
        self._triggered = plan.triggered
        self._ended = set[TaskId]()
        self._acknowledged = 0
        self._begun = False
        self._told = False

    def report(self, report: TaskReport) -> None:
        """A task tells where it is."""
        if report.ended is not None:
            self._ended.add(report.task)

    def acknowledge(self) -> None:
        """A task's part is there."""
        self._acknowledged += 1

    def goes_on(self, tasks: Mapping[TaskId, Task]) -> bool:
        """Take the next step of the round if it is due, and say whether it was."""
        if not self._begun and len(self._ended) == len(tasks):
            self._begun = True
            for task in tasks.values():
                if task.place.task.subtask in self._triggered:
                    task.trigger(Barrier(_FINAL, SnapshotKind.FINAL))
        elif not self._told and self._acknowledged == len(tasks):
            self._told = True
            for task in tasks.values():
                task.completed(_FINAL, commits=True, last=True)
        else:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Turned:
    """What the job turns."""

    scheduler: Scheduler
    delays: Delays
    coroutines: Coroutines


class _InlineDoors:
    """The doors of one task."""

    def __init__(
        self,
        turned: _Turned,
        round_: _FinalRound,
        heard: Callable[[SourceTime], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._scheduler = turned.scheduler
        self._heard = heard
        self._streams = ProgramStreams()
        self.delays = turned.delays
        self.coroutines = CoroutinesOfTask(turned.coroutines)
        self.work_clock = work_clock
        self._round = round_
        self._failed = failed
        self.task: Task | None = None

    def now(self) -> int:
        return now()

    def call_at(self, time: int, action: Callable[[], None]) -> ScheduledCall:
        return self._scheduler.call_at(time, action)

    def wake(self) -> None:
        if self.task is not None:
            self._scheduler.wake(self.task)

    def rounds(self) -> int:
        return self._scheduler.rounds

    def report(self, report: TaskReport) -> None:
        self._round.report(report)

    def tell_time(self, time: SourceTime) -> None:
        self._heard(time)

    def acknowledge(self, part: TaskPart) -> None:
        """At once, as everything here; what is raised ends the task."""
        for job in part.make_durable:
            job()
        self._round.acknowledge()

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """Nothing was kept."""

    def decline(self, checkpoint: CheckpointId, failure: Failure) -> None:
        self._failed(ExecutionError(f"the final checkpoint could not be taken: {failure}"))

    def fail(self, report: TaskReport, error: Exception) -> None:
        self._failed(error)

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """At once: there is nobody else to do it."""
        error: Exception | None = None
        try:
            job()
        except BaseException as problem:  # noqa: BLE001  # the user's committer may raise what it likes
            error = user_error(problem, "")
        then(error)

    def fetch(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        self.run_blocking(job, then)

    def write_out(self, text: str) -> None:
        self._streams.write(text, error_stream=False)

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        self._streams.write(f"{operator}: malformed record at {place}: {reason}: {record}\n", error_stream=True)


def now() -> int:
    """Processing time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _done(result: T) -> Future[T]:
    future = Future[T]()
    future.set_result(result)
    return future


def _failed(error: Exception) -> Future[Any]:
    future = Future[Any]()
    future.set_exception(error)
    return future
