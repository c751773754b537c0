"""`FileSource`: the records of files (Flink, "FileSystem connector"). PyFlink's names, and shorter ones of ours."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from millstream.connectors.files.paths import absolute
from millstream.connectors.files.reader import FileReader, Position, ReaderSettings
from millstream.connectors.files.splits import FileEnumerator, FileSplit, SplitRule
from millstream.formats.csv import CsvFormat
from millstream.formats.stream_format import StreamFormat, TextLineFormat
from millstream_dataflow.connectors import Boundedness, Source, SourceContext, SplitEnumerator, SplitReader
from millstream_dataflow.not_there import NotThere
from millstream_dataflow.time import Span, to_milliseconds

_LEAST = 32 << 20  # bytes of a split: a few seconds of CSV, so that opening a file costs nothing beside
_ANY_NUMBER = 1 << 20
_LONGEST = 16 << 20  # bytes of a record: far above any line that people write, and small beside a worker

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
OnError = Literal["skip", "fail"]


@dataclass(frozen=True)
class FileSource(Source[FileSplit]):
    """Reads files, directories and patterns of any `pyarrow.fs` file system; what ends in `.gz` is unpacked.

    A plain file is read by many readers at once, in ranges of at least `min_split_bytes`; one split is in order, and
    needed where which records are late must not depend on chance (law 7.2). A line that can't be read is counted and
    shown with file and number, and skipped, unless `on_error="fail"`.

    >>> FileSource.csv("flights.csv.gz", {"origin": str, "dep_delay": float | None}, null_values=["NA"])
    >>> FileSource.text("logs/**/*.log", splits=1)
    """

    paths: tuple[str, ...]
    format: StreamFormat
    rule: SplitRule = SplitRule(_ANY_NUMBER, _LEAST)  # noqa: RUF009  # frozen, so one may be shared
    fails: bool = False
    interval: int | None = None
    """Milliseconds between two looks for new files; None: one look, and the source is bounded."""

    @classmethod
    def csv(  # noqa: PLR0913  # a table of options, each by its name
        cls,
        paths: Paths,
        columns: Mapping[str, object] | Iterable[str] | None = None,
        *,
        header: bool = True,
        delimiter: str = ",",
        quote_char: str | None = '"',
        null_values: Iterable[str] = ("",),
        newlines_in_values: bool = False,
        line_column: str | None = None,
        splits: int | None = None,
        min_split_bytes: int = _LEAST,
        on_error: OnError = "skip",
    ) -> "FileSource":
        """CSV as columns: batches for `map_batches`, and a Row a record for everything else.

        `columns` names what is read, each with its type (`int`, `float | None`, `Types.INSTANT()`, an Arrow type), or
        without: text. None reads all columns as text. For the other options see `CsvFormat.of`.
        """
        format_ = CsvFormat.of(
            columns,
            header=header,
            delimiter=delimiter,
            quote_char=quote_char,
            null_values=null_values,
            newlines_in_values=newlines_in_values,
            line_column=line_column,
        )
        return cls.of(paths, format_, splits=splits, min_split_bytes=min_split_bytes, on_error=on_error)

    @classmethod
    def text(
        cls,
        paths: Paths,
        *,
        splits: int | None = None,
        min_split_bytes: int = _LEAST,
        on_error: OnError = "skip",
    ) -> "FileSource":
        """Every line as a `str` (UTF-8) without its newline."""
        return cls.of(paths, TextLineFormat(), splits=splits, min_split_bytes=min_split_bytes, on_error=on_error)

    @classmethod
    def of(
        cls,
        paths: Paths,
        format_: StreamFormat,
        *,
        splits: int | None = None,
        min_split_bytes: int = _LEAST,
        on_error: OnError = "skip",
    ) -> "FileSource":
        """Files of any format. `splits`: how many a file, at most."""
        if (splits is not None and splits < 1) or min_split_bytes < 1:
            raise ValueError(f"a file has at least 1 split of 1 byte, but got {splits} of {min_split_bytes}")
        if on_error not in ("skip", "fail"):
            raise ValueError(f'on_error is "skip" or "fail", but got {on_error!r}')
        given = tuple(map(absolute, (paths,) if isinstance(paths, str | os.PathLike) else paths))
        if not given:
            raise ValueError("a FileSource needs at least one path")
        most = 1 if format_.quote is not None else splits or _ANY_NUMBER
        return cls(given, format_, SplitRule(most, min_split_bytes), on_error == "fail")

    for_bulk_file_format = NotThere("lines and CSV are what is read: for_record_stream_format(format, *paths)")

    @staticmethod
    def for_record_stream_format(stream_format: StreamFormat, *paths: str | os.PathLike[str]) -> "FileSourceBuilder":
        """PyFlink's way: a builder. Formats are `StreamFormat.text_line_format()` and `CsvFormat.of(...)`."""
        on_error: OnError = "fail" if stream_format.fails_at_malformed else "skip"
        return FileSourceBuilder(FileSource.of(paths, stream_format, on_error=on_error))

    def monitored(self, discovery_interval: Span) -> "FileSource":
        """The same, looking for new files that often (milliseconds where a bare int), without end.

        A file is read once, as it is when it is found: write it elsewhere, or under a hidden name, and move it.
        """
        milliseconds = to_milliseconds(discovery_interval)
        if milliseconds < 1:
            raise ValueError(f"the discovery interval must be at least 1 ms, but is {milliseconds}")
        return replace(self, interval=milliseconds)

    @property
    def boundedness(self) -> Boundedness:  # type: ignore[override]  # it follows from another field
        """Bounded unless monitored."""
        return Boundedness.BOUNDED if self.interval is None else Boundedness.CONTINUOUS_UNBOUNDED

    @property
    def discovery_interval(self) -> int | None:  # type: ignore[override]  # as above
        """See Source."""
        return self.interval

    def create_enumerator(self, context: SourceContext, state: Any) -> SplitEnumerator[FileSplit]:  # noqa: ANN401  # see Source
        """Lists the paths."""
        return FileEnumerator(self.paths, self.rule, missing_ok=self.interval is not None, seen=state or ())

    def create_reader(self, context: SourceContext, split: FileSplit, position: Position | None) -> SplitReader:
        """Opens the file."""
        return FileReader(context, split, position, ReaderSettings(self.format, self.fails, _LONGEST))


