"""The files of a checkpoint: one data file a task, and the `_metadata` that makes their directory a checkpoint.

Read in this order:

* `contents`  what a task stores, as values
* `layout`    the format of a data file, and why its checksum is what it is
* `encoding`  from values to the bytes of a data file
* `data_file` writes one
* `index`     where everything lies in one
* `reader`    reads of one only what is asked for
* `metadata`  writes and reads `_metadata`
* `keeping`   what is there, whether it is whole, and how it goes
* `errors`    what can be wrong, sorted by what helps
"""

from millstream_runtime.checkpoint_files.contents import ChannelContents, KeyedRun, OperatorContents, StoredList
from millstream_runtime.checkpoint_files.data_file import withdraw_data_file, write_data_file
from millstream_runtime.checkpoint_files.encoding import encode_snapshot
from millstream_runtime.checkpoint_files.errors import (
    CheckpointConflictError,
    CheckpointFileError,
    CorruptCheckpointError,
    MissingFileError,
    StorageRefusedError,
    StorageUnreachableError,
)
from millstream_runtime.checkpoint_files.keeping import (
    discard_checkpoint,
    discard_job,
    highest_epoch,
    latest_checkpoints,
    verify_checkpoint,
)
from millstream_runtime.checkpoint_files.metadata import load_metadata, publish_metadata
from millstream_runtime.checkpoint_files.reader import SnapshotReader

__all__ = [
    "ChannelContents",
    "CheckpointConflictError",
    "CheckpointFileError",
    "CorruptCheckpointError",
    "KeyedRun",
    "MissingFileError",
    "OperatorContents",
    "SnapshotReader",
    "StorageRefusedError",
    "StorageUnreachableError",
    "StoredList",
    "discard_checkpoint",
    "discard_job",
    "encode_snapshot",
    "highest_epoch",
    "latest_checkpoints",
    "load_metadata",
    "publish_metadata",
    "verify_checkpoint",
    "withdraw_data_file",
    "write_data_file",
]
