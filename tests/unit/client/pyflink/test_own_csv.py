"""PyFlink's CSV: what its schemas say is how files are read and written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream import FileSink, FileSource, Types
from millstream.connectors.files.reader import MalformedLineError
from millstream.pyflink.own.csv import CsvBulkWriters, CsvReaderFormat, CsvSchema, CsvSchemaBuilder
from millstream_dataflow.time import WatermarkStrategy
from tests.unit.client.programs import environment


def builder() -> CsvSchemaBuilder:
    return CsvSchema.builder().add_string_column("name").add_number_column("age").add_boolean_column("old")


def read(path: Path, schema: CsvSchema) -> list[Any]:
    source = FileSource.for_record_stream_format(CsvReaderFormat.for_schema(schema), str(path)).build()
    env = environment(execution_target="inline")
    with env.from_source(source, WatermarkStrategy.no_watermarks(), "csv").execute_and_collect() as rows:
        return [row.as_dict() for row in rows]


ANN = {"name": "Ann", "age": 31, "old": False}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("Ann,31,false\n", lambda made: made),
        ("'Ann';31;false\n", lambda made: made.set_column_separator(";").set_quote_char("'")),
        ("old,name,age\nfalse,Ann,31\n", lambda made: made.set_use_header()),
        ("some,other,line\nAnn,31,false\n", lambda made: made.set_skip_first_data_row()),
        (
            "Ann,31,false\r\n",
            lambda made: made.disable_escape_char().set_line_separator("\n"),
        ),
    ],
)
def test_reading(tmp_path: Path, text: str, schema: Callable[[CsvSchemaBuilder], CsvSchemaBuilder]) -> None:
    file = tmp_path / "people.csv"
    file.write_text(text, encoding="utf-8")
    assert read(file, schema(builder()).build()) == [ANN]


def test_what_stands_for_none(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("NA,NA,true\n", encoding="utf-8")
    assert read(file, builder().set_null_value("NA").build()) == [{"name": None, "age": None, "old": True}]


def test_a_line_that_cant_be_read_fails_the_job(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Ann,young,false\n", encoding="utf-8")
    with pytest.raises(MalformedLineError, match="age is no"):
        read(file, builder().build())


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    schema = builder().set_use_header().set_null_value("-").build()
    env = environment(execution_target="inline")
    people = env.from_collection([("Ann", 31, False), ("Bob", None, True)])
    people.sink_to(FileSink.for_bulk_format(str(tmp_path), CsvBulkWriters.for_schema(schema)).build())
    env.execute()
    [file] = tmp_path.iterdir()
    assert file.read_text(encoding="utf-8") == "name,age,old\nAnn,31,false\nBob,-,true\n"
    assert read(tmp_path, schema) == [ANN, {"name": "Bob", "age": None, "old": True}]


def test_schemas_are_put_together() -> None:
    more = CsvSchema.builder().add_number_column("height", Types.DOUBLE()).add_columns_from(builder().build())
    assert (more.size(), len(more.build())) == (4, 4)
    assert more.clear_columns().size() == 0


def test_refusals() -> None:
    assert builder().set_allow_comments(allow=False).size() == 3
    with pytest.raises(ValueError, match="each column once, but 'name' was added twice"):
        builder().add_string_column("name")
    with pytest.raises(ValueError, match="take comments out before"):
        builder().set_allow_comments()
    with pytest.raises(ValueError, match="must be one ASCII character"):
        CsvReaderFormat.for_schema(builder().set_column_separator("::").build())
    with pytest.raises(AttributeError, match=r"add_array_column of CsvSchemaBuilder isn't there: a column holds one"):
        builder().add_array_column("values")
    with pytest.raises(ValueError, match='written with " around values'):
        CsvBulkWriters.for_schema(builder().set_quote_char("'").build())
