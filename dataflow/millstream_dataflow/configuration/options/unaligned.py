"""Checkpoints whose barriers overtake records: when they do, and what can't be chosen."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL
from millstream_dataflow.configuration.quantities import DURATION

ENABLED: Final = Option(
    "execution.checkpointing.unaligned.enabled",
    BOOL,
    True,
    "Whether barriers overtake records that hold them up for longer than aligned-checkpoint-timeout; the records are "
    "then stored with the checkpoint. Only EXACTLY_ONCE with one checkpoint at a time has it; savepoints are aligned.",
    Scope.JOB,
    flink=FlinkDifference(
        "without it a checkpoint waits for the slowest task, and fails when that needs minutes; where barriers are not "
        "held up it costs nothing",
        default="false",
    ),
    deprecated_keys=("execution.checkpointing.unaligned",),
)
ALIGNED_TIMEOUT: Final = Option(
    "execution.checkpointing.aligned-checkpoint-timeout",
    DURATION,
    timedelta(seconds=1),
    "How long a task waits for a checkpoint's barriers, from the first that is there, until they overtake; with 0 they "
    "overtake from the start.",
    Scope.JOB,
    check=at_least(timedelta(0), "0 ms"),
    flink=FlinkDifference(
        "barriers take 0.1 to 0.3 s here where a record takes a millisecond, since little is under way; so records are "
        "stored only where they are slower",
        default="0 ms",
    ),
    deprecated_keys=("execution.checkpointing.alignment-timeout",),
)

GROUP: Final = Group(
    "Barriers that overtake",
    "When a checkpoint's barriers overtake records, which are then stored with it.",
    (ENABLED, ALIGNED_TIMEOUT),
)
