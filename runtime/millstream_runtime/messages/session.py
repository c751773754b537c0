"""What flows in the one stream between a TaskManager and the leading JobManager (laws 3.1 to 3.6).

Every message of a TaskManager travels with its session, every message of a JobManager with its epoch (the envelopes
of `session.proto`). Commands are idempotent; nothing is replayed after a new session: its registration carries the
whole truth.
"""

from dataclasses import dataclass
from enum import Enum

from millstream_dataflow.identity import (
    CheckpointId,
    Epoch,
    JobId,
    OperatorId,
    RegionAttempt,
    TaskId,
    TaskManagerId,
    WorkerId,
)
from millstream_dataflow.job_graph import Versions
from millstream_dataflow.records import EndReason, SnapshotKind
from millstream_runtime.messages.deployments import DataAddress, DeployWorker
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.snapshots import TaskSnapshot
from millstream_runtime.states import TaskState

# ---------------------------------------------------------------- TaskManager to JobManager


@dataclass(frozen=True, slots=True)
class TaskReport:
    """A task's present state; final ones are reported until the leader confirms them."""

    task: TaskId
    state: TaskState
    failure: Failure | None = None
    ended: EndReason | None = None
    """All its inputs have ended, for this reason, and it will emit nothing more (law 5.2)."""
    commits_restored: bool = False
    """Every committable that it restored is committed (law 6.2)."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A worker that occupies a slot."""

    worker: WorkerId
    attempt: RegionAttempt
    slot: int


@dataclass(frozen=True, slots=True)
class CheckpointAcknowledged:
    """A task's part is durable. Repeated until confirmed."""

    task: TaskId
    checkpoint: CheckpointId
    snapshot: TaskSnapshot


@dataclass(frozen=True, slots=True)
class CheckpointDeclined:
    """A task could not take its part, or gave it up when its leader was lost. Repeated until confirmed."""

    task: TaskId
    checkpoint: CheckpointId
    failure: Failure


