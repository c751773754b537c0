"""What a client asks of a JobManager and what it is told: requests, and the views behind `list` and `info`.

Times are wall times in milliseconds since the epoch, 0 where something hasn't happened.
"""

from dataclasses import dataclass

from millstream_dataflow.identity import CheckpointId, Epoch, JobId, RegionId, TaskManagerId, VertexId
from millstream_dataflow.job_graph import BlobRef, JobGraph, Versions
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import StopMode, TaskTotals
from millstream_runtime.states import JobState, TaskState

# ---------------------------------------------------------------- requests that change something


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Run this graph, whose blobs were uploaded before; a known id returns that job's state (law 1.1)."""

    graph: JobGraph
    graph_blob: BlobRef
    restore_path: str = ""
    """Savepoint or checkpoint to start from."""
    allow_non_restored_state: bool = False
    accept_duplicates: bool = False
    """Start from an older checkpoint although sinks have committed since (law 4.6)."""


@dataclass(frozen=True, slots=True)
class CancelJob:
    """End the job without a savepoint."""

    job: JobId


@dataclass(frozen=True, slots=True)
class StopJob:
    """Take a savepoint and end the job; with DRAIN all windows fire first. `target` empty: the configured directory."""

    job: JobId
    request: str
    mode: StopMode
    target: str = ""


@dataclass(frozen=True, slots=True)
class TriggerSavepoint:
    """Take a savepoint; the job goes on. `request` makes a repeated call recognisable."""

    job: JobId
    request: str
    target: str = ""


# ---------------------------------------------------------------- answers and views


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One line of `millstream list`."""

    job: JobId
    name: str
    state: JobState
    note: str
    """What it waits for, such as `waiting for 3 of 4 slots`; empty when it needn't be said."""
    submitted_at: int
    ended_at: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """One subtask of a job as it stands."""

    vertex: VertexId
    index: int
    attempt: int
    state: TaskState
    taskmanager: TaskManagerId
    totals: TaskTotals | None = None
    name: str = ""
    """The vertex's, for people."""


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """One completed checkpoint or savepoint."""

    checkpoint: CheckpointId
    kind: SnapshotKind
    path: str
    completed_at: int
    duration: int
    """Milliseconds from trigger to stored pointer. It and all that follows but the size: 0 when an earlier leader took
    it.
    """
    size: int
    alignment_duration: int = 0
    """Milliseconds between its first and its last barrier at a task, the longest of all tasks."""
    persisted_data: int = 0
    """Bytes of records in flight that it stores: what barriers have overtaken."""
    unaligned: bool = False
    """Whether barriers have overtaken records."""


@dataclass(frozen=True, slots=True)
class CheckpointCounts:
    """How a job's checkpoints have gone under this leader."""

    completed: int
    failed: int
    in_progress: int
    last_failure: str


@dataclass(frozen=True, slots=True)
class EdgeAudit:
    """Both ends' counts of an edge at the last completed checkpoint.

    Equal but for what is in flight, or the checkpoint would have failed (law 10).
    """

    name: str
    sent: int
    received: int
    in_flight: int = 0
    """Records that were sent and not received, and are stored with the checkpoint."""
    restored: int = 0
    """Records in flight that the attempt began with, and that were received in it."""

    @property
    def balances(self) -> bool:
        """Whether every record is accounted for (law 10.1)."""
        return self.restored + self.sent == self.received + self.in_flight


@dataclass(frozen=True, slots=True)
class OperatorAudit:
    """An operator's totals since the job's beginning, at the last completed checkpoint."""

    name: str
    received: int
    processed: int
    late: int
    skipped: int
    quarantined: int
    held: int
    committed: int


@dataclass(frozen=True, slots=True)
class SavepointStatus:
    """How a savepoint request stands: neither path nor failure while it is under way."""

    request: str
    path: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RestartView:
    """A restart of a region, and the failure that it follows. `attempt` is the one that begins."""

    region: RegionId
    attempt: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class JobDetails:
    """Everything `millstream info <job>` and an attached client show."""

    status: JobStatus
    tasks: tuple[TaskView, ...] = ()
    checkpoints: tuple[CheckpointView, ...] = ()
    counts: CheckpointCounts | None = None
    edges: tuple[EdgeAudit, ...] = ()
    operators: tuple[OperatorAudit, ...] = ()
    savepoints: tuple[SavepointStatus, ...] = ()
    restarts: tuple[RestartView, ...] = ()
    """The last ones under this leader, the newest at the end."""


@dataclass(frozen=True, slots=True)
class TaskManagerView:
    """A registered TaskManager."""

    taskmanager: TaskManagerId
    host: str
    port: int
    slots: int
    free_slots: int
    leaving: bool = False
    """It is to end, and takes no new tasks."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as a whole."""

    leader: str
    epoch: Epoch
    versions: Versions
    taskmanagers: tuple[TaskManagerView, ...] = ()
    jobs: tuple[JobStatus, ...] = ()
