"""`FileSink`: records into files, exactly once (Flink, "FileSystem connector"). PyFlink's names, and shorter ones."""

import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from millstream.connectors.files.buckets import BucketAssigner
from millstream.connectors.files.committer import FileCommitter
from millstream.connectors.files.directories import open_directory
from millstream.connectors.files.names import first_part
from millstream.connectors.files.paths import absolute
from millstream.connectors.files.policies import RollingPolicy
from millstream.connectors.files.writer import FileCommittable, FileWriter
from millstream.formats.csv_encoding import CsvEncoder
from millstream.formats.encoding import BulkWriterFactory, Encoder, LineEncoder
from millstream_dataflow.connectors import Committer, Sink, SinkContext, SinkWriter
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.time import Span, to_milliseconds

_NO_BUCKETS = BucketAssigner.base_path_bucket_assigner()


@dataclass(frozen=True, slots=True)
class OutputFileConfig:
    """How part files are called: `<prefix>-...<suffix>`. PyFlink's, with its builder."""

    part_prefix: str = "part"
    part_suffix: str = ""

    class OutputFileConfigBuilder:
        """PyFlink's."""

        def __init__(self) -> None:
            self._config = OutputFileConfig()

        def with_part_prefix(self, prefix: str) -> "OutputFileConfig.OutputFileConfigBuilder":
            """What names begin with; `part` unless it is set."""
            self._config = replace(self._config, part_prefix=prefix)
            return self

        def with_part_suffix(self, suffix: str) -> "OutputFileConfig.OutputFileConfigBuilder":
            """What names end in."""
            self._config = replace(self._config, part_suffix=suffix)
            return self

        def build(self) -> "OutputFileConfig":
            """The configuration."""
            return self._config

    def __post_init__(self) -> None:
        """ValueError for what would hide files or make directories."""
        if not self.part_prefix or self.part_prefix[0] in "._" or "/" in self.part_prefix + self.part_suffix:
            what = f"a part file can't be called {self.part_prefix}-...{self.part_suffix}"
            raise ValueError(f"{what}: names that begin with . or _ are hidden, and / would be a directory")

    @staticmethod
    def builder() -> "OutputFileConfig.OutputFileConfigBuilder":
        """PyFlink's way."""
        return OutputFileConfig.OutputFileConfigBuilder()

    def get_part_prefix(self) -> str:
        """What names begin with."""
        return self.part_prefix

    def get_part_suffix(self) -> str:
        """What names end in."""
        return self.part_suffix


class FileSinkBuilder:
    """PyFlink's builders of a FileSink, for rows and for bulk formats."""

    enable_compact = NotThere("files aren't compacted; fewer checkpoints make larger ones")

    def __init__(self, sink: "FileSink") -> None:
        self._sink = sink

    def with_output_file_config(self, output_file_config: OutputFileConfig) -> "FileSinkBuilder":
        """How part files are called."""
        self._sink = replace(self._sink, names=output_file_config)
        return self

    def with_rolling_policy(self, rolling_policy: RollingPolicy) -> "FileSinkBuilder":
        """How large files become. TypeError for what `RollingPolicy` hasn't made."""
        if not isinstance(cast("object", rolling_policy), RollingPolicy):
            raise TypeError(f"with_rolling_policy takes one that RollingPolicy makes, but got {rolling_policy!r:.80}")
        self._sink = replace(self._sink, part_size=rolling_policy.part_size)
        return self

    def with_bucket_assigner(self, bucket_assigner: BucketAssigner) -> "FileSinkBuilder":
        """In which folder a record's file lies: without it, in the directory itself. TypeError for what
        `BucketAssigner` hasn't made.
        """
        if not isinstance(cast("object", bucket_assigner), BucketAssigner):
            takes = "one that BucketAssigner makes"
            raise TypeError(f"with_bucket_assigner takes {takes}, but got {bucket_assigner!r:.80}")
        self._sink = replace(self._sink, buckets=bucket_assigner)
        return self

    def with_bucket_check_interval(self, interval: Span) -> "FileSinkBuilder":
        """Nothing changes: no file is closed by the clock. TypeError for what is no span of time."""
        to_milliseconds(interval)
        return self

    def disable_compact(self) -> "FileSinkBuilder":
        """Nothing changes: files aren't compacted."""
        return self

    def build(self) -> "FileSink":
        """The sink."""
        return self._sink


