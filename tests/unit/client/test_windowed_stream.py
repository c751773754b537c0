"""What the calls on windows write down."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream.datastream.windowed_stream import WindowContext, WindowedStream
from millstream.errors import ArgumentError, ProgramError
from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction, ReduceFunction
from millstream_dataflow.operators.specifications import WindowSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.transformations import OperatorTransformation
from millstream_dataflow.types import Types
from millstream_dataflow.windows import TimeWindow, TumblingEventTimeWindows, TumblingProcessingTimeWindows
from tests.unit.client.programs import environment

HOUR = TumblingEventTimeWindows.of(timedelta(hours=1))


class Mean(AggregateFunction[int, list[int], float]):
    def create_accumulator(self) -> list[int]:
        return []

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        return [*accumulator, value]

    def get_result(self, accumulator: list[int]) -> float:
        return sum(accumulator) / len(accumulator)

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return acc_a + acc_b


class Show(ProcessWindowFunction[Any, str, int, TimeWindow]):
    def process(self, key: int, context: WindowContext, elements: Iterable[Any]) -> Iterable[str]:
        return [str(key)]


class Total(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return value1 + value2


def windows() -> WindowedStream[int, int]:
    return environment().from_collection([1, 2], Types.INT()).key_by(lambda x: x % 2).window(HOUR)


def specification(stream: DataStream[Any]) -> WindowSpecification:
    assert isinstance(stream._transformation, OperatorTransformation)
    assert isinstance(stream._transformation.specification, WindowSpecification)
    return stream._transformation.specification


def test_reduce() -> None:
    stream = windows().reduce(max)
    made = specification(stream)
    assert (made.assigner, made.reduce, made.aggregate, made.process) == (HOUR, max, None, None)
    assert stream.get_name() == "Window(TumblingEventTimeWindows(3600000), max)"
    assert stream.get_type() == Types.INT()
    assert made.key.selector(3) == 1


def test_reduce_and_a_function_of_the_window() -> None:
    total, show = Total(), Show()
    stream = windows().reduce(total, show, Types.STRING())
    assert (specification(stream).reduce, specification(stream).process) == (total, show)
    assert stream.get_name() == "Window(TumblingEventTimeWindows(3600000), Total, Show)"
    assert stream.get_type() == Types.STRING()


def test_aggregate() -> None:
    mean = Mean()
    stream = windows().aggregate(mean)
    assert specification(stream).aggregate is mean
    assert str(stream.get_type()) == "float"
    shown = windows().aggregate(mean, Show(), Types.LIST(Types.INT()), Types.STRING())
    assert shown.get_type() == Types.STRING()
    assert isinstance(specification(shown).process, Show)


def test_process() -> None:
    made = specification(windows().process(Show()))
    assert isinstance(made.process, Show)
    assert (made.reduce, made.aggregate) == (None, None)

    def describe(key: int, context: WindowContext, elements: Iterable[int]) -> Iterable[str]:
        return [str(key)]

    assert specification(windows().process(describe)).process is describe


def test_lateness_and_the_late() -> None:
    late = OutputTag("late", Types.INT())
    made = specification(windows().allowed_lateness(timedelta(minutes=1)).side_output_late_data(late).reduce(max))
    assert (made.allowed_lateness, made.late) == (60_000, late)
    assert specification(windows().allowed_lateness(5).reduce(max)).allowed_lateness == 5


def test_settings_hold_for_the_stream_that_they_were_made_on() -> None:
    stream = windows()
    stream.allowed_lateness(7)
    assert specification(stream.reduce(max)).allowed_lateness == 7


def test_lateness_that_can_not_be() -> None:
    with pytest.raises(ProgramError, match=r"allowed_lateness of -1 ms; give it 0 or more"):
        windows().allowed_lateness(-1)
    clock = environment().from_collection([1]).key_by(abs).window(TumblingProcessingTimeWindows.of(1000))
    with pytest.raises(ProgramError, match="allowed_lateness on processing-time windows; nothing is late by the clock"):
        clock.allowed_lateness(1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: s.aggregate(max), "aggregate takes an AggregateFunction, but got <built-in function max>"),
        (lambda s: s.reduce(3), "reduce takes a ReduceFunction or a function of"),
        (lambda s: s.process(Mean()), "process on a window takes a ProcessWindowFunction .* aggregate takes it"),
        (lambda s: s.reduce(max, Total()), "process on a window takes a ProcessWindowFunction .* reduce takes it"),
        (lambda s: s.aggregate(Mean(), lambda key: key), "process on a window takes .* called with"),
        (lambda s: s.side_output_late_data("late"), "side_output_late_data takes an OutputTag, but got 'late'"),
    ],
)
def test_wrong_arguments(call: Callable[[Any], Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        call(windows())


def test_offsets_are_part_of_the_name() -> None:
    days = TumblingEventTimeWindows.of(timedelta(days=1), timedelta(hours=-8))
    stream = environment().from_collection([1]).key_by(abs).window(days).reduce(max)
    assert stream.get_name() == "Window(TumblingEventTimeWindows(86400000, -28800000), max)"
