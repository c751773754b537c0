"""Records become CSV and text."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from millstream import Encoder, Row, StreamFormat
from millstream.formats.csv_encoding import CsvEncoder
from millstream.formats.encoding import LineEncoder
from millstream_dataflow.records import ColumnBatch, RowBatch

UTC_TIME = datetime.datetime(2013, 7, 1, 10, 0, 0, tzinfo=datetime.UTC)
EAST = datetime.timezone(datetime.timedelta(hours=2))


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Data:
    a: Any
    b: Any


def encoded(encoder: Encoder, *values: object) -> str:
    return encoder.encode(RowBatch(list(values))).decode()


class TestCsv:
    """`CsvEncoder`."""

    @pytest.mark.parametrize(
        "record",
        [
            Pair(1, "x"),
            Data(1, "x"),
            {"b": "x", "a": 1},
            Row(b="x", a=1),
            Row("b", "a")("x", 1),
            (1, "x"),
            [1, "x"],
            Row(1, "x"),
        ],
        ids=repr,
    )
    def test_records_of_every_kind_are_lines(self, record: object) -> None:
        encoder = CsvEncoder(("a", "b"))
        assert encoder.header() == b"a,b\n"
        assert encoded(encoder, record, record) == "1,x\n1,x\n"

    @pytest.mark.parametrize(
        ("record", "line"), [(Pair(1, 2), "1,2"), (Data(1, 2), "1,2"), ({"x": 3}, "3"), (5, "5"), (Row(1, 2), "1,2")]
    )
    def test_without_columns_all_fields_are_written_and_no_header(self, record: object, line: str) -> None:
        assert CsvEncoder().header() == b""
        assert encoded(CsvEncoder(), record) == f"{line}\n"

    def test_one_column(self) -> None:
        encoder = CsvEncoder(("b",))
        assert encoded(encoder, Pair(1, 2), {"b": 3}, 4, Row(b=5)) == "2\n3\n4\n5\n"

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "-"),
            (True, "true"),
            (False, "false"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (Decimal("1.50"), "1.50"),
            (UTC_TIME, "2013-07-01T10:00:00Z"),
            (UTC_TIME.astimezone(EAST), "2013-07-01T12:00:00+02:00"),
            (UTC_TIME.replace(tzinfo=None), "2013-07-01T10:00:00"),
            (UTC_TIME.date(), "2013-07-01"),
            ("a,b", '"a,b"'),
            ('say "x"', '"say ""x"""'),
            ("two\nlines", '"two\nlines"'),
            ("", '""'),
        ],
    )
    def test_values_have_one_form_each(self, value: object, text: str) -> None:
        assert encoded(CsvEncoder(null="-"), (value,)) == f"{text}\n"

    @pytest.mark.parametrize("record", [(1,), (1, 2, 3), 5, Row(1)], ids=repr)
    def test_a_record_of_another_shape_is_an_error_that_shows_it(self, record: object) -> None:
        with pytest.raises((TypeError, ValueError), match="for the columns a, b"):
            encoded(CsvEncoder(("a", "b")), record)

    def test_rows_of_one_stream_may_have_different_names(self) -> None:
        assert encoded(CsvEncoder(("a", "b")), Row(a=1, b=2), Row("b", "a")(2, 1), Row(1, 2)) == "1,2\n" * 3


class TestText:
    """`LineEncoder`."""

    def test_a_record_is_a_line(self) -> None:
        assert encoded(Encoder.simple_string_encoder(), 1, "x", None) == "1\nx\nNone\n"

    def test_utf8_is_the_only_charset(self) -> None:
        assert encoded(Encoder.simple_string_encoder(charset_name="utf8"), "é") == "é\n"
        for call in (Encoder.simple_string_encoder, StreamFormat.text_line_format):
            with pytest.raises(ValueError, match="UTF-8 alone, but got the charset 'UTF-16'"):
                call(charset_name="UTF-16")
        assert encoded(LineEncoder()) == ""

    def test_a_row_of_columns_is_a_dict(self) -> None:
        batch = ColumnBatch(pa.RecordBatch.from_pydict({"a": [1]}))
        assert LineEncoder().encode(batch) == b"{'a': 1}\n"

    def test_a_record_with_a_newline_is_an_error_that_shows_it(self) -> None:
        with pytest.raises(ValueError, match=r"newline inside: 'b\\nc'"):
            encoded(LineEncoder(), "a", "b\nc")
