"""What the configuration says to the core, read once. Times are milliseconds.

`JobSettings` comes from the job graph's own options over the cluster's defaults; the names are those of the options.
"""

from dataclasses import dataclass
from enum import Enum

from millstream_dataflow.job_graph import Versions


class RestartKind(Enum):
    """Which restart strategy answers a failure."""

    NONE = "none"
    FIXED_DELAY = "fixed-delay"
    FAILURE_RATE = "failure-rate"
    EXPONENTIAL_DELAY = "exponential-delay"


@dataclass(frozen=True, slots=True)
class RestartSettings:
    """Flink's restart strategies with its defaults."""

    kind: RestartKind = RestartKind.EXPONENTIAL_DELAY
    attempts: int | None = None
    """How many restarts; None without end."""
    delay: int = 1_000
    """Of fixed-delay and failure-rate; the initial backoff of exponential-delay."""
    max_delay: int = 60_000
    multiplier: float = 1.5
    jitter: float = 0.1
    stable_after: int = 3_600_000
    """A region that ran this long counts as stable."""
    interval: int = 60_000
    """The sliding interval of failure-rate."""


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """Flink's checkpoint settings; `interval` None: only the final checkpoint of bounded input."""

    interval: int | None = None
    timeout: int = 600_000
    min_pause: int = 0
    max_concurrent: int = 1
    overtaking: bool = False
    """Barriers may overtake records, so nothing periodic begins while a savepoint is under way: they would overtake its
    barriers too."""
    tolerable_failures: int = 0
    retain_on_cancel: bool = False
    num_retained: int = 2
    directory: str = ""
    savepoint_directory: str = ""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """All that the core asks of one job's configuration."""

    checkpoints: CheckpointSettings = CheckpointSettings()
    restart: RestartSettings = RestartSettings()
    slot_request_timeout: int = 300_000
    cancellation_timeout: int = 180_000
    fail_on_imbalance: bool = True
    batch: bool = False
    """It runs in batch mode: there is no checkpoint but the final one, and no savepoint."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """All that the core asks of the cluster's configuration."""

    leader: str = "jobmanager"
    versions: Versions | None = None
    """The JobManager's own: a job is held against them as long as no TaskManager has registered."""
    heartbeat_interval: int = 10_000
    heartbeat_timeout: int = 50_000
    session_grace: int = 500
    """How long a closed stream may stay without a new session before it is a death (law 3.2)."""
    adoption_timeout: int = 10_000
    """How long a new leader waits for a silent TaskManager (law 3.4)."""
    deployment_timeout: int = 60_000
    """How long the workers of a region may take until they have started, if they have no state to restore."""
    old_worker_grace: int = 200
    """What workers of a failed attempt get before they are killed (law 3.6)."""
    primary_grace: int = 500
    """How long a failure that follows from another yields its name to a primary one."""
    retry_delay: int = 1_000
    """Between two tries at a store or storage that doesn't answer."""
    sweep_again: int = 600_000
    """Until the data of an ended job are to be deleted again, when storage refuses that at the end of its tombstone."""
    tombstone_time: int = 3_600_000
    """How long the record of an ended job is kept (jobstore.expiration-time)."""
