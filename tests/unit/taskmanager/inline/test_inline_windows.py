"""Windows of every kind, as programs of the public API."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from millstream import (
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountTrigger,
    DataStream,
    EventTimeSessionWindows,
    Firing,
    GlobalWindow,
    GlobalWindows,
    OutputTag,
    ProcessAllWindowFunction,
    PurgingTrigger,
    SlidingEventTimeWindows,
    StreamExecutionEnvironment,
    TimeWindow,
    TumblingEventTimeWindows,
    WatermarkStrategy,
    WindowFunction,
    WindowResult,
)
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

Word = tuple[str, int]
WORDS: list[Word] = [("a", 1_000), ("b", 2_000), ("a", 3_500), ("a", 9_000), ("b", 9_500), ("a", 14_000)]


def time_of(word: Word) -> int:
    return word[1]


def key_of(word: Word) -> str:
    return word[0]


@pytest.fixture
def env() -> Iterator[StreamExecutionEnvironment]:
    context = ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))
    with program_context(context):
        yield StreamExecutionEnvironment.get_execution_environment().set_parallelism(2)


def words(env: StreamExecutionEnvironment, of: list[Word] = WORDS) -> DataStream[Word]:
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(time_of)
    return env.from_collection(of).assign_timestamps_and_watermarks(strategy.with_punctuated_watermarks())


def collected(stream: DataStream[Any]) -> list[Any]:
    with stream.execute_and_collect() as records:
        return list(records)


def later(one: Word, other: Word) -> Word:
    return max(one, other)


def test_sliding(env: StreamExecutionEnvironment) -> None:
    def count(key: str, window: TimeWindow, inputs: Iterable[Word]) -> Iterator[tuple[str, int, int]]:
        yield key, window.start, len(list(inputs))

    sliding = SlidingEventTimeWindows.of(timedelta(seconds=10), timedelta(seconds=5))
    found = collected(words(env).key_by(key_of).window(sliding).apply(count))
    expected = Counter(
        (key, start) for key, time in WORDS for start in range(-5_000, 15_000, 5_000) if start <= time < start + 10_000
    )
    assert {(key, start): number for key, start, number in found} == expected


class Shown(WindowFunction[Word, str, str, TimeWindow]):
    def apply(self, key: str, window: TimeWindow, inputs: Iterable[Word]) -> Iterator[str]:
        yield f"{key} {window.start} {window.end} {[time for _, time in inputs]}"


def test_sessions_and_the_late(env: StreamExecutionEnvironment) -> None:
    env.set_parallelism(1)  # so that one generator sees all records in their order
    late: OutputTag[Word] = OutputTag("late")
    sessions = (
        words(env, [*WORDS, ("c", 1_000)]).key_by(key_of).window(EventTimeSessionWindows.with_gap(timedelta(seconds=4)))
    )
    found = sessions.side_output_late_data(late).reduce(later, Shown())
    out = collected(found.union(found.get_side_output(late).map(lambda word: f"late {word[0]}")))
    assert sorted(out) == [
        "a 1000 7500 [3500]",
        "a 14000 18000 [14000]",
        "a 9000 13000 [9000]",
        "b 2000 6000 [2000]",
        "b 9500 13500 [9500]",
        "late c",
    ]


def test_early_results(env: StreamExecutionEnvironment) -> None:
    windows = words(env).key_by(key_of).window(TumblingEventTimeWindows.of(10_000))
    found = collected(windows.trigger(ContinuousEventTimeTrigger.of(timedelta(seconds=3))).with_firings().reduce(later))
    assert all(type(row) is WindowResult for row in found)
    assert [row for row in found if row.firing is Firing.EARLY]
    on_time = {(row.key, row.window.start): row.value[1] for row in found if row.firing is Firing.ON_TIME}
    assert on_time == {("a", 0): 9_000, ("b", 0): 9_500, ("a", 10_000): 14_000}
    for key, window in {(row.key, row.window) for row in found}:
        numbers = [row.number for row in found if (row.key, row.window) == (key, window)]
        assert numbers == list(range(1, len(numbers) + 1))


class Total(ProcessAllWindowFunction[Word, tuple[int, int, str], TimeWindow]):
    def process(
        self, context: ProcessAllWindowFunction.Context[TimeWindow], elements: Iterable[Word]
    ) -> Iterator[tuple[int, int, str]]:
        yield context.window().start, len(list(elements)), context.firing().value


def test_all_records(env: StreamExecutionEnvironment) -> None:
    assert collected(words(env).window_all(TumblingEventTimeWindows.of(10_000)).process(Total())) == [
        (0, 5, "on time"),
        (10_000, 1, "on time"),
    ]
    numbers = env.from_collection(list(range(10)))
    assert collected(numbers.count_window_all(4).sum()) == [6, 22]
    rows = collected(numbers.count_window_all(4).with_firings().max())
    assert [(row.key, row.value, row.firing) for row in rows] == [(None, 3, Firing.ON_TIME), (None, 7, Firing.ON_TIME)]


def test_counts_and_the_global_window(env: StreamExecutionEnvironment) -> None:
    keyed = env.from_collection(list(range(12))).key_by(lambda number: number % 2)
    assert sorted(collected(keyed.count_window(3).sum())) == [6, 9, 24, 27]
    assert sorted(collected(keyed.count_window(3, 2).max_by(0))) == [4, 5, 8, 9]
    whole = (
        keyed.window(GlobalWindows.create()).trigger(PurgingTrigger.of(CountTrigger.of(4))).evictor(CountEvictor.of(2))
    )

    def told(key: int, window: GlobalWindow, inputs: Iterable[int]) -> list[tuple[int, list[int]]]:
        return [(key, list(inputs))]

    assert sorted(collected(whole.apply(told))) == [(0, [4, 6]), (1, [5, 7])]
