"""How a bounded program runs in batch mode (`execution.runtime-mode`): in stages, one key at a time."""

from typing import Final

from millstream_dataflow.configuration.checks import between
from millstream_dataflow.configuration.enums import BatchShuffleMode
from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import one_of
from millstream_dataflow.configuration.quantities import MEMORY

SHUFFLE_MODE: Final = Option(
    "execution.batch-shuffle-mode",
    one_of(BatchShuffleMode),
    BatchShuffleMode.ALL_EXCHANGES_BLOCKING,
    "How the tasks of a batch job exchange records: ALL_EXCHANGES_BLOCKING through files, stage by stage, so that a "
    "stage takes the slots of the one before and is run again by itself; ALL_EXCHANGES_PIPELINED as in streaming mode, "
    "all tasks at once.",
    Scope.JOB,
)
SORT_MEMORY: Final = Option(
    "execution.sorted-inputs.memory",
    MEMORY,
    128 << 20,
    "What each keyed operator of a batch job may hold in memory of its input while it groups that by key, about; the "
    "rest lies in files below io.tmp.dirs.",
    Scope.JOB,
    unit="bytes",
    check=between(64 << 10, 1 << 40, "from 64 kb to 1 tb"),
)

GROUP: Final = Group(
    "Batch",
    "How a bounded program runs in batch mode (`execution.runtime-mode`): in stages, one key at a time.",
    (SHUFFLE_MODE, SORT_MEMORY),
)
