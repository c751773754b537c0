"""The job record.

All that changes about a job and must outlive a JobManager, replaced as one (law 2; ARCHITECTURE 6).
"""

from dataclasses import dataclass, field
from enum import Enum

from millstream_dataflow.identity import CheckpointId, Epoch, JobId, RegionAttempt, TaskManagerId, WorkerId
from millstream_dataflow.job_graph import BlobRef
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import StopMode
from millstream_runtime.states import JobState

RECORD_FORMAT = 1


class Intent(Enum):
    """What a person wants of the job; a new leader carries it on (law 2.2)."""

    RUN = "run"
    CANCEL = "cancel"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class StoredWorker:
    """Where a worker of the region's attempt was placed."""

    worker: WorkerId
    ordinal: int
    taskmanager: TaskManagerId
    slot: int
    resource: str = ""
    """The TaskManager's stable resource, under which a successor of it may register."""


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """A region's attempt, stored before anything of it is deployed (law 1.3)."""

    attempt: RegionAttempt
    workers: tuple[StoredWorker, ...]
    failures: tuple[int, ...] = ()
    """Wall times of the failures that the restart strategy still counts, milliseconds."""
    backoff: int = 0
    """The restart strategy's present delay, milliseconds."""
    reads: int = 0
    """Of the regions that it reads results of, the numbers of their attempts, summed: they only grow, so the sum tells
    whether one has run again since.
    """


@dataclass(frozen=True, slots=True)
class CompletedCheckpoint:
    """A pointer: `_metadata` lies in `path`."""

    checkpoint: CheckpointId
    epoch: Epoch
    kind: SnapshotKind
    path: str
    completed_at: int
    """Wall time, milliseconds."""
    size: int
    discardable: bool
    """Ours to delete when retention lets it go; False for savepoints, and for what outlives its job (law 2.3)."""
    damaged: bool = False
    """Somebody couldn't restore from it: nobody restores from it again, under no leader (law 4.6)."""


@dataclass(frozen=True, slots=True)
class FormerSavepoints:
    """Savepoints that are too many to be told one by one: the ids of those that lie in one directory, in the order of
    their completion. Each is the directory `savepoint-<job>-<id>` in it.
    """

    directory: str
    checkpoints: tuple[CheckpointId, ...]


@dataclass(frozen=True, slots=True)
class SavepointRequest:
    """A savepoint that somebody asked for and has not got."""

    request: str
    target: str
    stop: bool
    mode: StopMode = StopMode.STOP


@dataclass(frozen=True, slots=True)
class SavepointResult:
    """How a savepoint ended: its path, or why there is none."""

    request: str
    path: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The job's state as its store keeps it. `nonce` names the write, so a reader recognises it (law 2.1)."""

    job: JobId
    name: str
    graph: BlobRef
    submitted_at: int
    """Wall time, milliseconds."""
    state: JobState
    version: int = 0
    nonce: str = ""
    intent: Intent = Intent.RUN
    regions: tuple[RegionRecord, ...] = ()
    reserved_checkpoints: CheckpointId = CheckpointId(0)
    """Ids below this are spoken for (law 1.4)."""
    checkpoints: tuple[CompletedCheckpoint, ...] = ()
    restore: CompletedCheckpoint | None = None
    """What the job was started from (`run -s`)."""
    savepoints: tuple[SavepointRequest, ...] = ()
    results: tuple[SavepointResult, ...] = ()
    failure: Failure | None = None
    ended_at: int = 0
    format: int = field(default=RECORD_FORMAT)
    former_savepoints: tuple[FormerSavepoints, ...] = ()
    """All that `checkpoints` doesn't list any more; like those it lists they are never deleted, and sinks spare what
    they name."""
