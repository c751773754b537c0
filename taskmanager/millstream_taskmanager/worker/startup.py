"""From the files that a TaskManager has fetched to the tasks of this worker (StartTasks)."""

import pickle
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_dataflow.identity import SubtaskId, TaskId
from millstream_dataflow.job_graph import BlobRef, JobGraph, Versions
from millstream_dataflow.plan import Plan
from millstream_runtime.checkpoint_files import CheckpointFileError, CorruptCheckpointError, SnapshotReader
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import RegionDeployment, WorkerPlacement
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.snapshots import TaskRestore, WorkerRestore
from millstream_runtime.messages.worker import StartTasks
from millstream_runtime.security import InternalTls
from millstream_runtime.versions import own_versions
from millstream_taskmanager.exchange.remote import RemoteChannels
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.restoring import restored_of
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import UserCode, failure_of
from millstream_taskmanager.worker.deployment import deploy
from millstream_taskmanager.worker.modules import add_artifacts, install_classes
from millstream_taskmanager.worker.options import WorkerOptions
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.settings import task_settings
from millstream_taskmanager.worker.stored import ResultPlaces, result_places


class WrongVersionsError(Exception):
    """The job's functions were pickled by other versions than those of this machine."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is to run, as its files say it."""

    orders: StartTasks
    plan: Plan
    deployment: RegionDeployment
    placement: WorkerPlacement
    restores: Mapping[SubtaskId, TaskRestore]

    @property
    def tasks(self) -> list[TaskId]:
        """The worker's own."""
        region = self.plan.regions[self.deployment.attempt.region]
        subtasks = region.workers[self.placement.ordinal].subtasks
        return [TaskId(self.deployment.attempt, subtask) for subtask in subtasks]

    def configuration(self, cluster: Mapping[str, str]) -> Configuration:
        """The cluster's, under the job's own."""
        return Configuration.from_strings(cluster).under(Configuration.from_strings(self.plan.graph.configuration))


def read_assignment(orders: StartTasks) -> Assignment:
    """Read the files. What is wrong with them is a mistake of the TaskManager."""
    graph = decode(JobGraph, Path(orders.graph_path).read_bytes())
    deployment = decode(RegionDeployment, Path(orders.deployment_path).read_bytes())
    placements = [placement for placement in deployment.workers if placement.worker == orders.worker]
    if len(placements) != 1:
        raise ValueError(f"{orders.deployment_path} places worker {orders.worker} {len(placements)} times, not once")
    restores: tuple[TaskRestore, ...] = ()
    if orders.restore_path:
        restores = decode(WorkerRestore, Path(orders.restore_path).read_bytes()).tasks
    by_subtask = {restore.subtask: restore for restore in restores}
    return Assignment(orders, Plan(graph), deployment, placements[0], by_subtask)


@dataclass(frozen=True, slots=True)
class Building:
    """What the tasks of an assignment are made with."""

    options: WorkerOptions
    peers: RemoteChannels | None
    doors_of: Callable[[TaskId], TaskDoors]


def build_tasks(assignment: Assignment, building: Building) -> list[Task]:
    """Load the program, then make the tasks. What it raises ends all of them: see `startup_failure`."""
    graph = assignment.plan.graph
    if wrong := list(differences(graph.versions, own_versions())):
        raise WrongVersionsError(f"the program was compiled by other versions: {'; '.join(wrong)}")
    load_program(graph, Path(assignment.orders.blob_directory), Path(building.options.directory))
    orders = Orders(
        plan=assignment.plan,
        attempts={task.subtask: task.attempt for task in assignment.tasks},
        settings=task_settings(
            assignment.configuration(building.options.configuration),
            results_wait=True,
            spill_directory=building.options.directory,
        ),
        blob=_blob_reader(assignment.orders.blob_directory),
        restored={subtask: restored_of(restore, SnapshotReader) for subtask, restore in assignment.restores.items()},
        peers=building.peers,
        results=_results(assignment, building.options) if assignment.plan.staged else None,
    )
    return deploy(orders, building.doors_of)


def _results(assignment: Assignment, options: WorkerOptions) -> ResultPlaces:
    configuration = Configuration.from_strings(options.configuration)

    def tls() -> ssl.SSLContext | None:
        return InternalTls(configuration).client_context() if configuration.get(security.INTERNAL_ENABLED) else None

    return result_places(options.results, assignment.placement, assignment.deployment, lru_cache(tls))


def load_program(graph: JobGraph, blobs: Path, directory: Path) -> None:
    """Modules on the import path, and classes under their names: those of all vertices, since records of any class of
    the program may come here, also where no function mentions it. Loading them runs code: whoever can submit a job
    can run what it likes here. Nothing asks who that is; by default the cluster listens on the loopback address alone.
    """
    add_artifacts(graph.artifacts, blobs, directory / "modules")
    read = _blob_reader(str(blobs))
    for vertex in graph.vertices:
        with UserCode(vertex.name):
            pickle.loads(read(vertex.functions))  # noqa: S301  # who may submit may run code
    install_classes()


def differences(job: Versions, here: Versions) -> Iterator[str]:
    """Each that isn't the same, as `python 3.12 there, 3.11 here`."""
    for field in fields(Versions):
        wanted, own = getattr(job, field.name), getattr(here, field.name)
        if wanted != own:
            yield f"{field.name} {wanted} there, {own} here"


def startup_failure(error: BaseException) -> Failure:
    """Why the tasks couldn't begin."""
    if isinstance(error, WrongVersionsError):
        mend = "run the program with the versions of the cluster, or install the program's on all TaskManagers"
        return Failure(FailureKind.USER, f"{error}; {mend}", restartable=False)
    if isinstance(error, ConfigurationError):
        return Failure(FailureKind.USER, str(error), restartable=False)
    if isinstance(error, CheckpointFileError):
        kind = FailureKind.CHECKPOINT if isinstance(error, CorruptCheckpointError) else FailureKind.EXTERNAL
        return Failure(kind, str(error))
    return failure_of(error)


def _blob_reader(directory: str) -> Callable[[BlobRef], bytes]:
    def read(blob: BlobRef) -> bytes:
        return (Path(directory) / blob.digest).read_bytes()

    return read
