"""PyFlink's CSV: a schema made call by call, and how FileSource and FileSink read and write files of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from millstream.formats.columns import columns_of
from millstream.formats.csv import CsvFormat
from millstream.formats.csv_encoding import CsvEncoder
from millstream.formats.encoding import BulkWriterFactory
from millstream.formats.lines import LineParser
from millstream_dataflow.not_there import NotThere

_NO_ARRAYS = "a column holds one value; split its text in a map behind the source"


@dataclass(frozen=True)
class CsvSchema:
    """The columns of a CSV file, in its order, and how it is written. `CsvSchema.builder()` makes one."""

    columns: dict[str, object] = field(default_factory=dict[str, object])
    """Types by name."""
    use_header: bool = False
    skip_first: bool = False
    delimiter: str = ","
    quote_char: str | None = '"'
    null_value: str | None = None

    @staticmethod
    def builder() -> CsvSchemaBuilder:
        """Begins one."""
        return CsvSchemaBuilder()

    def size(self) -> int:
        """How many columns there are."""
        return len(self.columns)

    def __len__(self) -> int:
        return self.size()


class CsvSchemaBuilder:
    """Makes a CsvSchema. Setters return the same object."""

    add_array_column = NotThere(_NO_ARRAYS)
    set_array_element_separator = NotThere(_NO_ARRAYS)
    disable_array_element_separator = NotThere(_NO_ARRAYS)
    remove_array_element_separator = NotThere(_NO_ARRAYS)
    set_any_property_name = NotThere("a line with more values than columns is malformed")
    set_escape_char = NotThere('a quote inside of a value is written twice (RFC 4180): "say ""hello"""')
    set_strict_headers = NotThere("set_use_header() finds columns by the header's names, in whatever order they stand")

    def __init__(self) -> None:
        self._schema = CsvSchema()

    def add_string_column(self, name: str) -> CsvSchemaBuilder:
        """The next column holds text."""
        return self._add(name, str)

    def add_number_column(self, name: str, number_type: object = int) -> CsvSchemaBuilder:
        """The next column holds numbers: whole ones, or of another type (`float`, `Types.DOUBLE()`)."""
        return self._add(name, number_type)

    def add_boolean_column(self, name: str) -> CsvSchemaBuilder:
        """The next column holds true and false."""
        return self._add(name, bool)

    def add_columns_from(self, schema: CsvSchema) -> CsvSchemaBuilder:
        """The next columns are those of another schema."""
        for name, type_ in schema.columns.items():
            self._add(name, type_)
        return self

    def clear_columns(self) -> CsvSchemaBuilder:
        """Forget all columns."""
        return self._with(columns={})

    def set_use_header(self, use: bool = True) -> CsvSchemaBuilder:  # noqa: FBT001, FBT002  # PyFlink's signature
        """The first line names the columns, and each is found by its name; what is written begins with such a line."""
        return self._with(use_header=use)

    def set_skip_first_data_row(self, skip: bool = True) -> CsvSchemaBuilder:  # noqa: FBT001, FBT002  # as above
        """The first line is none of the records, whatever it says; columns stand in the order of the schema."""
        return self._with(skip_first=skip)

    def set_allow_comments(self, allow: bool = True) -> CsvSchemaBuilder:  # noqa: FBT001, FBT002  # as above
        """False. ValueError for True: every line is a record."""
        if allow:
            raise ValueError("set_allow_comments: every line of a CSV file is a record here; take comments out before")
        return self

    def set_column_separator(self, char: str) -> CsvSchemaBuilder:
        """What stands between two values; a comma unless it is set."""
        return self._with(delimiter=char)

    def set_line_separator(self, separator: str) -> CsvSchemaBuilder:
        r"""A newline. ValueError for another one; what is read may have `\r\n` too."""
        if separator != "\n":
            raise ValueError(f"set_line_separator: lines are written with a newline at the end, not {separator!r}")
        return self

    def set_quote_char(self, char: str) -> CsvSchemaBuilder:
        """What stands around values that hold separators; `"` unless it is set."""
        return self._with(quote_char=char)

    def disable_quote_char(self) -> CsvSchemaBuilder:
        """Nothing stands around values."""
        return self._with(quote_char=None)

    def disable_escape_char(self) -> CsvSchemaBuilder:
        """Nothing changes: there is none."""
        return self

    def set_null_value(self, null_value: str) -> CsvSchemaBuilder:
        """What stands for None in every column."""
        return self._with(null_value=null_value)

    def size(self) -> int:
        """How many columns there are."""
        return self._schema.size()

    def __len__(self) -> int:
        return self.size()

    def build(self) -> CsvSchema:
        """The schema."""
        return self._schema

    def _add(self, name: str, type_: object) -> CsvSchemaBuilder:
        columns_of({name: type_})  # says at the call what can't be read
        if name in self._schema.columns:
            raise ValueError(f"a CSV schema has each column once, but {name!r} was added twice")
        return self._with(columns={**self._schema.columns, name: type_})

    def _with(self, **changes: Any) -> CsvSchemaBuilder:  # noqa: ANN401  # fields of the schema
        self._schema = replace(self._schema, **changes)
        return self


@dataclass(frozen=True)
class CsvReaderFormat(CsvFormat):
    """PyFlink's name for how CSV files are read. Records are Rows with the schema's names; a line that can't be read
    fails the job.
    """

    skip_first: bool = False

    @staticmethod
    def for_schema(schema: CsvSchema) -> CsvReaderFormat:
        """The format, for `FileSource.for_record_stream_format(format, *paths)`."""
        nullable = schema.null_value is not None
        columns = tuple(column._replace(nullable=nullable) for column in columns_of(schema.columns) or ())
        nulls = () if schema.null_value is None else (schema.null_value,)
        checked = CsvFormat.of(
            [column.name for column in columns], delimiter=schema.delimiter, quote_char=schema.quote_char
        )
        return CsvReaderFormat(
            columns,
            schema.use_header or schema.skip_first,
            checked.delimiter,
            checked.quote_char,
            nulls,
            skip_first=not schema.use_header and schema.skip_first,
        )

    @property
    def fails_at_malformed(self) -> bool:
        """See StreamFormat."""
        return True

    def parser(self, header: str | None) -> LineParser:
        """See CsvFormat."""
        return super().parser(None if self.skip_first else header)


class CsvBulkWriters:
    """PyFlink's name for how CSV files are written."""

    @staticmethod
    def for_schema(schema: CsvSchema) -> BulkWriterFactory:
        """The columns of a schema, for `FileSink.for_bulk_format(path, factory)`. ValueError for other quotes than the
        usual.
        """
        if schema.quote_char != '"':
            raise ValueError(f'CSV is written with " around values that need it, but got {schema.quote_char!r}')
        names = tuple(schema.columns)
        return BulkWriterFactory(CsvEncoder(names, schema.use_header, schema.delimiter, schema.null_value or ""))
