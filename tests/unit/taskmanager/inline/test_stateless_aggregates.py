"""`reduce` and `aggregate` of windows have no state of a key: it would be that of any."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from millstream import (
    AggregateFunction,
    DataStream,
    EventTimeSessionWindows,
    ListStateDescriptor,
    MapStateDescriptor,
    ProcessWindowFunction,
    ReduceFunction,
    RuntimeContext,
    Time,
    TimeWindow,
    TumblingEventTimeWindows,
    Types,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream_dataflow.errors import InvalidProgramError
from tests.unit.client.programs import environment

Pair = tuple[str, int]


def time_of(pair: Pair) -> int:
    return pair[1]


def pairs() -> DataStream[Pair]:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(time_of)
    stream = environment(execution_target="inline").from_collection([("a", 1), ("b", 2), ("a", 3)])
    return stream.assign_timestamps_and_watermarks(strategy)


def first(pair: Pair) -> str:
    return pair[0]


class Remembers(AggregateFunction[tuple[str, int], int, int]):
    """Asks for state of a key, in `open` or at a record."""

    def __init__(self, kind: str, place: str) -> None:
        self.kind, self.place = kind, place

    def _ask(self) -> None:
        context, given = self.get_runtime_context(), Types.INT()
        match self.kind:
            case "value":
                context.get_state(ValueStateDescriptor("seen", given))
            case "list":
                context.get_list_state(ListStateDescriptor("seen", given))
            case _:
                context.get_map_state(MapStateDescriptor("seen", given, given))

    def open(self, runtime_context: RuntimeContext) -> None:
        self.metric = runtime_context.get_metrics_group().counter("added")
        if self.place == "open":
            self._ask()

    def create_accumulator(self) -> int:
        return 0

    def add(self, value: tuple[str, int], accumulator: int) -> int:
        self.metric.inc()
        if self.place == "add":
            self._ask()
        return accumulator + value[1]

    def get_result(self, accumulator: int) -> int:
        return accumulator

    def merge(self, acc_a: int, acc_b: int) -> int:
        return acc_a + acc_b


class RemembersPairs(ReduceFunction[Pair]):
    """The same of a reduction."""

    def open(self, runtime_context: RuntimeContext) -> None:
        runtime_context.get_state(ValueStateDescriptor("seen", Types.INT()))

    def reduce(self, value1: Pair, value2: Pair) -> Pair:
        return value1


class Seen(ProcessWindowFunction[int, Pair, str, TimeWindow]):
    """A window function behind one may ask, and has the state of its key."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.sums = runtime_context.get_state(ValueStateDescriptor("sums", Types.INT()))

    def process(
        self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[int]
    ) -> Iterable[Pair]:
        total = (self.sums.value() or 0) + sum(elements)
        self.sums.update(total)
        yield key, total


WINDOWS = TumblingEventTimeWindows.of(Time.milliseconds(2))
SESSIONS = EventTimeSessionWindows.with_gap(Time.milliseconds(1))
PROGRAMS: list[tuple[str, Callable[[DataStream[Pair]], DataStream[Any]]]] = [
    ("value in open", lambda stream: stream.key_by(first).window(WINDOWS).aggregate(Remembers("value", "open"))),
    ("list at a record", lambda stream: stream.key_by(first).window(WINDOWS).aggregate(Remembers("list", "add"))),
    ("sessions", lambda stream: stream.key_by(first).window(SESSIONS).aggregate(Remembers("map", "open"))),
    ("all", lambda stream: stream.window_all(WINDOWS).aggregate(Remembers("value", "add"))),
    ("reduce", lambda stream: stream.key_by(first).window(WINDOWS).reduce(RemembersPairs())),
    ("reduce all", lambda stream: stream.count_window_all(2).reduce(RemembersPairs())),
]


@pytest.mark.parametrize("program", [case[1] for case in PROGRAMS], ids=[case[0] for case in PROGRAMS])
def test_state_of_a_key_is_refused(program: Callable[[DataStream[Pair]], DataStream[Any]]) -> None:
    words = (
        r"state 'seen' was asked for by reduce\(\) or aggregate\(\) of windows, .* give a window function behind them"
    )
    with pytest.raises(InvalidProgramError, match=words) as raised:
        list(program(pairs()).execute_and_collect())
    assert any("test_stateless_aggregates.py:" in note for note in raised.value.__notes__)


def test_a_life_and_metrics_they_may_have() -> None:
    summed = pairs().key_by(first).window(WINDOWS).aggregate(Remembers("value", "nowhere"), Seen())
    assert sorted(summed.execute_and_collect()) == [("a", 1), ("a", 4), ("b", 2)]
