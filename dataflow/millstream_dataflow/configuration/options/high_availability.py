"""What outlives the JobManager: its job store."""

from typing import Final

from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import LOCATION, maybe, one_of

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

GROUP: Final = Group("High availability", "What outlives the JobManager.", (TYPE, STORAGE_DIR))
