"""Where a TaskManager is, how many slots it offers, and how its workers end."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.containers import LIST
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import HOST, INT, maybe
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

HOST_NAME: Final = Option(
    "taskmanager.host",
    maybe(HOST),
    None,
    "The host at which the workers of other hosts reach this TaskManager; without it, taskmanager.bind-host.",
    Scope.CLUSTER,
)
BIND_HOST: Final = Option(
    "taskmanager.bind-host",
    HOST,
    "localhost",
    "The address on which the TaskManager listens for data; one that other hosts reach needs TLS, or "
    "security.insecure.",
    Scope.CLUSTER,
    flink=FlinkDifference("nobody but this host may send records by default", default="0.0.0.0, every address"),
)
DATA_PORT: Final = Option(
    "taskmanager.data.port",
    INT,
    0,
    "The port on which records arrive from other hosts; 0 takes a free one.",
    Scope.CLUSTER,
    check=between(0, 65535),
)
NUMBER_OF_TASK_SLOTS: Final = Option(
    "taskmanager.numberOfTaskSlots",
    INT,
    1,
    "How many slots the TaskManager offers; each runs one subtask of every vertex, in a worker process of its own.",
    Scope.CLUSTER,
    unit="slots",
    check=between(1, 1024),
)
LEADER_ABSENCE_TIMEOUT: Final = Option(
    "taskmanager.leader-absence-timeout",
    DURATION,
    timedelta(minutes=15),
    "How long a TaskManager goes on computing without a JobManager before it cancels its tasks and waits.",
    Scope.CLUSTER,
    check=at_least(timedelta(seconds=1), "1 s"),
    flink=FlinkDifference("a JobManager's death doesn't touch the tasks, so they may outlive it"),
    own=True,
)
SHUTDOWN_TIMEOUT: Final = Option(
    "taskmanager.shutdown-timeout",
    DURATION,
    timedelta(seconds=20),
    "How long a TaskManager that is told to end (SIGTERM) waits until its tasks run elsewhere.",
    Scope.CLUSTER,
    own=True,
)
CANCELLATION_TIMEOUT: Final = Option(
    "task.cancellation.timeout",
    DURATION,
    timedelta(minutes=3),
    "How long a task that the user cancels may take to end before its worker is killed; 0 waits for ever.",
    Scope.JOB,
    flink=FlinkDifference("the worker process is killed, never the TaskManager"),
)
FAILOVER_CANCELLATION_TIMEOUT: Final = Option(
    "task.cancellation.failover-timeout",
    DURATION,
    timedelta(milliseconds=200),
    "How long the workers of a region that restarts may take to end before they are killed.",
    Scope.CLUSTER,
    own=True,
)
TMP_DIRS: Final = Option(
    "io.tmp.dirs",
    maybe(LIST),
    None,
    "Directories for temporary files (sockets, working files of workers); without it, the system's. One that is "
    "missing is made, what is above it must be there.",
    Scope.CLUSTER,
    deprecated_keys=("taskmanager.tmp.dirs",),
)
TASK_LOG_MAX_SIZE: Final = Option(
    "taskmanager.task-log.max-size",
    MEMORY,
    16 << 20,
    "The most that is kept of what one task prints to stdout and stderr; the oldest goes first.",
    Scope.CLUSTER,
    unit="bytes",
    check=at_least(64 << 10, "64 kb"),
    own=True,
)

GROUP: Final = Group(
    "TaskManager",
    "Where a TaskManager is, how many slots it offers, and how its workers end.",
    (
        HOST_NAME,
        BIND_HOST,
        DATA_PORT,
        NUMBER_OF_TASK_SLOTS,
        LEADER_ABSENCE_TIMEOUT,
        SHUTDOWN_TIMEOUT,
        CANCELLATION_TIMEOUT,
        FAILOVER_CANCELLATION_TIMEOUT,
        TMP_DIRS,
        TASK_LOG_MAX_SIZE,
    ),
)
