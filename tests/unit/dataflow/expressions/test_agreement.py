"""Rows and columns agree: in the value and type of each result, or in that a record can't be computed."""

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.expressions import Expression, Schema, col, evaluated, if_else, infer, lit, row_function
from millstream_dataflow.expressions.column_functions import COLUMN_FUNCTIONS
from millstream_dataflow.expressions.functions import FUNCTIONS
from millstream_dataflow.expressions.row_functions import ROW_FUNCTIONS
from millstream_dataflow.types import Row, TypeInformation, Types, arrow_type

COLUMNS: Mapping[str, TypeInformation[Any]] = {
    "tiny": Types.BYTE(),
    "int": Types.INT(),
    "long": Types.LONG(),
    "other": Types.LONG(),
    "real": Types.DOUBLE(),
    "real2": Types.DOUBLE(),
    "yes": Types.BOOLEAN(),
    "no": Types.BOOLEAN(),
    "text": Types.STRING(),
    "text2": Types.STRING(),
    "bytes": Types.PRIMITIVE_ARRAY(Types.BYTE()),
    "date": Types.SQL_DATE(),
    "date2": Types.SQL_DATE(),
    "time": Types.SQL_TIME(),
    "naive": Types.SQL_TIMESTAMP(),
    "naive2": Types.SQL_TIMESTAMP(),
    "aware": Types.INSTANT(),
    "list": Types.LIST(Types.LONG()),
}
NAMED = Row(*COLUMNS)
TYPE = Types.ROW_NAMED(list(COLUMNS), list(COLUMNS.values()))
SCHEMA = Schema.of_type(TYPE)
STRUCT: Any = arrow_type(TYPE)
ARROW = pa.schema(list(STRUCT))

LONGS = st.one_of(st.integers(-5, 5), st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 2**31, -1]))
REALS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, -1.5, 3.0, 2.0**63, 1e308, math.nan, math.inf, -math.inf]), st.floats()
)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "Ab c ", "12", " -7 ", "1.5", "nan", "true", "ß", "\x1cİ", "2020-01-02"]),
    st.text(max_size=4),
)
DATES = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))
NAIVE = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))  # noqa: DTZ001  # that is the point
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "tiny": st.integers(-128, 127),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": LONGS,
    "other": LONGS,
    "real": REALS,
    "real2": REALS,
    "yes": st.booleans(),
    "no": st.booleans(),
    "text": TEXTS,
    "text2": TEXTS,
    "bytes": st.binary(max_size=3),
    "date": DATES,
    "date2": DATES,
    "time": st.times(),
    "naive": NAIVE,
    "naive2": NAIVE,
    "aware": NAIVE.map(lambda moment: moment.replace(tzinfo=datetime.UTC)),
    "list": st.lists(st.integers(0, 3), max_size=2),
}
RECORDS = st.lists(st.builds(NAMED, *(st.none() | values for values in VALUES.values())), min_size=1, max_size=6)

INTS = st.sampled_from([col("tiny"), col("int"), col("long"), col("other"), lit(3), lit(0), lit(-1)])
FLOATS = st.sampled_from([col("real"), col("real2"), lit(0.5), lit(math.nan)])
BOOLEANS = st.sampled_from([col("yes"), col("no"), lit(True), lit(None)])
STRINGS = st.sampled_from([col("text"), col("text2"), lit("a")])


