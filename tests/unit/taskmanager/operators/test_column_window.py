"""Windows over columns by built-in aggregates: what comes of them is what comes of the same records as rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.aggregates import (
    Aggregate,
    Combined,
    Count,
    Key,
    Max,
    Mean,
    Sum,
    WindowEnd,
    WindowStart,
    WithWindow,
)
from millstream_dataflow.expressions import ColumnKey, col
from millstream_dataflow.operators.specifications import KeySelection, WindowSpecification
from millstream_dataflow.operators.windows import NoKey
from millstream_dataflow.records import ColumnBatch, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Row
from millstream_dataflow.windows import SlidingEventTimeWindows, TumblingEventTimeWindows, TumblingProcessingTimeWindows
from millstream_taskmanager.operators.base import Operator, SideBatch, Takes
from millstream_taskmanager.operators.column_window import ColumnWindowOperator
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.operators.registry import OPERATORS, OperatorSettings
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

LATE: OutputTag[Any] = OutputTag("late")
TENS = TumblingEventTimeWindows.of(10)
SEVERAL = Combined([Count(), Sum("n"), Mean("n"), Max("n")])


def opened(aggregate: Any = SEVERAL, **options: Any) -> Operator:  # noqa: ANN401  # of the specification
    selection = KeySelection(ColumnKey(options.pop("key", col("k"))))
    specification = WindowSpecification(selection, options.pop("assigner", TENS), aggregate=aggregate, **options)
    operator = OPERATORS[WindowSpecification](specification, OperatorSettings())
    operator.open(OperatorBench().context())
    return operator


def columns(*records: tuple[Any, Any, int]) -> ColumnBatch:
    """Records of (key, number, time)."""
    arrays = [
        pa.array([record[place] for record in records], type_) for place, type_ in ((0, pa.string()), (1, pa.int64()))
    ]
    return ColumnBatch(
        pa.RecordBatch.from_arrays(arrays, ["k", "n"]), np.array([time for _, _, time in records], np.int64)
    )


def shown(outputs: Iterable[object]) -> list[Any]:
    found: list[Any] = []
    for output in outputs:
        batch = output.batch if isinstance(output, SideBatch) else output
        assert isinstance(batch, RowBatch)
        assert batch.timestamps is not None
        tag = output.tag if isinstance(output, SideBatch) else ""
        found += [(tag, repr(value), time) for value, time in zip(batch.values, batch.timestamps, strict=True)]
    return sorted(found)


STEPS = st.lists(
    st.one_of(
        st.integers(-20, 60),
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-(2**50), 2**50), st.integers(-30, 60)
            ),
            min_size=1,
            max_size=12,
        ),
    ),
    max_size=12,
)


ASSIGNERS = [TENS, SlidingEventTimeWindows.of(10, 4), SlidingEventTimeWindows.of(4, 10, 3)]


@given(
    STEPS,
    st.sampled_from([0, 7, 15]),
    st.sampled_from([SEVERAL, Count(), Sum(col("n") * 2), Max("n")]),
    st.sampled_from(ASSIGNERS),
)
def test_columns_give_what_rows_give(steps: list[Any], lateness: int, aggregate: Any, assigner: Any) -> None:  # noqa: ANN401  # of any kind
    options = {"allowed_lateness": lateness, "late": LATE, "assigner": assigner}
    of_rows, of_columns = opened(aggregate, **dict(options)), opened(aggregate, **dict(options))
    for step in [*steps, MAX_TIME]:
        if isinstance(step, int):
            assert shown(of_columns.advance(Watermark(step))) == shown(of_rows.advance(Watermark(step)))
            continue
        batch = columns(*step)
        assert shown(of_columns.process(0, batch)) == shown(of_rows.process(0, to_rows(batch)))
        counts = [(one.received, one.processed, one.late) for one in (of_rows, of_columns)]
        assert counts[0] == counts[1]


def test_records_between_windows_are_late_one_by_one() -> None:
    operator = opened(Count(), assigner=SlidingEventTimeWindows.of(4, 10, 3), late=LATE)
    list(operator.advance(Watermark(7)))
    given = list(operator.process(0, columns(("a", 1, 7), ("a", 2, 8))))
    assert shown(given) == [("late", "Row(k='a', n=1)", 7)], "behind a window that is over, and before the next"
    assert (operator.received, operator.processed, operator.late) == (2, 1, 1)


def test_windows_of_the_whole_stream_take_columns_too() -> None:
    specification = WindowSpecification(KeySelection(NoKey()), TENS, aggregate=Count())
    operator = OPERATORS[WindowSpecification](specification, OperatorSettings())
    operator.open(OperatorBench().context())
    assert operator.takes is Takes.EITHER
    list(operator.process(0, columns(("a", 1, 3), ("b", 4, 9), ("a", 2, 10))))
    assert shown(operator.advance(Watermark(MAX_TIME))) == [("", "1", 19), ("", "2", 9)]


def test_state_is_that_of_rows() -> None:
    of_rows, of_columns = opened(), opened()
    batch = columns(("a", 1, 3), ("b", 2, 3), ("a", 5, 12), ("a", 7, 4))
    assert shown(of_columns.process(0, batch)) == shown(of_rows.process(0, to_rows(batch))) == []
    assert isinstance(of_columns, ColumnWindowOperator)
    assert isinstance(of_rows, ColumnWindowOperator)
    assert of_columns._table.entries == of_rows._table.entries


@pytest.mark.parametrize(
    ("aggregate", "options", "takes"),
    [
        (SEVERAL, {}, Takes.EITHER),
        (Count(), {"key": col("k").lower()}, Takes.EITHER),
        (SEVERAL, {"assigner": TumblingProcessingTimeWindows.of(10)}, Takes.ROWS),
    ],
)
def test_which_windows_take_columns(aggregate: Aggregate[Any, Any], options: dict[str, Any], takes: Takes) -> None:
    assert opened(aggregate, **options).takes is takes


def test_the_key_and_the_window_are_columns_of_the_result() -> None:
    process = WithWindow([Key("k"), WindowStart(), WindowEnd(), "count", "sum_n"])
    operator = opened(Combined([Count(), Sum("n")]), process=process)
    list(operator.process(0, columns(("a", 1, 3), ("a", 4, 9), ("a", 2, 10))))
    [first, second] = [batch for time in (9, MAX_TIME) for batch in operator.advance(Watermark(time))]
    named = Row("k", "window_start", "window_end", "count", "sum_n")
    assert isinstance(first, RowBatch)
    assert isinstance(second, RowBatch)
    assert (first.values, second.values) == ([named("a", 0, 10, 2, 5)], [named("a", 10, 20, 1, 2)])


@pytest.mark.parametrize(
    ("options", "words", "record"),
    [
        ({"aggregate": Sum("k")}, "Sum takes numbers, but got str 'a'", ""),
        ({"aggregate": Sum("x")}, "no column 'x'", ""),
        ({"aggregate": Count(), "key": col("x")}, "no column 'x'", ""),
        ({"aggregate": Count(), "key": col("n") // 0}, "division by zero", ""),
    ],
)
def test_what_can_not_be_computed_is_said_in_the_words_of_rows(
    options: dict[str, Any], words: str, record: str
) -> None:
    operator = opened(**options)
    with pytest.raises(UserCodeError, match=words) as raised:
        list(operator.process(0, columns(("a", 1, 3), ("b", 2, 3))))
    assert raised.value.record == "Row(k='a', n=1)" + record


def test_columns_without_times_are_refused() -> None:
    with pytest.raises(UserCodeError, match="windows of event time need records with times"):
        list(opened().process(0, ColumnBatch(columns(("a", 1, 3)).columns)))
