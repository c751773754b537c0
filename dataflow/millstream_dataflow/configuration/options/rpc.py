"""How the processes of a cluster watch each other, and how large a control message may be."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

HEARTBEAT_INTERVAL: Final = Option(
    "heartbeat.interval",
    DURATION,
    timedelta(seconds=10),
    "How often a TaskManager and the JobManager show each other that they live.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
)
HEARTBEAT_TIMEOUT: Final = Option(
    "heartbeat.timeout",
    DURATION,
    timedelta(seconds=50),
    "How long the other side may be silent on an open connection before it counts as dead.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
)
CALL_TIMEOUT: Final = Option(
    "rpc.call-timeout",
    DURATION,
    timedelta(seconds=10),
    "The deadline of one call between two processes of the cluster, such as fetching a part of a function's bytes.",
    Scope.CLUSTER,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
    own=True,
)
MAX_MESSAGE_SIZE: Final = Option(
    "rpc.max-message-size",
    MEMORY,
    256 << 10,
    "The largest message on the connection of a TaskManager and the JobManager; what is larger goes in parts or by a "
    "call of its own, so that no heartbeat waits behind it.",
    Scope.CLUSTER,
    unit="bytes",
    # Above 3 MiB gRPC's own limit of 4 MiB comes into sight.
    check=between(64 << 10, 3 << 20, "from 64 kb to 3 mb"),
    own=True,
)

GROUP: Final = Group(
    "Control connections",
    "How the processes of a cluster watch each other, and how large a control message may be.",
    (HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, CALL_TIMEOUT, MAX_MESSAGE_SIZE),
)