def numbers(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    calls: list[Callable[[Any, Any], Expression]] = [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a // b,
        lambda a, b: a % b,
        lambda a, _: -a,
        lambda a, _: abs(a),
        lambda a, b: a.fill_null(b),
        lambda a, b: if_else(a > b, a, b),
        lambda a, _: a.cast(float),
        lambda a, _: a.cast(int),
        lambda a, _: a.cast(Types.SHORT()),
    ]
    return st.builds(lambda call, a, b: call(a, b), st.sampled_from(calls), inner, inner)


NUMBERS = st.recursive(INTS | FLOATS, numbers, max_leaves=4)

ALIKE = [
    NUMBERS,
    STRINGS,
    st.sampled_from([col("date"), col("date2"), lit(datetime.date(2000, 1, 1))]),
    st.sampled_from([col("naive"), col("naive2"), col("naive").floor("hour")]),
    st.sampled_from([col("aware"), lit(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))]),
    st.sampled_from([col("time"), lit(datetime.time(12))]),
    st.sampled_from([col("bytes"), lit(b"a")]),
    BOOLEANS,
]
PAIRS = st.sampled_from(ALIKE).flatmap(lambda alike: st.tuples(alike, alike))
COMPARISONS = st.builds(
    lambda call, pair: call(*pair),
    st.sampled_from(
        [
            lambda a, b: a == b,
            lambda a, b: a != b,
            lambda a, b: a < b,
            lambda a, b: a <= b,
            lambda a, b: a > b,
            lambda a, b: a >= b,
            lambda a, b: a.between(b, b),
        ]
    ),
    PAIRS,
)
OTHERS = st.sampled_from(
    [
        col("long").is_in([1, 2, -(2**63)]),
        col("real").is_in([0, 0.5, math.nan]),
        col("long").is_in([0.5, 3]),
        col("text").is_in(["a", "ß"]),
        col("naive").is_in([datetime.datetime(2000, 1, 1)]),  # noqa: DTZ001  # that is the point
        col("real").is_nan(),
        col("long").is_nan(),
        col("list").is_null(),
        col("text").is_not_null(),
        col("text").starts_with("A"),
        col("text").ends_with(" "),
        col("text").contains("b"),
    ]
)
CONDITIONS = st.recursive(
    COMPARISONS | OTHERS | BOOLEANS,
    lambda inner: st.builds(
        lambda call, a, b: call(a, b),
        st.sampled_from([lambda a, b: a & b, lambda a, b: a | b, lambda a, _: ~a, lambda a, b: if_else(a, b, a)]),
        inner,
        inner,
    ),
    max_leaves=4,
)
TEXTUAL = st.sampled_from(
    [
        col("text"),
        col("text").lower(),
        col("text").upper(),
        col("text").strip(),
        col("text").length(),
        col("bytes").length(),
        col("text") + col("text2"),
        "<" + col("text") + ">",
        col("text").slice(1),
        col("text").slice(-2, -1),
        col("text").slice(0, 2),
        col("text").replace("b", "bb"),
        col("text").cast(int),
        col("text").cast(float),
        col("text").cast(bool),
        col("text").cast(datetime.date),
        col("text").cast(Types.SQL_TIMESTAMP()),
        col("text").cast(Types.INSTANT()),
        *(col(name).cast(str) for name in ("long", "real", "yes", "date", "time", "naive", "aware")),
    ]
)
TEMPORAL = st.sampled_from(
    [
        *(
            getattr(col(name), part)()
            for name in ("date", "naive", "aware")
            for part in ("year", "month", "day", "weekday")
        ),
        *(getattr(col(name), part)() for name in ("time", "naive", "aware") for part in ("hour", "minute", "second")),
        col("naive").epoch_millis(),
        col("aware").epoch_millis(),
        *(col("naive").floor(unit) for unit in ("second", "minute", "hour", "day")),
        col("naive").cast(datetime.date),
        col("naive").cast(Types.INSTANT()),
        col("aware").cast(Types.SQL_TIMESTAMP()),
        col("date").cast(Types.SQL_TIMESTAMP()),
        col("list"),
        col("list").fill_null(None),
        if_else(col("yes"), col("list"), None),
        if_else(col("yes") & (col("long") != 0), 10 // col("long"), 0),
        lit(None),
    ]
)
EXPRESSIONS = st.one_of(NUMBERS, CONDITIONS, TEXTUAL, TEMPORAL)


def columns(records: list[Row]) -> pa.RecordBatch:
    values = zip(*records, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(values, ARROW, strict=True)], schema=ARROW
    )


def shown(values: list[Any]) -> list[Any]:
    """As values that can be compared, with their classes; NaN equals itself, and so do the two zeros."""
    return [(type(value), "nan" if isinstance(value, float) and math.isnan(value) else value) for value in values]


@hypothesis.settings(max_examples=4 * hypothesis.settings().max_examples)
@given(EXPRESSIONS, RECORDS)
def test_each_form_gives_the_same(expression: Expression, records: list[Row]) -> None:
    function = row_function(expression, SCHEMA)
    try:
        expected = [function(record) for record in records]
    except (ArithmeticError, ValueError):
        expected = None
    try:
        found = evaluated(expression, columns(records)).to_pylist()
    except (ArithmeticError, ValueError):  # Arrow's own errors are ValueErrors
        found = None
    assert (None if found is None else shown(found)) == (None if expected is None else shown(expected)), expression


@given(EXPRESSIONS, RECORDS)
def test_results_are_of_the_type_that_was_inferred(expression: Expression, records: list[Row]) -> None:
    function, type_ = row_function(expression, SCHEMA), infer(expression, SCHEMA).declared
    for record in records:
        try:
            value = function(record)
        except (ArithmeticError, ValueError):
            continue
        assert type_.check(value) is None, expression


def test_both_forms_have_all_functions() -> None:
    assert set(COLUMN_FUNCTIONS) == set(FUNCTIONS) == set(ROW_FUNCTIONS)


def test_a_batch_of_no_rows_gives_none() -> None:
    empty = columns([NAMED(*[None] * len(COLUMNS))]).slice(0, 0)
    for expression in (
        col("long") + 1,
        col("long") // col("other"),
        col("text").lower(),
        col("real").cast(int),
        lit(5),
    ):
        assert evaluated(expression, empty).to_pylist() == []
    assert evaluated(if_else(col("long") > 1, 1 // col("long"), 0), empty).to_pylist() == []


def test_other_columns_than_ours_are_taken_for_what_they_hold() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "unsigned": pa.array([1, 250], pa.uint8()),
            "large": pa.array([1, 2**63 - 1], pa.uint64()),
            "float": pa.array([0.5, 1.5], pa.float32()),
            "dictionary": pa.array(["a", "b"]).dictionary_encode(),
            "large_text": pa.array(["x", "y"], pa.large_string()),
            "millis": pa.array([1_000, 2_000], pa.timestamp("ms")),
            "zoned": pa.array([0, 1_800_000], pa.timestamp("ms", tz="Asia/Kolkata")),
        }
    )
    for expression, expected in (
        (col("unsigned") * 2, [2, 500]),
        (col("large") - 1, [0, 2**63 - 2]),
        (col("float") + 1, [1.5, 2.5]),
        (col("dictionary") + col("large_text"), ["ax", "by"]),
        (col("dictionary") == "a", [True, False]),
        (col("millis").second(), [1, 2]),
        (col("zoned").hour(), [5, 6]),
        (col("zoned") == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), [True, False]),
        (col(-1).minute(), [30, 0]),
    ):
        assert evaluated(expression, batch).to_pylist() == expected
