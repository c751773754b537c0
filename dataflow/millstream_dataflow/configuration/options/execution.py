"""How a program is executed: how wide, in what batches, in which mode."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import Check, between
from millstream_dataflow.configuration.containers import MAP
from millstream_dataflow.configuration.enums import RuntimeExecutionMode
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import BOOL, INT, STRING, maybe, one_of
from millstream_dataflow.configuration.quantities import DURATION, MEMORY

MAX_PARALLELISM_LIMIT: Final = 32768
"""Flink's upper limit of the maximal parallelism, which is the number of key groups."""

PARALLELISM: Final = Option(
    "parallelism.default",
    INT,
    1,
    "The parallelism of operators for which the program names none.",
    Scope.JOB,
    unit="subtasks",
    check=between(1, MAX_PARALLELISM_LIMIT),
)
MAX_PARALLELISM: Final = Option(
    "pipeline.max-parallelism",
    INT,
    -1,
    "The number of key groups, and so the largest parallelism a job can ever be rescaled to; -1 takes the next power "
    "of two of one and a half times the parallelism, at least 128.",
    Scope.JOB,
    unit="key groups",
    check=Check(f"-1, or from 1 to {MAX_PARALLELISM_LIMIT}", lambda v: v == -1 or 1 <= v <= MAX_PARALLELISM_LIMIT),
)
NAME: Final = Option(
    "pipeline.name",
    maybe(STRING),
    None,
    "The job's name in lists and logs; a name given to execute() goes before it.",
    Scope.JOB,
)
GLOBAL_JOB_PARAMETERS: Final[Option[Mapping[str, str]]] = Option(
    "pipeline.global-job-parameters",
    MAP,
    {},
    "Parameters that the program's functions are told: RuntimeContext.get_job_parameter(key, default).",
    Scope.JOB,
)
OPERATOR_CHAINING: Final = Option(
    "pipeline.operator-chaining.enabled",
    BOOL,
    default=True,
    meaning="Whether operators that pass records straight on run in one task.",
    scope=Scope.JOB,
    deprecated_keys=("pipeline.operator-chaining",),
)
OBJECT_REUSE: Final = Option(
    "pipeline.object-reuse",
    BOOL,
    default=False,
    meaning="Whether no function changes a record that it was given or has emitted, so that none is copied. Else each "
    "that isn't provably immutable is copied as a function gives it, and for each further consumer.",
    scope=Scope.JOB,
    flink=FlinkDifference("records wait in batches, so what was emitted may not be changed either"),
)
AUTO_GENERATE_UIDS: Final = Option(
    "pipeline.auto-generate-uids",
    BOOL,
    default=True,
    meaning="Whether operators without a uid get their id by their place in the program; false refuses a program with "
    "such an operator, since state of one may be lost when the program changes.",
    scope=Scope.JOB,
)
AUTO_WATERMARK_INTERVAL: Final = Option(
    "pipeline.auto-watermark-interval",
    DURATION,
    timedelta(milliseconds=200),
    "How often watermarks are emitted beside those that follow each batch that raised them; 0 emits none on a clock.",
    Scope.JOB,
    flink=FlinkDifference("a watermark also follows each batch that raised it"),
)
BATCH_MAX_RECORDS: Final = Option(
    "pipeline.batch.max-records",
    INT,
    8192,
    "The most records of one batch: a source cuts, an operator with much to say pauses, and a channel sends by then.",
    Scope.JOB,
    unit="records",
    check=between(1, 1 << 20),
    own=True,
)
# 8,192 rows of 32 bytes: tuples are cut by number and wider records by size. Columns between two processes over a Unix
# socket, nanoseconds of processor time a byte at the sender + the receiver, on cores that other work was shared with:
# 64 KiB 4.5 + 3.8, 128 KiB 2.4 + 2.3, 256 KiB 1.3 + 1.3, 512 KiB 0.9 + 0.9, 1 MiB 0.8 + 0.8; of tuples 1,200 + 400 a
# row for any of them. Every step doubles what a channel may have waiting at each end: the last two aren't worth it.
_BATCH_SIZE: Final = 256 << 10

BATCH_MAX_SIZE: Final = Option(
    "pipeline.batch.max-size",
    MEMORY,
    _BATCH_SIZE,
    "The size at which a batch is cut or sent, whatever its number of records; a single record may exceed it.",
    Scope.JOB,
    unit="bytes",
    check=between(1 << 10, 64 << 20, "from 1 kb to 64 mb"),
    own=True,
)
BUFFER_TIMEOUT: Final = Option(
    "execution.buffer-timeout.interval",
    DURATION,
    timedelta(milliseconds=100),
    "The longest time a record waits for its batch to fill; a task without more input sends at once in any case.",
    Scope.JOB,
    flink=FlinkDifference("an upper bound, not a rhythm"),
    deprecated_keys=("execution.buffer-timeout",),
)
RUNTIME_MODE: Final = Option(
    "execution.runtime-mode",
    one_of(RuntimeExecutionMode),
    RuntimeExecutionMode.STREAMING,
    "How the program runs: STREAMING runs unbounded input for ever and bounded input to its end; BATCH runs bounded "
    "input in stages, one key at a time, and gives final results only; AUTOMATIC is BATCH if every source is bounded.",
    Scope.JOB,
)

GROUP: Final = Group(
    "Job",
    "How a program is executed: how wide, in what batches, in which mode.",
    (
        PARALLELISM,
        MAX_PARALLELISM,
        NAME,
        GLOBAL_JOB_PARAMETERS,
        OPERATOR_CHAINING,
        OBJECT_REUSE,
        AUTO_GENERATE_UIDS,
        AUTO_WATERMARK_INTERVAL,
        BATCH_MAX_RECORDS,
        BATCH_MAX_SIZE,
        BUFFER_TIMEOUT,
        RUNTIME_MODE,
    ),
)
