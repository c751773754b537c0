"""What expressions are: values that show how they were written, and refuse what they don't mean."""

import datetime
import enum
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.expressions import Expression, Schema, col, if_else, infer, lit, row_function
from millstream_dataflow.types import Row, TypeInformation, Types, from_hint

WRITTEN = [
    "col('a') + lit(1)",
    "lit(2) * (col('a') - col('b'))",
    "-col('a')",
    "abs(col('a'))",
    "(col('a') > lit(1)) & (~(col('b') == lit('x')))",
    "col('a').is_null()",
    "col(0).alias('first')",
    "(col('a') / lit(2)).cast(Types.INT())",
    "col('a').slice(1, None)",
    "col('a').replace('x', 'y').lower()",
    "col('a').is_in([1, 2])",
    "if_else(col('a') > lit(1), col('a'), lit(None))",
    "col('t').floor('hour').epoch_millis()",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_an_expression_shows_how_it_was_written_and_travels(text: str) -> None:
    made: Expression = eval(text)  # our own text
    assert repr(made) == text
    assert pickle.loads(pickle.dumps(made)).same_as(made)


def test_equality_is_an_expression_and_same_as_compares() -> None:
    assert isinstance(col("a") == col("a"), Expression)
    assert col("a").same_as(col("a"))
    assert not col("a").same_as(col("b"))
    assert not lit(1).same_as(lit(True))
    assert not lit(1).same_as(lit(1.0))
    assert lit(math.nan).same_as(lit(math.nan))
    assert not (col("a") + 1).same_as(col("a") - 1)
    assert not col("a").same_as("a")


def test_what_was_written_last_goes_first() -> None:
    for expression, expected in ((10 - col(0), 7), (10 / col(0), 10 / 3), (10 // col(0), 3), (10 % col(0), 1)):
        assert row_function(expression)(3) == expected
    assert row_function("a" + col(0))("b") == "ab"
    assert row_function(True & col(0))(False) is False
    assert row_function(False | col(0))(True) is True
    assert row_function(2 * col(0) + 1)(3) == 7
    assert row_function(lit(5) > col(0))(3) is True


class Colour(enum.IntEnum):
    RED = 3


class Shade(enum.Enum):
    DARK = "dark"


class Pair(NamedTuple):
    a: int
    b: str


@dataclass
class Event:
    a: int
    price: float


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        ({"a": 5}, "a", 5),
        (Row(a=5), "a", 5),
        (Row(5, 6), 1, 6),
        (Row(5, 6), "f1", 6),
        ((5, 6), "f1", 6),
        ((5, 6), -1, 6),
        ([5, 6], 0, 5),
        (Pair(5, "b"), "b", "b"),
        (Pair(5, "b"), 1, "b"),
        (Event(5, 1.0), "a", 5),
        (Event(5, 1.0), 1, 1.0),
        (7, 0, 7),
        ("text", 0, "text"),
    ],
)
def test_fields_of_records_of_any_class(record: object, field: str | int, value: object) -> None:
    assert row_function(col(field))(record) == value


def test_an_int_that_is_annotated_as_a_float_is_read_as_in_a_column() -> None:
    assert repr(row_function(col("price") * 2)(Event(5, 1))) == "2.0"


def test_subclasses_and_numbers_of_numpy_are_what_they_stand_for() -> None:
    assert row_function(col(0) + 1)(Colour.RED) == 4
    assert row_function(col(0) + 1)(np.int32(4)) == 5
    assert type(row_function(col(0) * 2)(np.float64(1.5))) is float
    number: Any = np.int64(3)
    assert lit(number).same_as(lit(3))


@pytest.mark.parametrize(
    ("expression", "record", "error", "words"),
    [
        (col("c"), {"a": 1, "b": 2}, InvalidProgramError, "no column 'c' in dict records; the columns are 'a', 'b'"),
        (col("c"), Row(a=1), InvalidProgramError, "no column 'c'.*; the columns are 'a'"),
        (col("c"), Event(1, 2.0), InvalidProgramError, "the columns are 'a', 'price'"),
        (col("c"), (1, 2), InvalidProgramError, "the columns are 'f0', 'f1'"),
        (col(2), (1, 2), InvalidProgramError, "have no column 2; the columns are 'f0', 'f1'"),
        (col("c"), 5, InvalidProgramError, "no column 'c' in int records; no column has a name"),
        (col(0) + 1, "x", InvalidTypesError, r"\+ takes two numbers or two texts, but got str 'x' and int 1"),
        (col(0) + 1, True, InvalidTypesError, "but got bool True and int 1"),
        (col(0) == 1, "x", InvalidTypesError, "== takes two values of one kind"),
        (col(0) & True, 1, InvalidTypesError, "& takes truth values"),
        (~col(0), 1, InvalidTypesError, "~ takes truth values"),
        (col(0).lower(), 1, InvalidTypesError, "lower takes a text, but got int 1"),
        (if_else(col(0), 1, 2), 5, InvalidTypesError, "if_else takes a condition, but got int 5"),
        (col(0) * 2, 2**62, OverflowError, "the result 9223372036854775808 has more than 64 bits"),
        (col(0) / 0, 1, ZeroDivisionError, r"1\.0 / 0\.0: division by zero"),
        (col(0) / 0.0, 1.0, ZeroDivisionError, "division by zero"),
        (col(0).cast(int), "1_0", ValueError, "'1_0' can't be cast to a whole number"),
        (col(0).cast(int), math.nan, ValueError, "nan can't be cast to a whole number"),
        (col(0).cast(Types.BYTE()), 128, OverflowError, r"128 can't be cast to BYTE\(\), which has 8 bits"),
        (col(0).cast(bool), 1, InvalidTypesError, r"a whole number can't be cast to BOOLEAN\(\)"),
    ],
)
def test_what_is_said_of_a_record(expression: Expression, record: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        row_function(expression)(record)


ANY: Any = col("a")
NAMED: Any = col


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bool(ANY == 1), InvalidTypesError, r"\(col\('a'\) == lit\(1\)|no truth value by itself; write &"),
        (lambda: 1 < ANY < 5, InvalidTypesError, r"x\.between\(1, 5\)"),
        (lambda: ANY - [1], InvalidTypesError, r"an expression takes .*, but got \[1\]"),
        (lambda: lit(2**63), InvalidProgramError, "have 64 bits"),
        (lambda: NAMED(1.5), InvalidTypesError, "col takes the name or the position of a field, but got 1.5"),
        (lambda: col("a").is_in("abc"), InvalidTypesError, "is_in takes a list"),
        (lambda: col("a").is_in([]), InvalidProgramError, "at least one value"),
        (lambda: col("a").is_in([1, "x"]), InvalidTypesError, "values of one kind"),
        (lambda: col("a").is_in([None]), InvalidTypesError, "the same for all records, but got None"),
        (lambda: col("a").floor("week"), InvalidProgramError, "floor takes second, minute, hour, day, but got 'week'"),
        (lambda: col("a").replace("", "x"), InvalidProgramError, "an empty one"),
        (lambda: ANY.contains(col("b")), InvalidTypesError, "contains takes a str"),
        (lambda: ANY.slice("x"), InvalidTypesError, "slice takes positions, but got 'x'"),
        (lambda: col("a").cast(list), InvalidTypesError, "cast can't give <class 'list'>; it takes int, float"),
        (lambda: col("a").alias(""), InvalidTypesError, "alias takes a name"),
    ],
)
def test_what_can_not_be_written(make: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


ROWS = Types.ROW_NAMED(["n", "r", "s", "f"], [Types.INT(), Types.DOUBLE(), Types.STRING(), Types.BOOLEAN()])


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        (col("n"), "OPTIONAL(INT())"),
        (col("n") + 1, "OPTIONAL(LONG())"),
        (col("n") + col("r"), "OPTIONAL(DOUBLE())"),
        (col("n") / 2, "OPTIONAL(DOUBLE())"),
        (col("n").is_null(), "BOOLEAN()"),
        (col("n").fill_null(0), "LONG()"),
        (if_else(col("f"), 1, 2.0), "DOUBLE()"),
        (if_else(col("f"), "a", None), "OPTIONAL(STRING())"),
        (col("s").cast(datetime.date), "OPTIONAL(SQL_DATE())"),
        (lit(5), "LONG()"),
    ],
)
def test_the_type_of_an_expression_follows_from_that_of_the_records(expression: Expression, type_: str) -> None:
    assert str(infer(expression, Schema.of_type(ROWS)).declared) == type_


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (col("x") + 1, r"no column 'x' in records of ROW_NAMED.*; the columns are 'n', 'r', 's', 'f'"),
        (col(4), "have no column 4"),
        (col("s") + 1, r"\+ takes two numbers or two texts, but got a text and a whole number"),
        (col("f") & col("n"), "& takes truth values"),
        (col("s").year(), "year takes a date or a time, but got a text"),
        (if_else(col("n"), 1, 2), r"if_else takes a condition, but got col\('n'\), which is a whole number"),
        (if_else(col("f"), 1, "x"), "if_else takes two values of one kind, but got a whole number and a text"),
        (col("s").cast(Types.SQL_DATE()).hour(), "hour takes a time, but got a date"),
        (col("n").cast(Types.SQL_DATE()), r"a whole number can't be cast to SQL_DATE\(\)"),
    ],
)
def test_what_can_be_computed_of_no_record_is_refused_before_there_are_any(expression: Expression, words: str) -> None:
    with pytest.raises((InvalidProgramError, InvalidTypesError), match=words):
        infer(expression, Schema.of_type(ROWS))


