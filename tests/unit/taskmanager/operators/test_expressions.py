"""Operators that are told by expressions: the same of rows and of columns, errors in the same words."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.expressions import Schema, Selection, col, if_else
from millstream_dataflow.expressions.selection import Projection
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.specifications import OperatorSpecification
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_dataflow.types import Row, Types
from millstream_taskmanager.operators.base import Operator
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.operators.registry import OPERATORS, OperatorSettings
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

ROWS = [Row("a", "b")(1, 10), Row("a", "b")(2, None), Row("a", "b")(3, 30)]
TIMES = [5, 6, 7]
SCHEMA = Schema.of_type(Types.ROW_NAMED(["a", "b"], [Types.LONG(), Types.LONG()]))


def opened(specification: OperatorSpecification) -> Operator:
    operator = OPERATORS[type(specification)](specification, OperatorSettings())
    operator.open(OperatorBench().context())
    return operator


def rows(values: list[Any] = ROWS) -> RowBatch:
    return RowBatch(list(values), TIMES[: len(values)])


def columns(**arrays: list[Any]) -> ColumnBatch:
    given = arrays or {"a": [1, 2, 3], "b": [10, None, 30]}
    return ColumnBatch(pa.RecordBatch.from_pydict(given), np.array(TIMES, np.int64))


def given(specification: OperatorSpecification, batch: Batch) -> list[Any]:
    return list(opened(specification).process(0, batch))


SPECIFICATIONS: list[tuple[OperatorSpecification, list[Any], list[int]]] = [
    (FilterExpressionSpecification(col("b") > 10), [ROWS[2]], [7]),
    (FilterExpressionSpecification(col("a") > 0), ROWS, TIMES),
    (MapExpressionSpecification(col("a") * 2), [2, 4, 6], TIMES),
    (MapExpressionSpecification(col("b") / 10), [1.0, None, 3.0], TIMES),
    (
        SelectSpecification(Selection.of(["b"], {"c": col("a") + 1})),
        [Row("b", "c")(10, 2), Row("b", "c")(None, 3), Row("b", "c")(30, 4)],
        TIMES,
    ),
    (
        SelectSpecification(Selection.of([(col("a") * 10).alias("b")], {"c": col("b")}, keeps=True)),
        [Row("a", "b", "c")(1, 10, 10), Row("a", "b", "c")(2, 20, None), Row("a", "b", "c")(3, 30, 30)],
        TIMES,
    ),
    (
        ProjectSpecification(Projection(("b", 0))),
        [Row("b", "a")(10, 1), Row("b", "a")(None, 2), Row("b", "a")(30, 3)],
        TIMES,
    ),
    (MapExpressionSpecification(if_else(col("b") > 10, col("b"), 0.5), SCHEMA), [0.5, 0.5, 30.0], TIMES),
]


@pytest.mark.parametrize(("specification", "values", "times"), SPECIFICATIONS, ids=lambda value: type(value).__name__)
def test_rows_and_columns_come_to_the_same(
    specification: OperatorSpecification, values: list[Any], times: list[int]
) -> None:
    [of_rows] = given(specification, rows())
    [of_columns] = given(specification, columns())
    assert of_rows == RowBatch(values, times)
    assert isinstance(of_columns, RowBatch if isinstance(specification, MapExpressionSpecification) else ColumnBatch)
    assert (to_rows(of_columns) if isinstance(of_columns, ColumnBatch) else of_columns) == of_rows
    assert list(map(repr, of_rows.values)) == list(map(repr, values))


def test_a_filter_that_keeps_nothing_gives_nothing() -> None:
    assert given(FilterExpressionSpecification(col("a") > 9), rows()) == []
    assert given(FilterExpressionSpecification(col("a") > 9), columns()) == []


def test_records_of_other_classes() -> None:
    select = SelectSpecification(Selection.of([], {"x": col("f1")}, keeps=True))
    assert given(select, rows([(1, 2)]))[0].values == [Row("f0", "f1", "x")(1, 2, 2)]
    assert given(select, rows([Row(1, 2)]))[0].values == [Row("f0", "f1", "x")(1, 2, 2)]
    assert given(ProjectSpecification(Projection((1, 0, 1))), rows([(1, 2)]))[0].values == [(2, 1, 2)]
    assert given(ProjectSpecification(Projection((1,))), rows([Row(1, 2)]))[0].values == [Row(2)]
    assert given(FilterExpressionSpecification(col("n") == 1), rows([{"n": 1}, {"n": 2}]))[0].values == [{"n": 1}]
    with pytest.raises(UserCodeError, match="a int has no fields to be kept"):
        given(select, rows([5]))


@pytest.mark.parametrize(
    ("specification", "words", "record"),
    [
        (MapExpressionSpecification(1 // (col("a") - 2)), "division by zero", "Row(a=2, b=None)"),
        (FilterExpressionSpecification(col("a")), "filter takes a condition, but got int 1", "Row(a=1, b=10)"),
        (FilterExpressionSpecification(col("c") > 1), "no column 'c'.*; the columns are 'a', 'b'", "Row(a=1, b=10)"),
        (
            SelectSpecification(Selection.of([], {"x": col("b") + "s"})),
            r"\+ takes two numbers or two texts",
            "Row(a=1, b=10)",
        ),
        (MapExpressionSpecification(col("b") * 2**62), "more than 64 bits", "Row(a=1, b=10)"),
        (ProjectSpecification(Projection((0, "a"))), "two columns 'a'", "Row(a=1, b=10)"),
    ],
    ids=["zero", "no condition", "no column", "wrong kind", "overflow", "twins"],
)
def test_a_record_that_can_not_be_computed_is_named_alike_in_both_forms(
    specification: OperatorSpecification, words: str, record: str
) -> None:
    for batch in (rows(), columns()):
        with pytest.raises(UserCodeError, match=words) as raised:
            given(specification, batch)
        assert raised.value.record == record
        assert raised.value.operator == "Operator"
