"""CSV as columns: types, nulls, quotes, and which line is to blame."""

import csv
import datetime
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream import CsvFormat, FileSource, Types
from millstream.formats.columns import columns_of
from millstream.formats.csv_encoding import CsvEncoder
from millstream_dataflow.records import RowBatch
from tests.unit.client.connectors.surroundings import Around, read_all, splits_of, steps


def read(folder: Path, text: str | bytes, columns: Any = None, limit: int = 100, **options: Any) -> tuple[Any, Around]:  # noqa: ANN401  # whatever csv takes
    path = folder / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    around = Around()
    return read_all(FileSource.csv(path, columns, **options), around, limit), around


class TestTypes:
    """A column has the type that was declared."""

    @pytest.mark.parametrize(
        ("declared", "text", "value"),
        [
            (str, " a ", " a "),
            (int, "-12", -12),
            (int | None, "", None),
            (float, "1e3", 1000.0),
            (bool, "true", True),
            (str | None, "", None),
            (str, "", ""),
            (datetime.date, "2013-07-01", datetime.date(2013, 7, 1)),
            (Types.LONG(), "9007199254740993", 9007199254740993),
            (Types.OPTIONAL(Types.SHORT()), "", None),
            (Types.SQL_TIMESTAMP(), "2013-07-01 10:00:00", datetime.datetime(2013, 7, 1, 10)),  # noqa: DTZ001  # it has none
            (Types.INSTANT(), "2013-07-01T10:00:00Z", datetime.datetime(2013, 7, 1, 10, tzinfo=datetime.UTC)),
            (pa.decimal128(5, 2), "3.10", Decimal("3.10")),
            (pa.int8(), "", None),
        ],
    )
    def test_it_is_read_as_declared(self, tmp_path: Path, declared: object, text: str, value: object) -> None:
        found, around = read(tmp_path, f"a,b\nx,{text}\n", {"b": declared})
        assert (found, around.bad) == ([(value,)], [])

    def test_without_a_declaration_all_columns_are_text(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a,b\n1,NA\n,x\n")[0] == [("1", "NA"), ("", "x")]

    def test_the_columns_come_in_the_order_of_the_declaration(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a,b,c\n1,2,3\n", ["c", "a"])[0] == [("3", "1")]

    def test_a_file_without_a_header_is_declared_whole(self, tmp_path: Path) -> None:
        assert read(tmp_path, "1,2\n", {"x": int, "y": str}, header=False)[0] == [(1, "2")]
        with pytest.raises(ValueError, match="needs its columns declared"):
            CsvFormat.of(header=False)

    def test_nulls_have_the_texts_that_were_named(self, tmp_path: Path) -> None:
        columns = {"a": int | None, "b": str | None, "c": str}
        found, around = read(tmp_path, "a,b,c\nNA,NA,NA\n1,,x\n,-,\n-,-,-\n", columns, null_values=["NA", "-"])
        assert found == [(None, None, "NA"), (1, "", "x"), (None, None, "-")]
        assert around.numbers() == [4]

    def test_a_mark_before_the_header_and_returns_before_newlines_are_no_text(self, tmp_path: Path) -> None:
        found, around = read(tmp_path, "\ufeffa,b\r\n1,x\r\n\r\n2,y\r\n", {"a": int, "b": str})
        assert (found, around.bad) == ([(1, "x"), (2, "y")], [])

    @pytest.mark.parametrize("wrong", [list[int], datetime.datetime, Decimal, object(), 3])
    def test_a_type_that_no_text_can_be_is_refused(self, wrong: object) -> None:
        with pytest.raises(TypeError, match="column 'a'"):
            columns_of({"a": wrong})

    def test_columns_in_one_str_are_refused(self) -> None:
        with pytest.raises(TypeError, match="'a,b'"):
            columns_of("a,b")

    def test_other_characters_may_part_and_quote(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a;b\n'x;y';2\n", delimiter=";", quote_char="'")[0] == [("x;y", "2")]
        assert read(tmp_path, 'a,b\n"x,2\n', quote_char=None)[0] == [('"x', "2")]
        with pytest.raises(ValueError, match="delimiter must be one ASCII"):
            CsvFormat.of(delimiter="::")

    def test_the_line_itself_can_be_a_column(self, tmp_path: Path) -> None:
        found, _ = read(tmp_path, 'a,b\n"1",x\r\nno\n2,"ü"\n', {"a": int}, line_column="line")
        assert found == [(1, '"1",x'), (2, '2,"ü"')]
        with pytest.raises(ValueError, match="name of a column"):
            CsvFormat.of({"a": int}, line_column="a")


class TestMalformed:
    """Lines that can't be read are told from those that can, with number and reason."""

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"1", "it has 1 field in the place of 2"),
            (b"1,x,y", "it has 3 fields in the place of 2"),
            (b"one,x", "a is no int64: 'one'"),
            (b",x", "a has no value"),
            (b"99999999999999999999,x", "a is no int64"),
            (b"1,\xff", "it is not UTF-8"),
            (b'1,"x', "its quotes don't close"),
            (b"1,x\r2,y", "carriage return"),
            (b" ", "it has 1 field"),
        ],
    )
    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_one_among_good_ones(self, tmp_path: Path, line: bytes, reason: str, limit: int) -> None:
        text = b"a,b\n1,x\n\n2,y\n" + line + b'\n3,"z"\n\n' + line + b"\n4,z\n" + line
        found, around = read(tmp_path, text, {"a": int, "b": str}, limit)
        assert found == [(1, "x"), (2, "y"), (3, "z"), (4, "z")]
        assert around.numbers() == [5, 8, 10]
        assert {shown for shown, _, _ in around.bad} == {line.decode(errors="backslashreplace")}
        assert all(reason in why for _, _, why in around.bad), around.bad

    def test_all_kinds_at_once_and_many(self, tmp_path: Path) -> None:
        lines = [b"%d,x" % number for number in range(1_000)]
        kinds = [b"x", b"one,x", b",x", b"1,\xff", b'1,"x', b"1,x,y", b"1,x\r2,y"]
        bad = {number: kinds[number % len(kinds)] for number in range(3, 1_000, 13)}
        text = b"a,b\n" + b"\n".join(bad.get(number, line) for number, line in enumerate(lines))
        found, around = read(tmp_path, text, {"a": int, "b": str}, 300)
        assert found == [(number, "x") for number in range(1_000) if number not in bad]
        assert around.numbers() == [number + 2 for number in bad]

    def test_when_no_line_is_good_there_is_no_batch(self, tmp_path: Path) -> None:
        found, around = read(tmp_path, "a\nx\ny\nz\n", {"a": int}, 2)
        assert (found, around.numbers()) == ([], [2, 3, 4])

    def test_a_long_value_is_not_shown_twice(self, tmp_path: Path) -> None:
        _, around = read(tmp_path, "a\n" + "x" * 5_000 + "\n", {"a": int})
        assert [len(reason) < 100 for _, _, reason in around.bad] == [True]