@dataclass(frozen=True)
class FileSink(Sink[FileCommittable]):
    """Part files in one directory of any `pyarrow.fs` file system, each record in exactly one of them.

    Every writer closes its file at each checkpoint, and it becomes visible when that is complete; so records are seen
    one checkpoint interval late, and a file holds those of one interval. Until then its name begins with a dot. Other
    jobs may write into the same directory. With a `BucketAssigner` files become visible in folders of the directory, an
    hour each if it is Flink's default; until then they are hidden in the directory itself.

    A job that finishes, or is stopped with a savepoint, leaves nothing hidden behind. One that is cancelled or fails
    leaves the hidden files that no completed checkpoint had committed, as in Flink: a checkpoint or savepoint that is
    kept may name them, and whoever is started from it commits them. They are called `.part-<the job's first 8
    digits>-...` and end in `.pending`, or in `.inprogress` where a process was killed or the disk was slow; delete them
    when nothing will be started from that job's checkpoints and savepoints any more.

    >>> stream.sink_to(FileSink.csv("out", ["window_start", "count"]))
    """

    directory: str
    encoder: Encoder
    names: OutputFileConfig
    part_size: int | None = None
    """Bytes at which a file is closed before its checkpoint; None: at none."""
    buckets: BucketAssigner = _NO_BUCKETS
    commits_outside = True

    BaseBuilder = RowFormatBuilder = BulkFormatBuilder = FileSinkBuilder
    get_transformer = NotThere("nothing is done to the stream before its sink")

    @classmethod
    def csv(  # noqa: PLR0913  # a table of options, each by its name
        cls,
        directory: str | os.PathLike[str],
        columns: Iterable[str] | None = None,
        *,
        header: bool = True,
        delimiter: str = ",",
        null: str = "",
        prefix: str = "part",
    ) -> "FileSink":
        """CSV files, each with a header that names the columns. Records are Rows, NamedTuples, dataclasses, dicts,
        tuples or columns. Without `columns` all fields are written, and no header. `null` stands for None.
        """
        if isinstance(columns, str):
            raise TypeError(f"columns are a list of names, but got the str {columns!r}")
        names = None if columns is None else tuple(columns)
        return cls._of(directory, CsvEncoder(names, header, delimiter, null), prefix)

    @classmethod
    def text(cls, directory: str | os.PathLike[str], *, header: str = "", suffix: str = ".txt") -> "FileSink":
        """A line a record: its `str`. A `header` is the first line of each file."""
        return cls._of(directory, LineEncoder(header, suffix), "part")

    @staticmethod
    def for_row_format(base_path: str | os.PathLike[str], encoder: Encoder) -> FileSinkBuilder:
        """PyFlink's way: a builder. An encoder is `Encoder.simple_string_encoder()` or a class of your own."""
        return FileSinkBuilder(FileSink._of(base_path, encoder, "part"))

    @staticmethod
    def for_bulk_format(base_path: str | os.PathLike[str], writer_factory: BulkWriterFactory) -> FileSinkBuilder:
        """PyFlink's way for formats that are written as a whole: `CsvBulkWriters.for_schema(schema)`."""
        return FileSinkBuilder(FileSink._of(base_path, writer_factory.encoder, "part"))

    @classmethod
    def _of(cls, directory: str | os.PathLike[str], encoder: Encoder, prefix: str) -> "FileSink":
        return cls(absolute(directory), encoder, OutputFileConfig(prefix, encoder.suffix))

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[FileCommittable]:
        """Begins with a file of its own, whoever wrote before."""
        start = uuid.uuid4().hex[:12]
        part = first_part(context, self.names.part_prefix, self.names.part_suffix, start)

        def folder() -> str:
            return self.buckets.folder(context.now())

        return FileWriter(open_directory(self.directory), self.encoder, part, self.part_size, folder)

    def create_committer(self, context: SinkContext) -> Committer[FileCommittable]:
        """Renames."""
        names = self.names
        return FileCommitter(open_directory(self.directory), self.directory, names.part_prefix, names.part_suffix)