@pytest.mark.parametrize(
    ("type_", "names"),
    [
        (Types.ROW([Types.INT()]), ("f0",)),
        (Types.TUPLE([Types.INT(), Types.INT()]), ("f0", "f1")),
        (from_hint(Event), ("a", "price")),
        (from_hint(Pair), ("a", "b")),
        (Types.INT(), ()),
        (Types.ANY(), None),
        (Types.MAP(Types.STRING(), Types.INT()), None),
        (None, None),
    ],
)
def test_the_columns_of_a_type(type_: TypeInformation[Any] | None, names: tuple[str, ...] | None) -> None:
    schema = Schema.of_type(type_)
    assert (None if schema is None else schema.names) == names


def test_enums_of_numbers_are_numbers_and_others_are_objects() -> None:
    schema = Schema.of_type(Types.TUPLE([Types.ENUM(Colour), Types.ENUM(Shade)]))
    assert str(infer(col(0) + 1, schema).declared) == "LONG()"
    with pytest.raises(InvalidTypesError, match="== takes two values of one kind"):
        infer(col(1) == "x", schema)
    with pytest.raises(InvalidTypesError, match="for anything else use map"):
        lit(Shade.DARK)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the point


def test_a_branch_is_computed_only_where_it_is_taken() -> None:
    assert row_function(if_else(col(0) != 0, 10 // col(0), -1))(0) == -1
