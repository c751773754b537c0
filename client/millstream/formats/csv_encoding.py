r"""Records as CSV (RFC 4180, but lines end with `\n`): what `FileSource.csv` reads again.

None is the null text, times are ISO 8601 (`Z` for UTC), bools are `true` and `false`, floats have as many digits as
they need; everything else is its `str`.
"""

import csv
import datetime
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from operator import attrgetter, itemgetter
from typing import Any, cast

from millstream.formats.encoding import Encoder
from millstream_dataflow.records import Batch, ColumnBatch
from millstream_dataflow.types import Row
from millstream_dataflow.words import counted

_PLAIN = frozenset({str, int, float})
"""Types that the csv module writes as they should be."""

Fields = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class CsvEncoder(Encoder):
    """Records as lines of values. With `columns`, those fields of Rows, NamedTuples, dataclasses, dicts and columns, or
    the values of tuples, which must be as many; they are also the header. Without, all fields in order, and no header.
    """

    columns: tuple[str, ...] | None = None
    has_header: bool = True
    delimiter: str = ","
    null: str = ""

    @property
    def suffix(self) -> str:
        """See Encoder."""
        return ".csv"

    def header(self) -> bytes:
        """See Encoder."""
        return self._lines([self.columns]) if self.columns is not None and self.has_header else b""

    def encode(self, batch: Batch) -> bytes:
        """TypeError or ValueError for a record that hasn't the columns."""
        return self._lines(self._values(batch))

    def _lines(self, rows: Iterable[Sequence[object]]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerows(row if _PLAIN.issuperset(map(type, row)) else self._texts(row) for row in rows)
        return text.getvalue().encode()

    def _texts(self, row: Sequence[object]) -> list[object]:
        return [value if type(value) in _PLAIN else self._text(value) for value in row]

    def _text(self, value: object) -> str:
        match value:
            case None:
                return self.null
            case bool():
                return "true" if value else "false"
            case datetime.datetime():
                text = value.isoformat()
                return f"{text[:-6]}Z" if value.utcoffset() == datetime.timedelta() else text
            case datetime.date() | datetime.time():
                return value.isoformat()
            case _:
                return str(value)

    def _values(self, batch: Batch) -> Iterable[Sequence[object]]:
        if isinstance(batch, ColumnBatch):
            columns = batch.columns if self.columns is None else batch.columns.select(list(self.columns))
            return zip(*[column.to_pylist() for column in columns.columns], strict=True)
        readers: dict[type, Fields] = {}
        return (self._fields(value, readers) for value in batch.values)

    def _fields(self, value: object, readers: dict[type, Fields]) -> Sequence[object]:
        kind = type(value)
        reader = readers.get(kind)
        if reader is None:
            reader = readers[kind] = _reader(value, self.columns)
        fields = reader(value)
        if self.columns is not None and len(fields) != len(self.columns):
            raise ValueError(
                f"a record has {counted(len(fields), 'field')} for the columns {', '.join(self.columns)}: {value!r}"
            )
        return fields


def _reader(value: object, columns: tuple[str, ...] | None) -> Fields:
    """How the fields of such a value are had, in order."""
    match value:
        case Row():
            return tuple if columns is None else _RowFields(columns)
        case tuple() if columns is None or not hasattr(value, "_fields"):
            return _itself
        case dict():
            return cast("Fields", lambda record: tuple(record.values())) if columns is None else _items(columns)
        case tuple():
            return _attributes(columns or ())
        case list():
            return _itself
        case _ if is_dataclass(value):
            return _attributes(columns or tuple(field.name for field in dataclass_fields(value)))
        case _ if columns is None or len(columns) == 1:
            return lambda record: (record,)
        case _:
            raise TypeError(f"a {type(value).__name__} has no fields for the columns {', '.join(columns)}: {value!r}")


@dataclass(frozen=True, slots=True)
class _RowFields:
    """By name where a Row has names, which two Rows of a stream need not have in one order; else by position."""

    columns: tuple[str, ...]

    def __call__(self, row: Row) -> Sequence[Any]:
        names = row.get_field_names()
        return tuple(row) if names is None or names == self.columns else [row[name] for name in self.columns]


def _itself(record: Any) -> Sequence[Any]:  # noqa: ANN401  # any sequence
    return cast("Sequence[Any]", record)


def _items(columns: tuple[str, ...]) -> Fields:
    if len(columns) == 1:
        [name] = columns
        return lambda record: (record[name],)
    return itemgetter(*columns)


def _attributes(columns: tuple[str, ...]) -> Fields:
    if len(columns) == 1:
        [name] = columns
        return lambda record: (getattr(record, name),)
    return attrgetter(*columns)
