"""What the calls on windows write down."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from millstream.datastream.data_stream import DataStream
from millstream.datastream.extremes import MaxBy, MinBy
from millstream.datastream.fields import FieldMax, FieldMin, FieldSum
from millstream.datastream.windowed_stream import WindowContext, WindowedStream
from millstream.errors import ArgumentError, KeyedStreamRequiredError, ParallelismError, ProgramError
from millstream_dataflow.aggregates import Combined, Count, WindowStart
from millstream_dataflow.functions import (
    AggregateFunction,
    AllWindowFunction,
    ProcessAllWindowFunction,
    ProcessWindowFunction,
    ReduceFunction,
    WindowFunction,
)
from millstream_dataflow.operators.specifications import WindowSpecification
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.transformations import OperatorTransformation
from millstream_dataflow.types import Types
from millstream_dataflow.windows import (
    CountEvictor,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    DeltaTrigger,
    EventTimeSessionWindows,
    GlobalWindows,
    NeverTrigger,
    PurgingTrigger,
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
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


def windows() -> WindowedStream[int, int, TimeWindow]:
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
    with pytest.raises(
        ProgramError,
        match="allowed_lateness on TumblingProcessingTimeWindows, which don't go by event time; nothing is late",
    ):
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


# --------------------------------------------------------------------------------------- triggers and evictors


def test_trigger_and_evictor() -> None:
    trigger, evictor = CountTrigger.of(3), CountEvictor.of(2)
    stream = windows().trigger(trigger).evictor(evictor).reduce(max)
    made = specification(stream)
    assert (made.trigger, made.evictor) == (trigger, evictor)
    assert stream.get_name() == "Window(TumblingEventTimeWindows(3600000), CountTrigger(3), CountEvictor(2), max)"


def test_apply() -> None:
    class Shown(WindowFunction[int, str, int, TimeWindow]):
        def apply(self, key: int, window: TimeWindow, inputs: Iterable[int]) -> Iterable[str]:
            return [str(key)]

    shown = Shown()
    assert specification(windows().apply(shown)).process is shown
    assert specification(windows().reduce(max, shown)).process is shown

    def described(key: int, window: TimeWindow, inputs: Iterable[int]) -> Iterable[str]:
        return [str(window)]

    stream = windows().apply(described, Types.STRING())
    assert stream.get_name() == "Window(TumblingEventTimeWindows(3600000), described)"
    assert stream.get_type() == Types.STRING()
    assert isinstance(specification(stream).process, WindowFunction)


def test_by_field() -> None:
    for call, function in (
        ("sum", FieldSum(1)),
        ("min", FieldMin(1)),
        ("max", FieldMax(1)),
        ("min_by", MinBy(1)),
        ("max_by", MaxBy(1)),
    ):
        assert specification(getattr(windows(), call)(1)).reduce == function
    assert MinBy(1)(("a", 2), ("b", 2)) == ("a", 2)
    assert MinBy(1, first=False)(("a", 2), ("b", 2)) == ("b", 2)
    assert MaxBy(1)(("a", 2), ("b", 3)) == ("b", 3)


def test_results_that_say_which_they_are() -> None:
    for stream in (windows().with_firings().reduce(max), windows().with_firings().sum()):
        assert specification(stream).with_firings
        assert stream.get_type() == Types.PICKLED_BYTE_ARRAY()
    assert specification(windows().with_firings().aggregate(Mean())).with_firings
    several = specification(windows().with_firings().aggregate(Count(), Count().alias("again")))
    assert (several.with_firings, several.process) == (True, None)
    assert isinstance(several.aggregate, Combined)
    assert not specification(windows().reduce(max)).with_firings


def test_count_windows() -> None:
    keyed = environment().from_collection([1]).key_by(abs)
    assert specification(keyed.count_window(3).reduce(max)).assigner == CountTumblingWindowAssigner(3)
    sliding = keyed.count_window(3, 2).reduce(max)
    assert specification(sliding).assigner == CountSlidingWindowAssigner(3, 2)
    assert sliding.get_name() == "Window(CountSlidingWindowAssigner(3, 2), max)"
    wrong: tuple[Any, ...] = ((0,), ("3",), (3, -1))
    for arguments in wrong:
        with pytest.raises(ArgumentError, match=r"count_window takes a s.* that is a number of records, at least"):
            keyed.count_window(*arguments)


def rows_of(_around: object, elements: Iterable[int]) -> Iterable[int]:
    return elements


def test_windows_of_all_records() -> None:
    numbers = environment().from_collection([1, 2], Types.INT())
    for stream in (numbers.window_all(HOUR).reduce(max), numbers.key_by(abs).window_all(HOUR).reduce(max)):
        made = specification(stream)
        assert made.key.selector(5) is None
        assert stream.get_type() == Types.INT()
        with pytest.raises(ParallelismError, match="it runs with parallelism 1 alone, not with 2"):
            stream.set_parallelism(2)
    assert specification(numbers.count_window_all(3).reduce(max)).assigner == CountTumblingWindowAssigner(3)
    all_of_them = numbers.window_all(HOUR)
    shown = all_of_them.process(rows_of)
    assert isinstance(specification(shown).process, ProcessAllWindowFunction)
    assert isinstance(specification(all_of_them.apply(rows_of)).process, AllWindowFunction)
    assert isinstance(specification(all_of_them.reduce(max, rows_of)).process, ProcessAllWindowFunction)
    assert specification(all_of_them.with_firings().reduce(max)).with_firings


def test_trigger_of_a_users_own_assigner() -> None:
    class Never(CountTrigger):
        def can_merge(self) -> bool:
            return False

    class Odd(EventTimeSessionWindows):
        def get_default_trigger(self, env: object = None) -> Never:  # type: ignore[override]  # what is tested
            return Never(3)

    keyed = environment().from_collection([1]).key_by(abs)
    with pytest.raises(
        ArgumentError, match="window got Odd, whose windows merge, with Never, which can't; take another"
    ):
        keyed.window(Odd(5))
    sessions = keyed.window(EventTimeSessionWindows.with_gap(5))
    delta = DeltaTrigger.of(1, lambda one, other: other - one)
    for trigger in (delta, PurgingTrigger.of(delta)):
        with pytest.raises(
            ArgumentError, match=r"trigger got EventTimeSessionWindows, whose windows merge, with"
        ) as raised:
            sessions.trigger(trigger)
        assert str(raised.value).startswith("(tests/unit/client/test_windowed_stream.py:")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: s.trigger(CountTrigger), r"trigger takes a Trigger, such as CountTrigger.of\(100\), but got"),
        (lambda s: s.evictor(3), r"evictor takes an Evictor, such as CountEvictor.of\(100\), but got 3"),
        (lambda s: s.apply(Show()), "apply on a window takes a WindowFunction .* process on a window takes it"),
        (lambda s: s.apply(rows_of), "apply on a window takes .* called with"),
        (lambda s: s.with_firings().aggregate(max), "aggregate takes an AggregateFunction"),
        (lambda s: s.with_firings().aggregate(Count(), WindowStart()), "takes aggregates alone, but got .Count"),
        (lambda s: s.with_firings().aggregate(Mean(), Count()), "takes aggregates alone, but got"),
    ],
)
def test_wrong_parts(call: Callable[[Any], Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        call(windows())


def test_what_never_fires() -> None:
    keyed = environment().from_collection([1]).key_by(abs)
    with pytest.raises(ProgramError, match=r"GlobalWindows never fire by themselves; call trigger\(...\) on them"):
        keyed.window(GlobalWindows.create()).reduce(max)
    assert (
        specification(keyed.window(GlobalWindows.create()).trigger(NeverTrigger()).reduce(max)).trigger
        == NeverTrigger()
    )


@pytest.mark.parametrize("call", ["window", "count_window", "min_by"])
def test_without_a_key(call: str) -> None:
    with pytest.raises(
        KeyedStreamRequiredError, match=rf"{call} works per key, and this stream has none; write stream"
    ):
        getattr(environment().from_collection([1]), call)
