"""CSV as columns (RFC 4180), a block of lines at a time. pyarrow reads the block; when it can't, the culprit is found.

pyarrow tells which lines have too few or too many fields, but of a value that it can't convert only that there is one,
and an open quote swallows the lines behind it silently. So a block that fails is halved until a single line is left
(0.2 ms a call, and two calls a culprit when all are). And behind every block stands a line with one field too many:
when it doesn't come back as such, something was swallowed.
"""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pa_csv

from millstream.formats.columns import CsvColumn, columns_of
from millstream.formats.lines import (
    FormatError,
    LineParser,
    Lines,
    Malformed,
    Parsed,
    Places,
    split_undecodable,
)
from millstream.formats.stream_format import StreamFormat
from millstream_dataflow.records import ColumnBatch
from millstream_dataflow.words import counted

_CAUSE = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?(?:CSV conversion error to )?(.*)", re.DOTALL)
_SHOWN = 60  # characters of pyarrow's reason: it holds the value, which may be long

# Any: pyarrow's classes are generic in a scalar type that no code here depends on.
_Column: TypeAlias = "pa.Array[Any]"


@dataclass(frozen=True)
class CsvFormat(StreamFormat):
    """How CSV files are read; make one with `CsvFormat.of`."""

    columns: tuple[CsvColumn, ...] | None = None
    header: bool = True
    delimiter: str = ","
    quote_char: str | None = '"'
    null_values: tuple[str, ...] = ("",)
    newlines_in_values: bool = False
    line_column: str | None = None

    @staticmethod
    def of(  # noqa: PLR0913  # a table of options, each by its name
        columns: Mapping[str, object] | Iterable[str] | None = None,
        *,
        header: bool = True,
        delimiter: str = ",",
        quote_char: str | None = '"',
        null_values: Iterable[str] = ("",),
        newlines_in_values: bool = False,
        line_column: str | None = None,
    ) -> CsvFormat:
        """`columns`: names to types, and only these are read; without `header` they are the file's, in its order.

        A value among `null_values` is None where the column's type has `| None`, and text where it is `str`; elsewhere
        its line is malformed. With `newlines_in_values` a quoted value may have newlines, and a file is one split.
        `line_column` names one more column: the line as it stands in the file.
        """
        declared = columns_of(columns)
        if declared is None and not header:
            raise ValueError("a CSV file without a header needs its columns declared, in the file's order")
        for what, text in {"delimiter": delimiter, "quote_char": quote_char}.items():
            if text is not None and (len(text) != 1 or not text.isascii() or text in "\r\n"):
                raise ValueError(f"{what} must be one ASCII character, but is {text!r}")
        if line_column is not None and any(column.name == line_column for column in declared or ()):
            raise ValueError(f"line_column {line_column!r} is the name of a column; give it another")
        nulls = tuple(null_values)
        return CsvFormat(declared, header, delimiter, quote_char, nulls, newlines_in_values, line_column)

    @property
    def has_header(self) -> bool:
        """See StreamFormat."""
        return self.header

    @property
    def quote(self) -> bytes | None:
        """See StreamFormat."""
        return self.quote_char.encode() if self.newlines_in_values and self.quote_char is not None else None

    def parser(self, header: str | None) -> LineParser:
        """FormatError when a declared column isn't in the header, or is there twice."""
        if header is None:
            return _CsvParser(self, [column.name for column in self.columns or ()])
        reader = csv.reader([header], delimiter=self.delimiter, quotechar=self.quote_char)
        names = [name.strip() for name in next(reader, [])]
        for column in self.columns or ():
            if names.count(column.name) != 1:
                what = "twice" if column.name in names else "not"
                raise FormatError(f"column {column.name!r} is {what} in its header, which is {', '.join(names)}")
        return _CsvParser(self, names)


