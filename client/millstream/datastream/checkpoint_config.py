"""Checkpointing as a program sets it. Names, meanings and defaults are Flink's; plain numbers are milliseconds."""

from typing import TYPE_CHECKING, Final, NoReturn

from millstream.datastream.absent import OF_CHECKPOINT_CONFIGS, refuse
from millstream.datastream.arguments import accepted_instance
from millstream.datastream.described_settings import CheckpointStorage
from millstream.datastream.settings import Settings, duration
from millstream_dataflow.configuration import milliseconds
from millstream_dataflow.configuration.enums import CheckpointingMode, ExternalizedCheckpointRetention
from millstream_dataflow.configuration.options import checkpointing, unaligned
from millstream_dataflow.time import Duration, Span

NO_INTERVAL: Final = -1
"""What `get_checkpoint_interval` says when checkpointing is off, as Flink's does."""


_ANY_NUMBER: Final = 2**31 - 1


class CheckpointConfig:
    """How often and how the job is checkpointed: a view of the keys `execution.checkpointing.*`.

    Setters return the same object. ConfigurationError for a value that the key doesn't accept.
    """

    DEFAULT_MODE: Final = checkpointing.MODE.default
    DEFAULT_TIMEOUT: Final = milliseconds(checkpointing.TIMEOUT.default)
    DEFAULT_MIN_PAUSE_BETWEEN_CHECKPOINTS: Final = milliseconds(checkpointing.MIN_PAUSE.default)
    DEFAULT_MAX_CONCURRENT_CHECKPOINTS: Final = checkpointing.MAX_CONCURRENT.default

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def is_checkpointing_enabled(self) -> bool:
        """Whether checkpoints are taken while the job runs."""
        return self._settings.get(checkpointing.INTERVAL) is not None

    def get_checkpoint_interval(self) -> int:
        """Milliseconds from trigger to trigger; -1 when there are no checkpoints."""
        interval = self._settings.get(checkpointing.INTERVAL)
        return NO_INTERVAL if interval is None else milliseconds(interval)

    def set_checkpoint_interval(self, checkpoint_interval: Span) -> "CheckpointConfig":
        """Take checkpoints this often; at least every 10 ms."""
        self._settings.set(checkpointing.INTERVAL, duration(checkpoint_interval))
        return self

    def get_checkpointing_mode(self) -> CheckpointingMode:
        """EXACTLY_ONCE unless it was set."""
        return self._settings.get(checkpointing.MODE)

    def set_checkpointing_mode(self, checkpointing_mode: CheckpointingMode) -> "CheckpointConfig":
        """Whether barriers are aligned (EXACTLY_ONCE) or not (AT_LEAST_ONCE)."""
        self._settings.set(checkpointing.MODE, checkpointing_mode)
        return self

    def get_checkpoint_timeout(self) -> int:
        """Milliseconds after which a checkpoint is aborted."""
        return self._settings.get_milliseconds(checkpointing.TIMEOUT)

    def set_checkpoint_timeout(self, checkpoint_timeout: Span) -> "CheckpointConfig":
        """Abort a checkpoint that takes longer."""
        self._settings.set(checkpointing.TIMEOUT, duration(checkpoint_timeout))
        return self

    def get_min_pause_between_checkpoints(self) -> int:
        """Milliseconds between the end of a checkpoint and the trigger of the next, at least."""
        return self._settings.get_milliseconds(checkpointing.MIN_PAUSE)

    def set_min_pause_between_checkpoints(self, min_pause_between_checkpoints: Span) -> "CheckpointConfig":
        """Leave the job in peace for at least this long after each checkpoint."""
        self._settings.set(checkpointing.MIN_PAUSE, duration(min_pause_between_checkpoints))
        return self

    def get_max_concurrent_checkpoints(self) -> int:
        """How many checkpoints may be under way at once."""
        return self._settings.get(checkpointing.MAX_CONCURRENT)

    def set_max_concurrent_checkpoints(self, max_concurrent_checkpoints: int) -> "CheckpointConfig":
        """Trigger a checkpoint while fewer than this many are under way."""
        self._settings.set(checkpointing.MAX_CONCURRENT, max_concurrent_checkpoints)
        return self

    def get_tolerable_checkpoint_failure_number(self) -> int:
        """How many checkpoints in a row may fail before the job fails over."""
        return self._settings.get(checkpointing.TOLERABLE_FAILURES)

    def set_tolerable_checkpoint_failure_number(self, tolerable_checkpoint_failure_number: int) -> "CheckpointConfig":
        """Go on although this many checkpoints in a row have failed."""
        self._settings.set(checkpointing.TOLERABLE_FAILURES, tolerable_checkpoint_failure_number)
        return self

    def get_externalized_checkpoint_retention(self) -> ExternalizedCheckpointRetention:
        """What becomes of the checkpoints of a job that is cancelled."""
        return self._settings.get(checkpointing.RETENTION)

    def set_externalized_checkpoint_retention(
        self, retention_mode: ExternalizedCheckpointRetention
    ) -> "CheckpointConfig":
        """Keep (RETAIN_ON_CANCELLATION) or delete the checkpoints of a job that is cancelled."""
        self._settings.set(checkpointing.RETENTION, retention_mode)
        return self

    def is_externalized_checkpoints_enabled(self) -> bool:
        """Whether checkpoints outlive the cancellation of their job."""
        return self.get_externalized_checkpoint_retention() is ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION

    def enable_externalized_checkpoints(self, cleanup_mode: ExternalizedCheckpointRetention) -> "CheckpointConfig":
        """The name that PyFlink 1 first had for `set_externalized_checkpoint_retention`."""
        return self.set_externalized_checkpoint_retention(cleanup_mode)

    def set_externalized_checkpoint_cleanup(self, cleanup_mode: ExternalizedCheckpointRetention) -> "CheckpointConfig":
        """PyFlink 1's name for `set_externalized_checkpoint_retention`."""
        return self.set_externalized_checkpoint_retention(cleanup_mode)

    def get_externalized_checkpoint_cleanup(self) -> ExternalizedCheckpointRetention:
        """PyFlink 1's name for `get_externalized_checkpoint_retention`."""
        return self.get_externalized_checkpoint_retention()

    def is_unaligned_checkpoints_enabled(self) -> bool:
        """Whether barriers may overtake records. True unless it was disabled, unlike Flink."""
        return self._settings.get(unaligned.ENABLED)

    def enable_unaligned_checkpoints(
        self,
        enabled: bool = True,  # noqa: FBT001, FBT002  # PyFlink's signature
    ) -> "CheckpointConfig":
        """Let barriers overtake records that hold them up for longer than `get_alignment_timeout`; the records are then
        stored with the checkpoint. `set_alignment_timeout(0)` lets them overtake from the start, as Flink's default.
        """
        self._settings.set(unaligned.ENABLED, enabled)
        return self

    def disable_unaligned_checkpoints(self) -> "CheckpointConfig":
        """Let barriers wait for the records before them, however long."""
        return self.enable_unaligned_checkpoints(enabled=False)

    def get_alignment_timeout(self) -> Duration:
        """How long a task waits for a checkpoint's barriers until they overtake: 1 s unless it was set."""
        return Duration.of_millis(self._settings.get_milliseconds(unaligned.ALIGNED_TIMEOUT))

    def set_alignment_timeout(self, alignment_timeout: Span) -> "CheckpointConfig":
        """Let barriers overtake after this time, from the first that a task has; 0: from the start."""
        self._settings.set(unaligned.ALIGNED_TIMEOUT, duration(alignment_timeout))
        return self

    def get_aligned_checkpoint_timeout(self) -> Duration:
        """Flink's newer name for `get_alignment_timeout`."""
        return self.get_alignment_timeout()

    def set_aligned_checkpoint_timeout(self, alignment_timeout: Span) -> "CheckpointConfig":
        """Flink's newer name for `set_alignment_timeout`."""
        return self.set_alignment_timeout(alignment_timeout)

    def is_force_unaligned_checkpoints(self) -> bool:
        """False: it is about streams that feed themselves, and there are none."""
        return False

    def set_force_unaligned_checkpoints(
        self,
        force_unaligned_checkpoints: bool = True,  # noqa: FBT001, FBT002  # PyFlink's signature
    ) -> "CheckpointConfig":
        """Nothing changes: it is about streams that feed themselves, and there are none."""
        return self

    def get_max_subtasks_per_channel_state_file(self) -> int:
        """1: each task's records in flight lie in its own file."""
        return 1

    def set_max_subtasks_per_channel_state_file(
        self, max_subtasks_per_channel_state_file: int
    ) -> "CheckpointConfig":  # PyFlink's
        """Nothing changes: each task's records in flight lie in its own file."""
        return self

    def is_fail_on_checkpointing_errors(self) -> bool:
        """Whether one failed checkpoint lets the job fail over: none is tolerated."""
        return self.get_tolerable_checkpoint_failure_number() == 0

    def set_fail_on_checkpointing_errors(
        self,
        fail_on_checkpointing_errors: bool,  # noqa: FBT001  # PyFlink's signature
    ) -> "CheckpointConfig":
        """Tolerate no failed checkpoint, or any number of them in a row."""
        return self.set_tolerable_checkpoint_failure_number(0 if fail_on_checkpointing_errors else _ANY_NUMBER)

    def set_checkpoint_storage(self, storage: CheckpointStorage) -> "CheckpointConfig":
        """PyFlink 1's way to say where checkpoints lie: FileSystemCheckpointStorage(directory)."""
        accepted_instance("set_checkpoint_storage", storage, CheckpointStorage, "a CheckpointStorage")
        self._settings.set_all(storage.as_settings())
        return self

    def get_checkpoint_storage_dir(self) -> str | None:
        """The directory or URI where checkpoints lie; None: in the job store."""
        return self._settings.get(checkpointing.DIRECTORY)

    def set_checkpoint_storage_dir(self, checkpoint_path: str) -> "CheckpointConfig":
        """Keep checkpoints in this directory or under this URI, which every process of the cluster must reach."""
        self._settings.set(checkpointing.DIRECTORY, checkpoint_path)
        return self

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, OF_CHECKPOINT_CONFIGS)
