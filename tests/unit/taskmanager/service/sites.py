"""A whole TaskManager in this process, with real worker processes, led by a scripted JobManager over gRPC."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from millstream import StreamExecutionEnvironment
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import taskmanager
from millstream_dataflow.identity import CheckpointId, TaskId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.session import (
    CheckpointAcknowledged,
    CheckpointCompleted,
    Register,
    TaskOutput,
    TaskReport,
    TaskStateChanged,
    TriggerCheckpoint,
)
from millstream_runtime.states import TaskState
from millstream_taskmanager.processes.pool import WorkerPool
from millstream_taskmanager.service import TaskManagerService
from tests.support.worker_jobs import Capture
from tests.unit.taskmanager.service.scripted import ScriptedJobManager, deployments


class Site:
    """A TaskManager and its JobManager, and what the test sees of their machine."""

    def __init__(self, taskmanager_: TaskManagerService, jobmanager: ScriptedJobManager, tmp: Path) -> None:
        self.taskmanager = taskmanager_
        self.jobmanager = jobmanager
        self.tmp = tmp

    async def registered(self) -> Register:
        return await self.jobmanager.heard(Register)

    async def orders(self, job: Capture) -> list[DeployWorker]:
        assert job.graph is not None
        register = await self.registered()
        places = {self.taskmanager.id: register.address}
        return deployments(self.jobmanager, job.graph, job.blobs.values(), places)

    async def deploy(self, job: Capture) -> DeployWorker:
        """The job's only worker."""
        [order] = await self.orders(job)
        await self.jobmanager.session.say(order)
        return order

    async def running(self, graph: JobGraph) -> None:
        await self.jobmanager.until(lambda: self.states(TaskState.RUNNING) >= len(Plan(graph).subtasks))

    def states(self, state: TaskState) -> int:
        """How many tasks have reported that state in the present session."""
        changes = self.jobmanager.session.of(TaskStateChanged) if self.jobmanager.sessions else []
        return len({change.report.task for change in changes if change.report.state is state})

    def blobs(self) -> list[str]:
        return sorted(path.name for path in self.tmp.glob("ms-*/blobs/*"))

    def forkserver(self) -> int:
        """Its pid."""
        pool = self.taskmanager._launcher.pool
        assert isinstance(pool, WorkerPool)
        assert pool._forkserver is not None
        return pool._forkserver.pid

    def workers(self) -> list[int]:
        return children(self.forkserver())


def children(parent: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = path.read_text().rpartition(")")[2].split()
            if after_name[1] == str(parent) and after_name[0] not in "ZX" and "python" in _program(path.parent):
                found.append(int(path.parent.name))
    return [pid for pid in found if "resource_tracker" not in _program(Path(f"/proc/{pid}"))]


def _program(process: Path) -> str:
    return (process / "cmdline").read_text()


def configured(tmp: Path, **options: str) -> Configuration:
    tmp.mkdir(exist_ok=True)
    configuration = Configuration().with_(taskmanager.TMP_DIRS, (str(tmp),))
    for key, value in {"taskmanager.numberOfTaskSlots": "2", **options}.items():
        configuration = configuration.with_text(key, value)
    return configuration


# ------------------------------------------------------------------------------------------------ programs


def totals(env: StreamExecutionEnvironment) -> None:
    numbers = env.from_collection(range(10)).map(lambda n: (n % 2, n))
    numbers.key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).print()


def endless(env: StreamExecutionEnvironment) -> None:
    """Waits for its JobManager before it ends: the final checkpoint never comes."""
    env.from_collection([1]).print()


async def finish(jobmanager: ScriptedJobManager, graph: JobGraph, directory: Path) -> str:
    """What a JobManager does at the end of a bounded job; what it has printed."""
    plan = Plan(graph)
    tasks = len(plan.subtasks)

    def changed(condition: Callable[[TaskReport], object]) -> bool:
        reports = [change.report for change in jobmanager.all_of(TaskStateChanged)]
        return len({report.task for report in reports if condition(report)}) == tasks

    await jobmanager.until(lambda: changed(lambda report: report.ended))
    attempt = jobmanager.all_of(TaskStateChanged)[0].report.task.attempt
    triggered = tuple(TaskId(attempt, subtask) for subtask in plan.triggered)
    await jobmanager.say_all(
        TriggerCheckpoint(triggered, CheckpointId(1), SnapshotKind.FINAL, str(directory / "chk-1"))
    )
    await jobmanager.until(lambda: len(jobmanager.all_of(CheckpointAcknowledged)) == tasks)
    await jobmanager.say_all(CheckpointCompleted(attempt, CheckpointId(1), commits=True, last=True))
    await jobmanager.until(lambda: changed(lambda report: report.state is TaskState.FINISHED))
    return "".join(output.text for output in jobmanager.all_of(TaskOutput))
