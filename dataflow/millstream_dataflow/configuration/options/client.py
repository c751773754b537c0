"""Where a program runs its job, and how long it waits for the cluster."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, one_of
from millstream_dataflow.configuration.quantities import DURATION

TARGET: Final = Option(
    "execution.target",
    one_of(ExecutionTarget, {"local": ExecutionTarget.EMBEDDED}),
    ExecutionTarget.EMBEDDED,
    "Where execute() runs the job: embedded starts a cluster for the program, remote submits to the JobManager at "
    "jobmanager.rpc.address, inline runs it in the program's own thread (for a debugger).",
    Scope.CLIENT,
    flink=FlinkDifference("a program that is simply started runs; 'millstream run' sets remote", default="none"),
)
ATTACHED: Final = Option(
    "execution.attached",
    BOOL,
    default=True,
    meaning="Whether the program waits for its job to end; run -d detaches.",
    scope=Scope.CLIENT,
    flink=FlinkDifference("as Flink's command line does; its key says otherwise until that sets it", default="false"),
)
TIMEOUT: Final = Option(
    "client.timeout",
    DURATION,
    timedelta(minutes=1),
    "How long the client tries to get an answer from the JobManager before it says that the cluster is unreachable.",
    Scope.CLIENT,
    check=at_least(timedelta(milliseconds=10), "10 ms"),
    deprecated_keys=("akka.client.timeout",),
)

GROUP: Final = Group(
    "Client", "Where a program runs its job, and how long it waits for the cluster.", (TARGET, ATTACHED, TIMEOUT)
)