class TestNewlinesInValues:
    """With `newlines_in_values` a quoted value may have newlines, and the file is one split."""

    def test_they_are_read(self, tmp_path: Path) -> None:
        text = 'a,b\n1,"x\n\ny ""z"""\n2,"one"\n3,x,y\n4,"last\n"'
        for limit in (1, 2, 100):
            found, around = read(
                tmp_path, text, {"a": int, "b": str}, limit, newlines_in_values=True, min_split_bytes=1
            )
            assert found == [(1, 'x\n\ny "z"'), (2, "one"), (4, "last\n")]
            assert around.numbers() == [6], "a record is known by its first line"

    def test_quotes_that_never_close_cost_one_line(self, tmp_path: Path) -> None:
        text = 'a,b\n1,x\n2,"y\n3,z\n4,z\n'
        found, around = read(tmp_path, text, {"a": int, "b": str}, newlines_in_values=True)
        assert (found, around.numbers()) == ([(1, "x"), (3, "z"), (4, "z")], [3])

    def test_without_it_they_are_two_malformed_lines(self, tmp_path: Path) -> None:
        found, around = read(tmp_path, 'a,b\n1,"x\ny"\n2,z\n', {"a": int, "b": str})
        assert (found, around.numbers()) == ([(2, "z")], [2, 3])

    def test_a_restored_reader_goes_on_between_records(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text('a,b\n1,"x\ny"\nno\n2,"\n\n"\nno\n3,z\n')
        source = FileSource.csv(path, {"a": int, "b": str}, newlines_in_values=True)
        [split] = splits_of(source)
        whole = list(steps(source, split, Around(), 1))
        assert [record for found, _ in whole for record in found] == [(1, "x\ny"), (2, "\n\n"), (3, "z")]
        for number, (_, position) in enumerate(whole):
            around = Around()
            rest = [record for found, _ in steps(source, split, around, 1, position) for record in found]
            assert rest == [record for found, _ in whole[number + 1 :] for record in found]
            assert set(around.numbers()) <= {4, 8}


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), texts, st.floats(allow_nan=False), texts)), st.integers(1, 5)
)
def test_what_the_encoder_writes_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], limit: int
) -> None:
    encoder = CsvEncoder(("a", "b", "c", "d"))
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(encoder.header() + encoder.encode(RowBatch(list(rows))))
    source = FileSource.csv(path, {"a": int, "b": str, "c": float, "d": str}, newlines_in_values=True)
    around = Around()
    assert (read_all(source, around, limit), around.bad) == (rows, [])


@given(st.lists(st.lists(st.text('ab",\n', max_size=4), min_size=1, max_size=3), max_size=8))
def test_it_agrees_with_python_s_own_reader(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["x", "y"], *rows])
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text(text.getvalue())
    around = Around()
    found = read_all(FileSource.csv(path, newlines_in_values=True), around)
    assert found == [tuple(row) for row in rows if len(row) == 2]
    assert len(around.bad) == len([row for row in rows if len(row) != 2])
