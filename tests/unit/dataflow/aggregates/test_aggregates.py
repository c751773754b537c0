"""Built-in aggregates: record by record, merged, and of columns at once."""

import datetime
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.aggregates import Aggregate, Combined, Count, Max, Mean, Min, Sum
from millstream_dataflow.aggregates.groups import grouped
from millstream_dataflow.aggregates.partials import partials
from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.expressions import Schema, col
from millstream_dataflow.functions import resolve_aggregate
from millstream_dataflow.state import AggregatingStateDescriptor
from millstream_dataflow.types import Row, Types


def result(aggregate: Any, values: Sequence[object], *, parts: int = 1) -> Any:  # noqa: ANN401  # any value
    """Of records that are these values, kept in so many accumulators that are merged."""
    kept = [aggregate.create_accumulator() for _ in range(parts)]
    for number, value in enumerate(values):
        kept[number % parts] = aggregate.add(value, kept[number % parts])
    whole = kept[0]
    for other in kept[1:]:
        whole = aggregate.merge(whole, other)
    return aggregate.get_result(whole)


@pytest.mark.parametrize(
    ("aggregate", "values", "expected"),
    [
        (Count(), [1, None, 2], 3),
        (Count(0), [1, None, 2], 2),
        (Count(), [], 0),
        (Sum(0), [1, None, 2], 3),
        (Sum(0), [1, 0.5], 1.5),
        (Sum(0), [None, None], None),
        (Sum(0), [], None),
        (Sum(col(0) * 2), [1, 2], 6),
        (Sum(0), [2**62, 2**62, -(2**62)], 2**62),
        (Mean(0), [1, 2, None], 1.5),
        (Mean(0), [None], None),
        (Mean(0), [2**62 + 1, 2**62 + 3], float(2**62 + 2)),
        (Min(0), [3, 1, None], 1),
        (Min(0), ["b", "a"], "a"),
        (Max(0), [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], datetime.date(2021, 1, 1)),
        (Max(0), [None], None),
        (Min(0), [math.nan, 1.0, math.nan], 1.0),
    ],
)
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_what_an_aggregate_gives(aggregate: Any, values: list[Any], expected: object, parts: int) -> None:  # noqa: ANN401  # any aggregate
    found = result(aggregate, values, parts=parts)
    assert (type(found), found) == (type(expected), expected)


def test_nan_is_the_greatest() -> None:
    assert math.isnan(result(Max(0), [1.0, math.nan, 2.0]))
    assert math.isnan(result(Min(0), [math.nan]))
    assert math.isnan(result(Sum(0), [1.0, math.nan]))


def test_an_aggregate_goes_where_a_function_goes() -> None:
    assert AggregatingStateDescriptor("sum", Sum(0)).agg_function.add(2, 3) == 5
    assert resolve_aggregate(made := Combined([Count()])) is made


def test_several_give_a_row() -> None:
    made = Combined([Count(), Sum("x"), Mean("x").alias("average")])
    rows = [Row(x=1), Row(x=4)]
    assert result(made, rows, parts=2) == Row("count", "sum_x", "average")(2, 5, 2.5)
    assert result(pickle.loads(pickle.dumps(made)), rows) == result(made, rows)


@pytest.mark.parametrize(
    ("aggregate", "values", "error", "words"),
    [
        (Sum(0), ["a"], InvalidTypesError, "Sum takes numbers, but got str 'a'"),
        (Sum(0), [True], InvalidTypesError, "Sum takes numbers, but got bool True"),
        (Mean(0), ["a"], InvalidTypesError, "Mean takes numbers"),
        (Min(0), ["a", 1], InvalidTypesError, "takes two values of one kind"),
        (Sum(0), [2**62, 2**62], OverflowError, "more than 64 bits"),
        (Sum("x"), [Row(y=1)], InvalidProgramError, "no column 'x'"),
    ],
)
def test_what_can_not_be_aggregated(
    aggregate: Any,  # noqa: ANN401  # any aggregate
    values: list[Any],
    error: type[Exception],
    words: str,  # any aggregate
) -> None:
    with pytest.raises(error, match=words):
        result(aggregate, values)


ROWS = Schema.of_type(Types.ROW_NAMED(["n", "s"], [Types.INT(), Types.STRING()]))


def test_names_and_types() -> None:
    given: list[tuple[Aggregate[Any, Any], str, str]] = [
        (Count(), "count", "LONG()"),
        (Count("n"), "count_n", "LONG()"),
        (Sum("n"), "sum_n", "OPTIONAL(LONG())"),
        (Sum(col("n") / 2).alias("half"), "half", "OPTIONAL(DOUBLE())"),
        (Mean("n"), "mean_n", "OPTIONAL(DOUBLE())"),
        (Min("s"), "min_s", "OPTIONAL(STRING())"),
        (Max("n"), "max_n", "OPTIONAL(INT())"),
    ]
    assert [(one.name, str(one.type(ROWS))) for one, _, _ in given] == [(name, type_) for _, name, type_ in given]
    assert repr(Sum("n").alias("x")) == "Sum('n').alias('x')"
    assert repr(Count()) == "Count()"
    with pytest.raises(InvalidProgramError, match=r"write Sum\(col\('n'\) \* lit\(2\)\)\.alias\('name'\)"):
        _ = Sum(col("n") * 2).name
    with pytest.raises(InvalidTypesError, match=r"Sum takes numbers, but got col\('s'\), which is a text"):
        Sum("s").type(ROWS)
    with pytest.raises(InvalidTypesError, match="Mean takes a column, by its name"):
        Mean(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the point


NUMBERED = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.integers(0, 2),
    st.none() | st.integers(-(2**62), 2**62),
    st.none() | st.sampled_from([math.nan, math.inf, 0.5, -1.5, 3.0]),
    st.none() | st.text(max_size=2),
)
AGGREGATES: list[Aggregate[Any, Any]] = [
    Count(),
    Count("n"),
    *(kind(column) for kind in (Sum, Mean, Min, Max) for column in ("n", "r")),
    Min("s"),
    Max("s"),
    Sum(col("r") * 2),
]


@given(st.lists(NUMBERED, min_size=1, max_size=30))
def test_columns_at_once_are_as_records_one_by_one(records: list[tuple[Any, ...]]) -> None:
    named = Row("k", "p", "n", "r", "s")
    types = [pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.string()]
    arrays = [pa.array(column, type_) for column, type_ in zip(zip(*records, strict=True), types, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, list(named))
    groups = grouped(batch.column(0), np.array([record[1] for record in records], np.int64))
    places = [(records[first][0], records[first][1]) for first in groups.firsts.tolist()]
    assert len(set(places)) == len(places) == len({(k, p) for k, p, *_ in records})
    for aggregate in AGGREGATES:
        expected: dict[tuple[Any, Any], Any] = {}
        for k, p, *rest in records:
            kept = expected.get((k, p), aggregate.create_accumulator())
            expected[k, p] = aggregate.add(named(k, p, *rest), kept)
        found = partials(aggregate, batch, groups)
        assert [shown(one) for one in found] == [shown(expected[place]) for place in places], aggregate


def test_columns_of_null_or_of_dictionaries_are_keys_too() -> None:
    for keys, sizes in (
        (pa.nulls(3), [3]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), [2, 1]),
        (pa.array([math.nan, math.nan, 1.0]), [2, 1]),
    ):
        assert grouped(keys, np.zeros(3, np.int64)).sizes.tolist() == sizes


def shown(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(shown, value))
    return type(value), "nan" if isinstance(value, float) and math.isnan(value) else value
