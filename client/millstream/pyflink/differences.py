"""What is there under PyFlink's name and isn't all that PyFlink's is: what docs/pyflink.md says about it.

Only what a program can notice stands here, not what it may do besides. A call without effect says so itself: its
docstring begins with "Nothing changes". What is written about a name that isn't there fails a test.
"""

from collections.abc import Mapping
from typing import Final

_AS_PYTHON: Final = "records are written as Python's `str` has them, `('a', 1)`, where Java would write `(a,1)`"
_ONE_FOLDER: Final = (
    "files lie in the folder itself unless `with_bucket_assigner` says otherwise, where Flink makes one for each hour; "
    "each checkpoint closes them"
)
_PANES: Final = (
    "a record is kept once for all its windows: `merge` of an AggregateFunction is called, and the function of "
    "`reduce` must be associative"
)

DIFFERENCES: Final[Mapping[str, str]] = {
    "BucketAssigner.date_time_bucket_assigner": "of Java's letters it knows y, u, M, d, H, m and s; what isn't visible "
    "yet lies in the sink's own folder",
    "CheckpointConfig.is_unaligned_checkpoints_enabled": "true unless it was disabled: barriers wait for records "
    "before them for 1 s at the most (`get_alignment_timeout`), and overtake them then",
    "Configuration": "a setter refuses a key that nobody knows, and a value that the key doesn't accept",
    "ContinuousEventTimeTrigger": "a window without end fires for the last time at the end of the input",
    "ContinuousProcessingTimeTrigger": "windows of event time also fire at their end and for late records; intervals "
    "in which the task stood still are made up for by one firing",
    "DataStream.key_by": "keys are values whose hash is the same everywhere: numbers, text, bytes, dates, enums, and "
    "tuples, Rows and frozen dataclasses of such; lists, dicts, and objects of other classes are refused",
    "DataStream.print": f"{_AS_PYTHON}; on a cluster it is its TaskManagers that print, as in Flink",
    "Encoder": "one of your own gets whole batches (`encode`)",
    "Encoder.simple_string_encoder": _AS_PYTHON,
    "ExecutionConfig.set_auto_watermark_interval": "a watermark also follows each batch that raised it",
    "FileSink.for_bulk_format": _ONE_FOLDER,
    "FileSink.for_row_format": _ONE_FOLDER,
    "FileSystemCheckpointStorage": "`write_buffer_size` changes nothing; small state lies in the checkpoint's "
    "metadata, up to 128 KiB",
    "GlobalWindows": "refused where no `trigger(...)` is called, since they would never fire",
    "JobManagerCheckpointStorage": "checkpoints are files in the job store; they outlive the JobManager, and may have "
    "any size",
    "KeySelector": "nobody calls its `open` and `close`; one with such methods of its own is refused",
    "MapState": "`state[key]` and `del state[key]` raise KeyError for what isn't there, as a dict does",
    "Partitioner": "as `KeySelector`",
    "RollingPolicy.default_rolling_policy": "the size counts; the two spans change nothing, since each checkpoint "
    "closes the files",
    "Row": "one without names is shown as `Row(1, 'a')`",
    "Sink": "the base of sinks written in Python; PyFlink's wraps one in Java",
    "Source": "the base of sources written in Python; PyFlink's wraps one in Java",
    "SlidingEventTimeWindows": _PANES,
    "SlidingProcessingTimeWindows": _PANES,
    "SlotSharingGroup": "its name counts; the resources that it asks for change nothing, and a warning says so",
    "StateTtlConfig": "the time to live stands first among its parameters; state may get one, or lose it, between a "
    "savepoint and its restore, which Flink refuses",
    "StateTtlConfig.Builder.cleanup_in_rocksdb_compact_filter": "changes nothing: state lies in memory",
    "StreamExecutionEnvironment.execute": "a job that fails raises JobFailedError with the function's own traceback, "
    "not an error of Py4J's",
    "TimeWindow": "is shown with its times in UTC, where PyFlink shows milliseconds",
    "Types.FLOAT": "a Python float, which keeps its 64 bits",
    "Types.INSTANT": "a `datetime.datetime` with a time zone",
    "WatermarkStrategy.with_watermark_alignment": "`assign_timestamps_and_watermarks` refuses it, where Flink takes no "
    "notice of it: only a source can be paused (`from_source`)",
    "WindowedStream": "comes from `KeyedStream.window(...)`; its constructor takes other things",
    "WindowedStream.aggregate": "`accumulator_type` is accepted; accumulators are stored as they are",
    "WindowedStream.allowed_lateness": "refused for windows that don't go by event time",
}
"""By name, or by `Name.member`, in whatever modules the name is."""
