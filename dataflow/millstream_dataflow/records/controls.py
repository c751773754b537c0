"""Control elements: they stand between batches, never inside one, and spend no credit (law 4.1)."""

from dataclasses import dataclass
from enum import Enum

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records.batches import ColumnBatch, RowBatch

MIN_TIME = -(2**63)
"""The watermark before any: nothing is late."""

MAX_TIME = 2**63 - 1
"""The watermark at the end of all input."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """No more records with a time at or before this one, in milliseconds."""

    time: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Whether the channel counts for the watermark; an idle one doesn't (law 7.3)."""

    idle: bool


class SnapshotKind(Enum):
    """Why a snapshot is taken: periodically, on request, or as the last one of a bounded job."""

    CHECKPOINT = "checkpoint"
    SAVEPOINT = "savepoint"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Barrier:
    """Everything before it belongs to the checkpoint, nothing behind it."""

    checkpoint: CheckpointId
    kind: SnapshotKind = SnapshotKind.CHECKPOINT
    directory: str = ""
    """Where the checkpoint's files go: its own directory, as a path or URI."""
    unaligned: bool = False
    """It overtakes what stands before it on its way; that is then stored with the checkpoint."""


@dataclass(frozen=True, slots=True)
class NoSplitNow:
    """The enumerator's answer to a reader when it has no split to give at the moment: the reader is idle (law 7.3)."""


class EndReason(Enum):
    """Why no more data comes (law 5.1)."""

    INPUT = "input"
    DRAIN = "drain"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class EndOfData:
    """No more records; barriers may still come."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class End:
    """Nothing comes any more."""


Control = Watermark | StreamStatus | Barrier | NoSplitNow | EndOfData | End
Element = RowBatch | ColumnBatch | Control
