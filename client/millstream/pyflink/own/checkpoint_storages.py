"""PyFlink's checkpoint storages: the directory of checkpoints as an object, for `set_checkpoint_storage`.

Checkpoints lie in files, whatever the storage is called: one in the memory of a JobManager would die with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from millstream.datastream.described_settings import CheckpointStorage
from millstream_dataflow.configuration.options import checkpointing

__all__ = ["CheckpointStorage", "FileSystemCheckpointStorage", "JobManagerCheckpointStorage"]

_DEFAULT: Final = -1
"""Flink's number for a size that nobody chose."""


@dataclass(frozen=True)
class FileSystemCheckpointStorage(CheckpointStorage):
    """Checkpoints in this directory or under this URI, which every process of the cluster must reach."""

    MAX_FILE_STATE_THRESHOLD: ClassVar = 1 << 20
    """Flink's; here a threshold is at most 128 KiB."""

    checkpoint_path: str
    file_state_size_threshold: int | None = None
    """Bytes of a task's state that lie in the checkpoint's metadata rather than in a file of their own."""
    write_buffer_size: int = _DEFAULT
    """Without effect: checkpoint files have a writer of our own."""

    def get_checkpoint_path(self) -> str:
        """The directory."""
        return self.checkpoint_path

    def get_savepoint_path(self) -> str | None:
        """None: `env.set_default_savepoint_directory` says where savepoints go."""
        return None

    def get_min_file_size_threshold(self) -> int:
        """Bytes of state above which a file is written."""
        given = self.file_state_size_threshold
        return checkpointing.INLINE_THRESHOLD.default if given is None else given

    def get_write_buffer_size(self) -> int:
        """What was given; -1: nothing was."""
        return self.write_buffer_size

    def as_settings(self) -> Mapping[str, object]:
        """See DescribedSettings."""
        settings: dict[str, object] = {"execution.checkpointing.dir": self.checkpoint_path}
        if self.file_state_size_threshold is not None:
            settings["execution.checkpointing.data-inline-threshold"] = f"{self.file_state_size_threshold} bytes"
        if self.write_buffer_size != _DEFAULT:
            settings["execution.checkpointing.write-buffer-size"] = f"{self.write_buffer_size} bytes"
        return settings


@dataclass(frozen=True)
class JobManagerCheckpointStorage(CheckpointStorage):
    """Checkpoints where they lie unless a program says otherwise: as files in the job store of the JobManager, or below
    `checkpoint_path`. They outlive the JobManager, unlike Flink's of that name, and have no greatest size.
    """

    DEFAULT_MAX_STATE_SIZE: ClassVar = 5 << 20
    """Flink's."""

    checkpoint_path: str | None = None
    max_state_size: int | None = None

    def __post_init__(self) -> None:
        """ValueError for a greatest size, which would not be held."""
        if self.max_state_size not in {None, self.DEFAULT_MAX_STATE_SIZE}:
            raise ValueError(
                f"JobManagerCheckpointStorage can't hold state to {self.max_state_size} bytes: checkpoints lie in "
                "files and have no greatest size; leave max_state_size out"
            )

    def get_checkpoint_path(self) -> str | None:
        """The directory; None: in the job store."""
        return self.checkpoint_path

    def get_savepoint_path(self) -> str | None:
        """None: `env.set_default_savepoint_directory` says where savepoints go."""
        return None

    def get_max_state_size(self) -> int:
        """Flink's number; nothing is held to it."""
        return self.DEFAULT_MAX_STATE_SIZE

    def as_settings(self) -> Mapping[str, object]:
        """See DescribedSettings."""
        return {} if self.checkpoint_path is None else {"execution.checkpointing.dir": self.checkpoint_path}
