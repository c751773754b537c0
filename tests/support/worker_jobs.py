"""Programs as jobs of one region, and a TaskManager that speaks with their workers through a pool, for tests of worker
processes. What the JobManager would say it says itself: it takes the final checkpoint and lets everybody go.
"""

import asyncio
import os
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from millstream import StreamExecutionEnvironment
from millstream.execution.context import ProgramContext, program_context
from millstream.execution.job_client import JobClient
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import (
    CheckpointId,
    Digest,
    Epoch,
    RegionAttempt,
    RegionId,
    TaskId,
    TaskManagerId,
    WorkerId,
    worker_id,
)
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import EndReason, SnapshotKind
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment, WorkerPlacement
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import (
    CheckpointAcknowledged,
    CheckpointCompleted,
    TaskOutput,
    TaskStateChanged,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import TaskSnapshot, WorkerRestore
from millstream_runtime.messages.worker import CancelTasks, FromWorker, StartTasks
from millstream_runtime.states import TaskState
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.processes.pool import WorkerPool

T = TypeVar("T")


# ------------------------------------------------------------------------------------------------------ programs


class Capture:
    """An executor that keeps what it is given."""

    def __init__(self) -> None:
        self.graph: JobGraph | None = None
        self.blobs: Mapping[Digest, bytes] = {}

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """Nothing runs."""
        self.graph, self.blobs = graph, blobs
        return cast(JobClient, Future[None]())


@contextmanager
def captured() -> Generator[Capture]:
    """Within the block `execute_async` of the environment gives its job to the capture."""
    capture = Capture()
    with program_context(ProgramContext(Configuration(), executor=capture)):
        yield capture


def compiled(program: Callable[[StreamExecutionEnvironment], Any]) -> Capture:
    """The job that a program writes down."""
    with captured() as capture:
        env = StreamExecutionEnvironment.get_execution_environment()
        program(env)
        env.execute_async()
    return capture


# ------------------------------------------------------------------------------------------------ a job's files


class JobFiles:
    """A job as a TaskManager has fetched it: blobs, and what each start needs."""

    def __init__(self, job: Capture, directory: Path) -> None:
        assert job.graph is not None
        self.graph = job.graph
        self.plan = Plan(job.graph)
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        (directory / "graph").write_bytes(encode(job.graph))
        for digest, data in job.blobs.items():
            (directory / digest).write_bytes(data)

    def orders(self, attempt: int = 1, restore: WorkerRestore | None = None) -> list[StartTasks]:
        """For the workers of the only region."""
        [region] = self.plan.regions
        number = RegionAttempt(self.graph.job, RegionId(0), attempt)
        ids = [worker_id(number, worker.ordinal) for worker in region.workers]
        sockets = str(self.directory.parent)  # the path of a socket may not be long
        address = DataAddress("", 0, sockets, "here")
        placements = [
            WorkerPlacement(name, ordinal, TaskManagerId("tm"), ordinal, address) for ordinal, name in enumerate(ids)
        ]
        deployment = self.directory / f"deployment-{attempt}"
        deployment.write_bytes(encode(RegionDeployment(number, Epoch(1), b"secret", tuple(placements))))
        restore_path = self.directory / f"restore-{attempt}"
        if restore is not None:
            restore_path.write_bytes(encode(restore))
        return [
            StartTasks(
                name,
                str(self.directory / "graph"),
                str(deployment),
                str(restore_path) if restore is not None else "",
                str(self.directory),
                socket_path(sockets, name),
            )
            for name in ids
        ]

    def tasks(self, attempt: int = 1) -> list[TaskId]:
        """All of them."""
        return [TaskId(RegionAttempt(self.graph.job, RegionId(0), attempt), subtask) for subtask in self.plan.subtasks]

    def triggered(self, attempt: int = 1) -> tuple[TaskId, ...]:
        """Those that take triggers."""
        return tuple(task for task in self.tasks(attempt) if task.subtask in self.plan.triggered)


# ------------------------------------------------------------------------------------------------ a TaskManager


@dataclass
class Heard:
    """All that one worker has said, and its end."""

    messages: list[FromWorker] = field(default_factory=list[FromWorker])
    cause: str | None = None
    crashed: bool = False

    def of(self, kind: type[T]) -> list[T]:
        """Its messages of one kind."""
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def states(self) -> dict[TaskId, TaskState]:
        """The last that each task has reported."""
        return {message.report.task: message.report.state for message in self.of(TaskStateChanged)}

    @property
    def ended(self) -> dict[TaskId, EndReason | None]:
        """Why each task's data has ended, where it has."""
        return {message.report.task: message.report.ended for message in self.of(TaskStateChanged)}

    @property
    def failures(self) -> list[Failure]:
        """Of its tasks."""
        return [message.report.failure for message in self.of(TaskStateChanged) if message.report.failure is not None]

    @property
    def output(self) -> str:
        """What its tasks have printed to whoever listens."""
        return "".join(message.text for message in self.of(TaskOutput))


class FakeTaskManager:
    """A listener of a pool that waits for what it hears."""

    def __init__(self) -> None:
        self._heard: dict[WorkerId, Heard] = {}
        self._news = asyncio.Condition()
        self._tasks = set[asyncio.Task[None]]()
        self.on_output: Callable[[WorkerId, TaskOutput], None] = lambda _worker, _output: None
        """Whoever listens may say that it has taken it."""

    def __getitem__(self, worker: WorkerId) -> Heard:
        return self._heard.setdefault(worker, Heard())

    def said(self, worker: WorkerId, message: FromWorker) -> None:
        """See PoolListener."""
        assert self[worker].cause is None, "a worker spoke after its end was reported"
        self[worker].messages.append(message)
        if isinstance(message, TaskOutput):
            self.on_output(worker, message)
        self._tell()

    def exited(self, worker: WorkerId, cause: str, crashed: bool) -> None:
        """See PoolListener."""
        assert self[worker].cause is None, "an end was reported twice"
        self[worker].cause, self[worker].crashed = cause, crashed
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, condition: Callable[[], T], seconds: float = 30) -> T:
        """Wait until something is true, asked at each message."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(condition), seconds)
            except TimeoutError:
                heard = {name: (one.states, one.failures, one.cause) for name, one in list(self._heard.items())[-2:]}
                raise AssertionError(f"waited in vain; the last workers: {heard}") from None
        return condition()

    async def end_of(self, worker: WorkerId) -> str:
        """Wait for it; gives the cause."""
        await self.until(lambda: self[worker].cause is not None)
        return self[worker].cause or ""


async def finish(
    pool: WorkerPool,
    manager: FakeTaskManager,
    job: JobFiles,
    attempt: int = 1,
    checkpoint: CheckpointId = CheckpointId(1),
) -> list[TaskSnapshot]:
    """Let a bounded job with one worker come to its end: its final checkpoint, and FINISHED. Gives the checkpoint."""
    [orders] = job.orders(attempt)
    worker, tasks = orders.worker, set(job.tasks(attempt))
    heard = manager[worker]

    def failed_or(states: Callable[[], bool]) -> bool:
        assert not heard.failures, heard.failures
        assert heard.cause is None, heard.cause
        return states()

    await manager.until(lambda: failed_or(lambda: len([t for t, r in heard.ended.items() if r]) == len(tasks)))
    directory = str(job.directory / f"chk-{checkpoint}")
    pool.send(worker, TriggerCheckpoint(job.triggered(attempt), checkpoint, SnapshotKind.FINAL, directory))
    await manager.until(lambda: failed_or(lambda: len(heard.of(CheckpointAcknowledged)) == len(tasks)))
    pool.send(
        worker,
        CheckpointCompleted(RegionAttempt(job.graph.job, RegionId(0), attempt), checkpoint, commits=True, last=True),
    )
    await manager.until(lambda: failed_or(lambda: set(heard.states.values()) == {TaskState.FINISHED}))
    return [message.snapshot for message in heard.of(CheckpointAcknowledged)]


async def leave(pool: WorkerPool, manager: FakeTaskManager, worker: WorkerId) -> str:
    """Tell a worker to leave; gives the cause of its end."""
    pool.send(worker, CancelTasks("the test is over"))
    return await manager.end_of(worker)


# ------------------------------------------------------------------------------------------------- processes


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def gone(pids: list[int], seconds: float = 20) -> None:
    """Wait until none of these processes runs."""
    end = asyncio.get_running_loop().time() + seconds
    while left := [pid for pid in pids if is_alive(pid)]:
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"processes {left} still run; this one is {os.getpid()}")
        await asyncio.sleep(0.01)