class _CsvParser(LineParser):
    def __init__(self, format_: CsvFormat, names: Sequence[str]) -> None:
        # Else every block would put Arrow's handler of Ctrl-C in the place of the program's, and open a pipe for it.
        pa.enable_signal_handlers(False)
        self._format = format_
        self._names = names
        self._columns = format_.columns or tuple(CsvColumn(name, pa.string(), nullable=False) for name in names)
        places = [str(names.index(column.name)) for column in self._columns]  # a number: names may be there twice
        self._wrong: list[pa_csv.InvalidRow] = []
        self._guard = format_.delimiter.encode() * len(names) + b"\n"
        self._parse_options = pa_csv.ParseOptions(
            delimiter=format_.delimiter,
            quote_char=format_.quote_char or False,
            newlines_in_values=True,
            invalid_row_handler=self._wrong_row,
        )
        self._convert_options = pa_csv.ConvertOptions(
            column_types={place: column.type for place, column in zip(places, self._columns, strict=True)},
            include_columns=places,
            null_values=list(format_.null_values),
            strings_can_be_null=False,
        )
        fields = [pa.field(column.name, column.type) for column in self._columns]
        if format_.line_column is not None:
            fields.append(pa.field(format_.line_column, pa.string()))
        self._schema = pa.schema(fields)

    def _wrong_row(self, row: pa_csv.InvalidRow) -> Literal["skip"]:
        self._wrong.append(row)
        return "skip"

    def parse(self, lines: Lines) -> Parsed:
        """See LineParser. Blank lines are neither records nor malformed."""
        index, bad = split_undecodable(lines)
        index = index[lines.ends[index] > lines.starts[index]]
        if b"\r" in lines.data:
            index = self._without_returns(lines, index, bad)
        batches: list[pa.RecordBatch] = []
        waiting = [index] if len(index) else []
        while waiting:
            part = waiting.pop()
            if not self._read(lines, part, batches, bad):
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
        bad.sort()
        if not batches:
            return Parsed(None, bad)
        if len(batches) > 1:
            batches = pa.Table.from_batches(batches).combine_chunks().to_batches()
        return Parsed(ColumnBatch(batches[0]), bad)

    def _without_returns(self, lines: Lines, index: Places, bad: list[Malformed]) -> Places:
        r"""What pyarrow would take for two lines: it takes a lone `\r` for the end of a line."""
        kept: list[int] = []
        for number, line in zip(index.tolist(), lines.some(index), strict=True):
            if b"\r" in line and self._format.quote is None:
                bad.append(Malformed(number, "it has a carriage return inside"))
            elif line:
                kept.append(number)
        return np.array(kept, np.int64)

    def _read(self, lines: Lines, index: Places, batches: list[pa.RecordBatch], bad: list[Malformed]) -> bool:
        """These lines, if pyarrow can read them or there is but one; else nothing happens."""
        single = len(index) == 1
        try:
            table = self._table(lines.some(index).packed() + self._guard)
        except pa.ArrowInvalid as error:
            if single:
                bad.append(Malformed(int(index[0]), self._reason(error)))
            return single
        if table.num_rows + len(self._wrong) != len(index) + 1:
            if single:
                bad.append(Malformed(int(index[0]), "its quotes don't close, or close too early"))
            return single
        wrong = self._wrong[:-1]
        numbers = [(row.number or 1) - 1 for row in wrong]
        bad += [
            Malformed(
                int(index[number]),
                f"it has {counted(row.actual_columns, 'field')} in the place of {row.expected_columns}",
            )
            for number, row in zip(numbers, wrong, strict=True)
        ]
        index = np.delete(index, numbers)
        if len(index):
            self._checked(table, lines, index, batches, bad)
        return True

    def _table(self, block: bytes) -> pa.Table:
        self._wrong.clear()
        read_options = pa_csv.ReadOptions(
            use_threads=False,
            block_size=len(block) + 1,  # one block, so that row numbers are those of the whole
            column_names=[str(place) for place in range(len(self._names))],
        )
        source = cast("Any", pa.BufferReader(block))  # the stubs know paths and Python's files only
        return pa_csv.read_csv(source, read_options, self._parse_options, self._convert_options)

    def _checked(
        self, table: pa.Table, lines: Lines, index: Places, batches: list[pa.RecordBatch], bad: list[Malformed]
    ) -> None:
        """Nulls where they may be; and the line as it stands."""
        good = np.ones(len(index), np.bool_)
        arrays: list[_Column] = []
        for column, chunked in zip(self._columns, table.columns, strict=True):
            array = chunked.combine_chunks()
            if column.nullable and pa.types.is_string(column.type):
                array = pc.if_else(pc.is_in(array, pa.array(self._format.null_values)), None, array)
            elif not column.nullable and array.null_count:
                missing = pc.is_null(array).to_numpy(zero_copy_only=False)
                bad += [Malformed(place, f"{column.name} has no value") for place in index[missing & good].tolist()]
                good &= ~missing
            arrays.append(array)
        if self._format.line_column is not None:
            arrays.append(pa.array(lines.some(index).texts(), pa.string()))
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        batch = batch if good.all() else batch.filter(pa.array(good))
        if batch.num_rows:
            batches.append(batch)

    def _reason(self, error: pa.ArrowInvalid) -> str:
        found = _CAUSE.match(str(error))
        if found is None:
            return str(error)
        reason = found[2] if len(found[2]) <= _SHOWN else f"{found[2][:_SHOWN]}..."
        return f"{self._names[int(found[1])]} is no {reason.replace(': invalid value', ':')}"
