"""How a region's attempt is put on TaskManagers, and where it finds what earlier stages have left.

`DeployWorker` is small and goes through the session; what it names by digest is fetched in chunks (law 3.3): the job
graph, the region's deployment (the same for all its workers), and each worker's own restore. From graph and
deployment a worker computes its tasks and channels by `millstream_dataflow.plan`, the same function that the
JobManager planned with.
"""

from dataclasses import dataclass

from millstream_dataflow.identity import Epoch, RegionAttempt, SubtaskId, TaskManagerId, WorkerId
from millstream_dataflow.job_graph import BlobRef


@dataclass(frozen=True, slots=True)
class DataAddress:
    """Where a TaskManager's workers are reached: by socket files on the same machine, else through its data port."""

    host: str
    port: int
    directory: str
    """Private directory of the workers' Unix sockets."""
    machine: str
    """Equal for processes that can open each other's socket files."""
    results: str = ""
    """Private directory of what tasks of finished stages have left for later ones."""


@dataclass(frozen=True, slots=True)
class WorkerPlacement:
    """One worker of the attempt and where it runs."""

    worker: WorkerId
    ordinal: int
    taskmanager: TaskManagerId
    slot: int
    address: DataAddress


@dataclass(frozen=True, slots=True)
class ResultPlacement:
    """Where what one worker of a finished region has left is found. `ticket` proves to its TaskManager, when that is on
    another machine, that whoever asks belongs to the job.
    """

    attempt: RegionAttempt
    ordinal: int
    taskmanager: TaskManagerId
    address: DataAddress
    ticket: bytes


@dataclass(frozen=True, slots=True)
class RegionDeployment:
    """What all workers of one attempt must know of each other."""

    attempt: RegionAttempt
    epoch: Epoch
    secret: bytes
    """Proves to a peer that a connection belongs to this attempt."""
    workers: tuple[WorkerPlacement, ...]
    inputs: tuple[ResultPlacement, ...] = ()
    """The results that its tasks read."""


@dataclass(frozen=True, slots=True)
class DeployWorker:
    """Start one worker process and its tasks. Idempotent by worker id."""

    worker: WorkerId
    attempt: RegionAttempt
    slot: int
    ordinal: int
    subtasks: tuple[SubtaskId, ...]
    graph: BlobRef
    deployment: BlobRef
    restore: BlobRef | None = None
