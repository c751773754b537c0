"""State and its checkpoints: how often, how long, how many are kept, and where."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between, only
from millstream_dataflow.configuration.enums import (
    CheckpointingMode,
    CheckpointStorage,
    ExternalizedCheckpointRetention,
    StateBackend,
)
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, INT, SHARED_LOCATION, maybe, one_of
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

INTERVAL: Final = Option(
    "execution.checkpointing.interval",
    maybe(DURATION),
    None,
    "How often a checkpoint is triggered; without it there is none but the final one of bounded input.",
    Scope.JOB,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
)
MODE: Final = Option(
    "execution.checkpointing.mode",
    one_of(CheckpointingMode),
    CheckpointingMode.EXACTLY_ONCE,
    "Whether barriers are aligned, so that each record shows in the state exactly once after a failure.",
    Scope.JOB,
)
TIMEOUT: Final = Option(
    "execution.checkpointing.timeout",
    DURATION,
    timedelta(minutes=10),
    "How long a checkpoint may take before it is aborted.",
    Scope.JOB,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
)
MIN_PAUSE: Final = Option(
    "execution.checkpointing.min-pause",
    DURATION,
    timedelta(0),
    "The least time between the end of a checkpoint and the trigger of the next.",
    Scope.JOB,
)
MAX_CONCURRENT: Final = Option(
    "execution.checkpointing.max-concurrent-checkpoints",
    INT,
    1,
    "How many checkpoints may be under way at once.",
    Scope.JOB,
    unit="checkpoints",
    check=between(1, 100),
)
TOLERABLE_FAILURES: Final = Option(
    "execution.checkpointing.tolerable-failed-checkpoints",
    INT,
    0,
    "How many checkpoints in a row may fail before the job fails over.",
    Scope.JOB,
    unit="checkpoints",
    check=at_least(0),
)
RETENTION: Final = Option(
    "execution.checkpointing.externalized-checkpoint-retention",
    one_of(ExternalizedCheckpointRetention),
    ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS,
    "Whether a cancelled job's checkpoints are kept (RETAIN_ON_CANCELLATION) or deleted (both others).",
    Scope.JOB,
    flink=FlinkDifference("a job that FAILED keeps its checkpoints with every value, until somebody disposes of them"),
)
NUM_RETAINED: Final = Option(
    "execution.checkpointing.num-retained",
    INT,
    2,
    "How many completed checkpoints are kept.",
    Scope.JOB,
    unit="checkpoints",
    check=between(1, 1000),
    flink=FlinkDifference("when a file of the newest is damaged there is one to go back to", default="1"),
    deprecated_keys=("state.checkpoints.num-retained",),
)
DIRECTORY: Final = Option(
    "execution.checkpointing.dir",
    maybe(SHARED_LOCATION),
    None,
    "The directory of checkpoints, an absolute path or a URI (docs/storage.md), which every process of the cluster "
    "must reach; without it, 'checkpoints' in the job store, which only serves a cluster on one host.",
    Scope.JOB,
    flink=FlinkDifference("without it Flink keeps checkpoints in the JobManager's memory, and loses them with it"),
    deprecated_keys=("state.checkpoints.dir", "state.backend.fs.checkpointdir"),
)
SAVEPOINT_DIRECTORY: Final = Option(
    "execution.checkpointing.savepoint-dir",
    maybe(SHARED_LOCATION),
    None,
    "The directory of savepoints for which no other is named, an absolute path or a URI; without it, "
    "'savepoints' in the job store.",
    Scope.JOB,
    flink=FlinkDifference("without it Flink refuses a savepoint that names no directory"),
    deprecated_keys=("state.savepoints.dir", "savepoints.state.backend.fs.dir"),
)
STORAGE: Final = Option(
    "execution.checkpointing.storage",
    one_of(CheckpointStorage),
    CheckpointStorage.FILESYSTEM,
    "Where the bytes of checkpoints lie; always in files.",
    Scope.JOB,
    flink=FlinkDifference(
        "a checkpoint in memory dies with the JobManager", default="none, which is the JobManager's memory"
    ),
    deprecated_keys=("state.checkpoint-storage",),
)
INLINE_THRESHOLD: Final = Option(
    "execution.checkpointing.data-inline-threshold",
    MEMORY,
    20 << 10,
    "State of a task up to this size travels in its acknowledgement and lies in the checkpoint's metadata; more goes "
    "to a file.",
    Scope.JOB,
    unit="bytes",
    # An acknowledgement is one task's, and no message of a session should be large (law 3.3).
    check=between(0, 128 << 10, "up to 128 kb"),
    deprecated_keys=("state.storage.fs.memory-threshold", "state.backend.fs.memory-threshold"),
)
CREATE_SUBDIRECTORY: Final = Option(
    "execution.checkpointing.create-subdir",
    BOOL,
    True,
    "Whether each job has a subdirectory of its own, named by its id, in the directory of checkpoints.",
    Scope.JOB,
    check=only(True, "true: jobs share the directory, and each deletes what is its own"),  # the value
)
STATE_BACKEND: Final = Option(
    "state.backend.type",
    one_of(StateBackend),
    StateBackend.HASHMAP,
    "Where keyed state lies while a job runs: hashmap keeps it in the worker's memory.",
    Scope.JOB,
    deprecated_keys=("state.backend",),
)

GROUP: Final = Group(
    "State and checkpoints",
    "How often a job's state is checkpointed, how long that may take, how much is kept, and where.",
    (
        INTERVAL,
        MODE,
        TIMEOUT,
        MIN_PAUSE,
        MAX_CONCURRENT,
        TOLERABLE_FAILURES,
        RETENTION,
        NUM_RETAINED,
        DIRECTORY,
        SAVEPOINT_DIRECTORY,
        STORAGE,
        INLINE_THRESHOLD,
        CREATE_SUBDIRECTORY,
        STATE_BACKEND,
    ),
)
