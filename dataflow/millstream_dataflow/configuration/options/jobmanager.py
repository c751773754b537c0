"""Where the JobManager is, how long it waits for whom, and how large a job it takes."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import HOST, INT, maybe
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

RPC_ADDRESS: Final = Option(
    "jobmanager.rpc.address",
    HOST,
    "localhost",
    "The host at which clients and TaskManagers reach the JobManager.",
    Scope.CLUSTER,
    flink=FlinkDifference("a cluster on one host needs no configuration", default="none"),
)
RPC_PORT: Final = Option(
    "jobmanager.rpc.port",
    INT,
    6123,
    "The port at which clients and TaskManagers reach the JobManager; 0 takes a free one, which its log names.",
    Scope.CLUSTER,
    check=between(0, 65535),
)
BIND_HOST: Final = Option(
    "jobmanager.bind-host",
    HOST,
    "localhost",
    "The address on which the JobManager listens; one that other hosts reach needs TLS and a token, or "
    "security.insecure.",
    Scope.CLUSTER,
    flink=FlinkDifference(
        "who can submit a job can run code, so only this host may by default", default="0.0.0.0, every address"
    ),
)
HOST_NAME: Final = Option(
    "jobmanager.host",
    maybe(HOST),
    None,
    "The host at which others reach this JobManager when it leads, as it tells them by ZooKeeper; without it, "
    "jobmanager.bind-host, or jobmanager.rpc.address where that is every address; of several, each needs its own.",
    Scope.CLUSTER,
    own=True,
)
SLOT_REQUEST_TIMEOUT: Final = Option(
    "slot.request.timeout",
    DURATION,
    timedelta(minutes=5),
    "How long a job waits for enough free slots before it fails.",
    Scope.CLUSTER,
)
DEPLOYMENT_TIMEOUT: Final = Option(
    "jobmanager.execution.deployment-timeout",
    DURATION,
    timedelta(minutes=1),
    "How long a deployed region may take until its workers have started and are connected, before that counts as its "
    "failure (restoring state is not counted).",
    Scope.CLUSTER,
    check=at_least(timedelta(seconds=1), "1 s"),
    own=True,
)
RECONNECT_TIMEOUT: Final = Option(
    "jobmanager.execution.reconnect-timeout",
    DURATION,
    timedelta(milliseconds=500),
    "How long a TaskManager whose connection closed may take to come back before its tasks count as lost.",
    Scope.CLUSTER,
    own=True,
)
ADOPTION_TIMEOUT: Final = Option(
    "jobmanager.execution.adoption-timeout",
    DURATION,
    timedelta(seconds=10),
    "How long a JobManager that has started waits for TaskManagers to report the running tasks of its jobs before it "
    "restarts the regions of those that are missing.",
    Scope.CLUSTER,
    own=True,
)
MAX_GRAPH_SIZE: Final = Option(
    "jobmanager.submit.max-graph-size",
    MEMORY,
    64 << 20,
    "The largest job graph, its functions included, that is accepted.",
    Scope.CLUSTER,
    unit="bytes",
    check=between(1 << 20, 1 << 30, "from 1 mb to 1 gb"),
    own=True,
)
MAX_ARTIFACT_SIZE: Final = Option(
    "jobmanager.submit.max-artifact-size",
    MEMORY,
    512 << 20,
    "The largest single artifact (an archive of modules or a file that a job brings) that is accepted.",
    Scope.CLUSTER,
    unit="bytes",
    check=at_least(1 << 20, "1 mb"),
    own=True,
)

GROUP: Final = Group(
    "JobManager",
    "Where the JobManager is, how long it waits, and how large a job it takes.",
    (
        RPC_ADDRESS,
        RPC_PORT,
        BIND_HOST,
        HOST_NAME,
        SLOT_REQUEST_TIMEOUT,
        DEPLOYMENT_TIMEOUT,
        RECONNECT_TIMEOUT,
        ADOPTION_TIMEOUT,
        MAX_GRAPH_SIZE,
        MAX_ARTIFACT_SIZE,
    ),
)
