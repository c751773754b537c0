"""What flows between tasks: batches of records, and the control elements that stand between them.

Read batches, then controls.
"""

from millstream_dataflow.records.batches import Batch, ColumnBatch, RowBatch
from millstream_dataflow.records.controls import (
    Barrier,
    Control,
    Element,
    End,
    EndOfData,
    EndReason,
    NoSplitNow,
    SnapshotKind,
    StreamStatus,
    Watermark,
)

__all__ = [
    "Barrier",
    "Batch",
    "ColumnBatch",
    "Control",
    "Element",
    "End",
    "EndOfData",
    "EndReason",
    "NoSplitNow",
    "RowBatch",
    "SnapshotKind",
    "StreamStatus",
    "Watermark",
]
