"""Where a process of the cluster says whether it lives and is ready."""

from typing import Final

from millstream_dataflow.configuration.checks import between
from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import HOST, INT, maybe

BIND_HOST: Final = Option(
    "health.bind-host",
    HOST,
    "localhost",
    "The address on which a JobManager or TaskManager says whether it lives and is ready; nothing else is told there.",
    Scope.CLUSTER,
    own=True,
)
PORT: Final = Option(
    "health.port",
    maybe(INT),
    None,
    "The port of these answers, by HTTP (GET /livez, /readyz) and gRPC (grpc.health.v1); 0 takes a free one, which the "
    "log names; without it there are none.",
    Scope.CLUSTER,
    check=between(0, 65535),
    own=True,
)

GROUP: Final = Group("Health", "Where a process says whether it lives and is ready.", (BIND_HOST, PORT))
