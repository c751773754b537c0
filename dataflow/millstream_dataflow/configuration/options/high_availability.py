"""What outlives the JobManager: its job store."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import LOCATION, maybe, one_of
from millstream_dataflow.configuration.quantities import DURATION

TYPE: Final = Option(
    "high-availability.type",
    one_of(HighAvailability),
    HighAvailability.NONE,
    "Who elects the leader; NONE is a single JobManager, which recovers its jobs from its store when it starts again.",
    Scope.CLUSTER,
    flink=FlinkDifference("jobs survive the JobManager with NONE as well"),
    deprecated_keys=("high-availability",),
)
STORAGE_DIR: Final = Option(
    "high-availability.storageDir",
    maybe(LOCATION),
    None,
    "The directory of the job store: job graphs, functions, and the pointers to checkpoints; without it, "
    "$XDG_STATE_HOME/millstream or ~/.local/state/millstream (an embedded cluster: a temporary one).",
    Scope.CLUSTER,
    flink=FlinkDifference("a submit is acknowledged when the job is stored, so there always is a store"),
    deprecated_keys=("high-availability.zookeeper.storageDir", "recovery.zookeeper.storageDir"),
)

EXPIRATION_TIME: Final = Option(
    "jobstore.expiration-time",
    DURATION,
    timedelta(hours=1),
    "How long the record of a job that has ended is kept, so that it is listed and a repeated submit does not run it "
    "again.",
    Scope.CLUSTER,
    check=at_least(timedelta(seconds=1), "1 s"),
)

GROUP: Final = Group("High availability", "What outlives the JobManager.", (TYPE, STORAGE_DIR, EXPIRATION_TIME))