@dataclass(frozen=True, slots=True)
class Register:
    """The whole truth of a TaskManager, the first message of every session."""

    address: DataAddress
    slots: int
    versions: Versions
    epoch_seen: Epoch
    resource: str
    """Stable id of host and configuration: a new TaskManager with an old one's resource stands for it."""
    workers: tuple[WorkerReport, ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    acknowledgements: tuple[CheckpointAcknowledged, ...] = ()
    declines: tuple[CheckpointDeclined, ...] = ()
    jobs: tuple[JobId, ...] = ()
    """All that have left anything there: a leader in which they have ended says so."""
    leaving: bool = False
    """It said so already to whoever led then (see Leaving)."""
    results_key: bytes = b""
    """Of this start: whoever leads makes tickets with it, for workers that read results which lie there."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The TaskManager is to end: it takes no new tasks, and goes when it is dismissed, or when its grace is over."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent by both sides; it says only that the other is there."""

    sequence: int


@dataclass(frozen=True, slots=True)
class TaskStateChanged:
    """A task moved to another state, or its inputs have ended."""

    report: TaskReport


@dataclass(frozen=True, slots=True)
class PeerLost:
    """A data connection to a worker of another TaskManager closed; confirms a death at once (law 3.2)."""

    attempt: RegionAttempt
    peer: TaskManagerId


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker process is gone and its slot is free.

    `cause` is a sentence, with the last lines it printed if it died.
    """

    worker: WorkerId
    attempt: RegionAttempt
    slot: int
    died: bool
    cause: str


class MetricKind(Enum):
    """What a metric of a user's function is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    METER = "meter"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class UserMetric:
    """A metric of a user's function in one subtask, since its attempt began."""

    operator: str
    """What people call it."""
    name: str
    """Behind those of its groups, with dots between them."""
    kind: MetricKind
    count: int = 0
    """A counter's, or how many events or values there were."""
    value: float = 0.0
    """A gauge's; a meter's events a second; a distribution's sum."""
    low: float = 0.0
    high: float = 0.0
    """A distribution's least and greatest."""


@dataclass(frozen=True, slots=True)
class TaskTotals:
    """Counters of one task since its attempt began, for people; the audit has its own."""

    task: TaskId
    records_in: int
    records_out: int
    late: int
    watermark: int
    """Milliseconds since the epoch; the minimum of int64 before the first."""
    records_read: int = 0
    """By its source; 0 where it has none."""
    metrics: tuple[UserMetric, ...] = ()
    """Of its functions; at most 100 of each operator."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Totals of a TaskManager's running tasks, once a second."""

    tasks: tuple[TaskTotals, ...]


@dataclass(frozen=True, slots=True)
class SourceTime:
    """How far a source of an alignment group has come, told at every update (`millstream_dataflow.time.alignment`).

    Nothing of it is in a registration: it is told again anyway.
    """

    task: TaskId
    watermark: int
    """Milliseconds since the epoch; the minimum of int64 before the first."""
    idle: bool
    """It doesn't hold back the group."""


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """What user code printed; sent while somebody listens."""

    task: TaskId
    error_stream: bool
    text: str
    dropped: int = 0
    """How many lines are missing before it."""


@dataclass(frozen=True, slots=True)
class OperatorReply:
    """The answer of an operator to an OperatorRequest."""

    request: int
    payload: bytes
    failure: Failure | None = None


# ---------------------------------------------------------------- JobManager to TaskManager


@dataclass(frozen=True, slots=True)
class Registered:
    """The session stands. Times are milliseconds."""

    leader: str
    heartbeat_interval: int
    heartbeat_timeout: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The registration can't be taken; the sentence says why and what to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class CancelRegion:
    """End all workers of an attempt and of older ones: ask, then kill after `grace` milliseconds (law 3.6)."""

    attempt: RegionAttempt
    grace: int


@dataclass(frozen=True, slots=True)
class RegionEnded:
    """Everything of this attempt is settled.

    Its workers leave, its final states need not be reported again (law 3.4).
    """

    attempt: RegionAttempt


@dataclass(frozen=True, slots=True)
class ReleaseRegion:
    """The region's tasks are FINISHED, and what they have left for later stages is complete: its workers leave. The
    results stay, and so do the reports of its tasks, until the job or the region is done with (law 5.2).
    """

    attempt: RegionAttempt


@dataclass(frozen=True, slots=True)
class ConfirmAcknowledged:
    """The leader has this task's part of the checkpoint, or has no use for it any more."""

    task: TaskId
    checkpoint: CheckpointId


@dataclass(frozen=True, slots=True)
class TriggerCheckpoint:
    """Put a barrier into the outputs of these triggered tasks."""

    tasks: tuple[TaskId, ...]
    checkpoint: CheckpointId
    kind: SnapshotKind
    directory: str
    """The checkpoint's own directory."""


@dataclass(frozen=True, slots=True)
class CheckpointCompleted:
    """Stored: sinks commit everything up to it. Told at least once. After `last` the tasks end (law 5.2)."""

    attempt: RegionAttempt
    checkpoint: CheckpointId
    commits: bool
    """False for a savepoint that doesn't stop the job (law 4.7)."""
    last: bool


@dataclass(frozen=True, slots=True)
class CheckpointAborted:
    """Given up: tasks unblock, drop what they have begun of it and every barrier of it that turns up (law 4.2)."""

    attempt: RegionAttempt
    checkpoint: CheckpointId
    older_too: bool = False
    """Every unfinished one below it as well: what a new leader says of its predecessor's."""


class StopMode(Enum):
    """How the sources of a job that is to end behave (law 5.1)."""

    STOP = "stop"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class StopSources:
    """End the output of these triggered tasks; the final checkpoint follows when everything has ended (law 5.1)."""

    tasks: tuple[TaskId, ...]
    mode: StopMode


@dataclass(frozen=True, slots=True)
class LimitSources:
    """How far these sources of an alignment group may read.

    Each is told what is true now: one that is lost, or comes twice, does no harm.
    """

    tasks: tuple[TaskId, ...]
    time: int
    """The highest watermark that a split may have and be read on, milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class DropLeftovers:
    """Delete hidden files of former attempts of this sink, except those closed by these checkpoints (law 6.2)."""

    task: TaskId
    operator: OperatorId
    spared: tuple[CheckpointId, ...]


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A question to an operator of a running task, such as a collecting sink asked for results."""

    request: int
    task: TaskId
    operator: OperatorId
    payload: bytes


@dataclass(frozen=True, slots=True)
class ListenOutput:
    """Begin or cease sending what the tasks of a job print."""

    job: JobId
    listen: bool


@dataclass(frozen=True, slots=True)
class OutputTaken:
    """Who listens has taken so many characters more of what a task printed."""

    task: TaskId
    characters: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job's terminal state is recorded; everything of it can go."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Dismissed:
    """Nothing runs on a TaskManager that is leaving, and nothing will: it may go.

    Only the leader can say so, since a deployment may be on its way.
    """


FromTaskManager = (
    Register
    | Heartbeat
    | TaskStateChanged
    | CheckpointAcknowledged
    | CheckpointDeclined
    | PeerLost
    | WorkerEnded
    | Progress
    | TaskOutput
    | OperatorReply
    | Leaving
    | SourceTime
)

FromJobManager = (
    Registered
    | Refused
    | Heartbeat
    | DeployWorker
    | CancelRegion
    | RegionEnded
    | ReleaseRegion
    | ConfirmAcknowledged
    | TriggerCheckpoint
    | CheckpointCompleted
    | CheckpointAborted
    | StopSources
    | DropLeftovers
    | OperatorRequest
    | ListenOutput
    | OutputTaken
    | JobEnded
    | Dismissed
    | LimitSources
)
