"""What follows when the record audit does not balance."""

from typing import Final

from millstream_dataflow.configuration.enums import OnImbalance
from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import one_of

ON_IMBALANCE: Final = Option(
    "audit.on-imbalance",
    one_of(OnImbalance),
    OnImbalance.FAIL_JOB,
    "What follows a checkpoint whose record counts do not balance: the job FAILED without a restart, or a warning (the "
    "checkpoint fails in both cases).",
    Scope.JOB,
    own=True,
)

GROUP: Final = Group("Record audit", "What follows when a record was lost or doubled.", (ON_IMBALANCE,))
