"""ProcessFunction: records with their times, side outputs, no timers."""

from collections.abc import Iterator
from typing import Any

import pytest

from millstream_dataflow.functions import ProcessFunction
from millstream_dataflow.operators.specifications import ProcessSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import SLICE, SideBatch
from millstream_taskmanager.operators.process import ProcessOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

ODD: OutputTag[int] = OutputTag("odd")


class Sorter(ProcessFunction[int, Any]):
    """Odd ones to the side, with what the context tells."""

    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[Any]:
        times = ctx.timer_service()
        if value % 2:
            yield ODD, value
        else:
            yield value, ctx.timestamp(), times.current_watermark(), times.current_processing_time()


def opened(function: object, bench: OperatorBench | None = None) -> ProcessOperator:
    operator = ProcessOperator(ProcessSpecification(function))
    operator.open((bench or OperatorBench()).context())
    return operator


def test_main_and_side_outputs_carry_the_times() -> None:
    operator = opened(Sorter(), OperatorBench(now=77))
    assert list(operator.advance(Watermark(9))) == []
    assert list(operator.process(0, RowBatch([1, 2, 3], [10, 20, 30]))) == [
        RowBatch([(2, 20, 9, 77)], [20]),
        SideBatch("odd", RowBatch([1, 3], [10, 30])),
    ]


def test_a_stream_without_times() -> None:
    operator = opened(lambda value, ctx: [(value, ctx.timestamp())])
    assert list(operator.process(0, RowBatch([5]))) == [RowBatch([(5, None)])]


def test_none_is_none() -> None:
    assert list(opened(lambda _value, _ctx: None).process(0, RowBatch([1, 2]))) == []


def test_much_leaves_in_slices() -> None:
    operator = opened(lambda value, _: range(value))
    assert [
        len(batch.values) for batch in operator.process(0, RowBatch([SLICE + 1, 3])) if isinstance(batch, RowBatch)
    ] == [
        SLICE,
        4,
    ]


def test_timers_are_refused() -> None:
    with pytest.raises(UserCodeError, match="key_by") as raised:
        list(opened(lambda _, ctx: ctx.timer_service().register_event_time_timer(5)).process(0, RowBatch(["a", "b"])))
    assert raised.value.record == "'a'"


def test_an_error_names_the_record() -> None:
    with pytest.raises(UserCodeError) as raised:
        list(opened(lambda value, _: [1 // value]).process(0, RowBatch([1, 0, 2])))
    assert raised.value.record == "0"


def test_what_is_emitted_is_as_it_was_then() -> None:
    kept: list[int] = []

    def process(value: int, _: object) -> Iterator[Any]:
        kept.append(value)
        yield kept
        yield ODD, {"all": kept}

    assert list(opened(process).process(0, RowBatch([1, 2]))) == [
        RowBatch([[1], [1, 2]]),
        SideBatch("odd", RowBatch([{"all": [1]}, {"all": [1, 2]}])),
    ]