class FileEnumeratorProvider:
    """PyFlink's names for how files become splits."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Splits of a file."""

    @staticmethod
    def default_splittable_file_enumerator() -> "FileEnumeratorProvider":
        """A plain file is read by many readers at once, in ranges. The default."""
        return FileEnumeratorProvider(_ANY_NUMBER)

    @staticmethod
    def default_non_splittable_file_enumerator() -> "FileEnumeratorProvider":
        """Each file is read by one reader, in order."""
        return FileEnumeratorProvider(1)


class FileSplitAssignerProvider:
    """PyFlink's name for who reads which split."""

    @staticmethod
    def locality_aware_split_assigner() -> "FileSplitAssignerProvider":
        """Whoever asks gets the next one: no file system here says on which host a file lies. The default."""
        return FileSplitAssignerProvider()


class FileSourceBuilder:
    """PyFlink's `FileSourceBuilder`."""

    def __init__(self, source: FileSource) -> None:
        self._source = source

    def monitor_continuously(self, discovery_interval: Span) -> "FileSourceBuilder":
        """Look for new files that often, without end."""
        self._source = self._source.monitored(discovery_interval)
        return self

    def process_static_file_set(self) -> "FileSourceBuilder":
        """Look once: the source is bounded. The default."""
        self._source = replace(self._source, interval=None)
        return self

    def set_file_enumerator(self, file_enumerator: FileEnumeratorProvider) -> "FileSourceBuilder":
        """Whether a file is read in several splits. Formats whose records may hold newlines have one in any case."""
        source = self._source
        most = min(file_enumerator.most, 1 if source.format.quote is not None else _ANY_NUMBER)
        self._source = replace(source, rule=replace(source.rule, most=most))
        return self

    def set_split_assigner(self, split_assigner: FileSplitAssignerProvider) -> "FileSourceBuilder":
        """Nothing changes: there is one way. TypeError for what FileSplitAssignerProvider hasn't made."""
        if not isinstance(cast("object", split_assigner), FileSplitAssignerProvider):
            takes = "one that FileSplitAssignerProvider makes"
            raise TypeError(f"set_split_assigner takes {takes}, but got {split_assigner!r:.80}")
        return self

    def build(self) -> FileSource:
        """The source."""
        return self._source
