"""From which savepoint or checkpoint a new job starts."""

from typing import Final

from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, LOCATION, maybe

PATH: Final = Option(
    "execution.state-recovery.path",
    maybe(LOCATION),
    None,
    "The savepoint or retained checkpoint from which a job starts (run -s).",
    Scope.JOB,
    deprecated_keys=("execution.savepoint.path",),
)
IGNORE_UNCLAIMED_STATE: Final = Option(
    "execution.state-recovery.ignore-unclaimed-state",
    BOOL,
    default=False,
    meaning="Whether state that no operator of the job claims may be dropped (run --allow-non-restored-state).",
    scope=Scope.JOB,
    deprecated_keys=("execution.savepoint.ignore-unclaimed-state",),
)
ACCEPT_DUPLICATES: Final = Option(
    "execution.state-recovery.accept-duplicates",
    BOOL,
    default=False,
    meaning="Whether a job whose sinks commit outside may start from a checkpoint that is not its newest, so that "
    "output may appear twice (run --accept-duplicates).",
    scope=Scope.JOB,
    own=True,
)

GROUP: Final = Group("Recovery", "From where a job starts.", (PATH, IGNORE_UNCLAIMED_STATE, ACCEPT_DUPLICATES))
