"""Programs of two streams, run in the thread of the test: connected, broadcast, joined."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream import (
    BroadcastProcessFunction,
    CoGroupFunction,
    CoMapFunction,
    CountEvictor,
    CountTrigger,
    EventTimeSessionWindows,
    FlatJoinFunction,
    JoinFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    MapStateDescriptor,
    OutputTag,
    ProcessJoinFunction,
    PurgingTrigger,
    RuntimeContext,
    StateTtlConfig,
    StreamExecutionEnvironment,
    Time,
    TumblingEventTimeWindows,
    Types,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from millstream.datastream.data_stream import DataStream
from millstream.errors import ArgumentError
from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

Environment = StreamExecutionEnvironment
Record = tuple[str, int]
"""A key, and a time."""


def inline() -> Environment:
    context = ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))
    with program_context(context):
        return Environment.get_execution_environment()


@pytest.fixture
def env() -> Environment:
    return inline().set_parallelism(2)


def time_of(record: tuple[Any, ...]) -> int:
    time: int = record[1]
    return time


def timed(env: Environment, records: Iterable[tuple[Any, ...]]) -> DataStream[Any]:
    strategy = WatermarkStrategy[Any].for_bounded_out_of_orderness(1_000).with_timestamp_assigner(time_of)
    return env.from_collection(list(records)).assign_timestamps_and_watermarks(strategy)


def collected(stream: DataStream[Any]) -> list[Any]:
    with stream.execute_and_collect() as records:
        return list(records)


class Prices(CoMapFunction[Record, Record, Any]):
    """Sums by key what comes by either stream."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.sum = runtime_context.get_state(ValueStateDescriptor("sum", int))

    def map1(self, value: Record) -> tuple[str, int]:
        total = (self.sum.value() or 0) + value[1]
        self.sum.update(total)
        return value[0], total

    map2 = map1


def test_connected_streams_without_keys_and_with_them(env: Environment) -> None:
    numbers, words = env.from_collection([1, 2]), env.from_collection(["a", "bc"], Types.STRING())
    assert Counter(collected(numbers.connect(words).map((lambda n: n * 10, len)))) == Counter([10, 20, 1, 2])
    split = numbers.connect(words).flat_map((range, list))
    assert Counter(collected(split)) == Counter([0, 0, 1, "a", "b", "c"])
    one, other = env.from_collection([("a", 1), ("b", 2)]), env.from_collection([("a", 10)])
    summed = one.connect(other).key_by(lambda record: record[0], 0).map(Prices())
    assert max(total for key, total in collected(summed) if key == "a") == 11


class Unpaid(KeyedCoProcessFunction[str, Record, Record, Any]):
    """Orders, and the payments that come within 100 ms."""

    tag: OutputTag[Any] = OutputTag("unpaid")

    def open(self, runtime_context: RuntimeContext) -> None:
        self.ordered = runtime_context.get_state(ValueStateDescriptor("ordered", int))

    def process_element1(self, value: Record, ctx: KeyedCoProcessFunction.Context) -> None:
        self.ordered.update(value[1])
        ctx.timer_service().register_event_time_timer(value[1] + 100)

    def process_element2(self, value: Record, ctx: KeyedCoProcessFunction.Context) -> Iterator[Any]:
        yield value[0], "paid"
        self.ordered.update(-1)

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[Any]:
        if self.ordered.value() != -1:
            yield self.tag, (ctx.get_current_key(), timestamp)


def test_a_rule_with_timers_over_two_streams(env: Environment) -> None:
    orders, payments = timed(env, [("a", 10), ("b", 20)]), timed(env, [("a", 50)])
    stream = orders.key_by(0).connect(payments.key_by(0)).process(Unpaid())
    assert collected(stream.union(stream.get_side_output(Unpaid.tag))) == [("a", "paid"), ("b", 120)]


RULES = MapStateDescriptor("rules", Types.STRING(), Types.INT())


class Convert(BroadcastProcessFunction[Record, Record, Any]):
    """Amounts wait for nothing: those that come before their rate are told as they are."""

    def process_element(self, value: Record, ctx: BroadcastProcessFunction.ReadOnlyContext) -> Iterator[Any]:
        yield value[0], value[1] * (ctx.get_broadcast_state(RULES).get(value[0]) or 1)

    def process_broadcast_element(self, value: Record, ctx: BroadcastProcessFunction.Context) -> Iterator[Any]:
        ctx.get_broadcast_state(RULES).put(*value)
        yield "told", *value


def test_a_broadcast_stream_reaches_every_subtask(env: Environment) -> None:
    amounts = env.from_collection([("eur", 5), ("usd", 7)]).rebalance()
    rates = env.from_collection([("eur", 100), ("usd", 90)])
    found = Counter(collected(amounts.connect(rates.broadcast(RULES)).process(Convert())))
    assert found[("told", "eur", 100)] == found[("told", "usd", 90)] == 2
    assert {record[0] for record in found} == {"told", "eur", "usd"}


class Above(KeyedBroadcastProcessFunction[str, Record, Record, Any]):
    """Counts per key, and tells at the end those with more than the limit: when all has come."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: Record, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> None:
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(10_000)

    def process_broadcast_element(self, value: Record, ctx: KeyedBroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(*value)

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Any]:
        limit = ctx.get_broadcast_state(RULES)["limit"]
        if (self.count.value() or 0) > limit:
            yield ctx.get_current_key(), self.count.value()


def test_rules_for_a_stream_with_keys(env: Environment) -> None:
    events = timed(env, [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5), ("b", 6)])
    rules = timed(env, [("limit", 1)])
    above = events.key_by(0).connect(rules.broadcast(RULES)).process(Above())
    assert sorted(collected(above)) == [("a", 3), ("b", 2)]


# ------------------------------------------------------------------------------------------------------- joins


class Both(ProcessJoinFunction[Record, Record, Any]):
    def process_element(self, left: Record, right: Record, ctx: ProcessJoinFunction.Context) -> Iterator[Any]:
        yield left, right, ctx.get_timestamp()


def test_an_interval_join(env: Environment) -> None:
    left, right = timed(env, [("a", 100), ("b", 100)]), timed(env, [("a", 94), ("a", 95), ("a", 105), ("b", 106)])
    join = left.key_by(0).interval_join(right.key_by(0)).between(-5, 5)
    expected = [(("a", 100), ("a", 95), 100), (("a", 100), ("a", 105), 105)]
    assert sorted(collected(join.process(Both()))) == expected
    assert sorted(collected(join.lower_bound_exclusive().process(Both()))) == expected[1:]


class Pair(JoinFunction[Record, Record, Any]):
    def open(self, runtime_context: RuntimeContext) -> None:
        self.opened = True

    def join(self, first: Record, second: Record) -> tuple[Any, ...]:
        assert self.opened
        return first[0], first[1], second[1]


class Later(FlatJoinFunction[Record, Record, Any]):
    def join(self, first: Record, second: Record) -> Iterator[Any]:
        if second[1] > first[1]:
            yield first[0], second[1] - first[1]


class Sizes(CoGroupFunction[Record, Record, Any]):
    def co_group(self, first: Iterable[Record], second: Iterable[Record]) -> Iterator[Any]:
        yield len(list(first)), len(list(second))


ORDERS = [("a", 1), ("a", 5), ("b", 3), ("a", 12), ("c", 25)]
PAYMENTS = [("a", 3), ("b", 2), ("b", 4), ("a", 14), ("d", 26)]
TENS = TumblingEventTimeWindows.of(10)


def test_window_joins(env: Environment) -> None:
    windows = timed(env, ORDERS).join(timed(env, PAYMENTS)).where(0).equal_to(0).window(TENS)
    expected = [("a", 1, 3), ("a", 5, 3), ("a", 12, 14), ("b", 3, 2), ("b", 3, 4)]
    assert sorted(collected(windows.apply(Pair()))) == sorted(expected)
    assert sorted(collected(windows.apply(lambda first, second: (first[0], first[1], second[1])))) == sorted(expected)
    assert sorted(collected(windows.apply(Later()))) == [("a", 2), ("a", 2), ("b", 1)]


def one_by_one(first: Record, second: Record) -> Iterator[int]:
    yield from (first[1], second[1])


def test_a_plain_function_of_a_join_that_yields_gives_what_it_yields(env: Environment) -> None:
    windows = timed(env, ORDERS).join(timed(env, PAYMENTS)).where(0).equal_to(0).window(TENS)
    stream = windows.apply(one_by_one)
    assert str(stream.get_type()) == "int"
    assert sorted(collected(stream)) == [1, 2, 3, 3, 3, 3, 4, 5, 12, 14]


def test_co_groups_have_both_sides_also_where_one_is_empty(env: Environment) -> None:
    windows = timed(env, ORDERS).key_by(0).co_group(timed(env, PAYMENTS)).where(0).equal_to(0).window(TENS)
    assert sorted(collected(windows.apply(Sizes()))) == [(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)]
    sums = windows.apply(lambda first, second: [sum(time_of(one) for one in (*first, *second))])
    assert sorted(collected(sums)) == [9, 9, 25, 26, 26]


def test_joins_take_any_windows_triggers_and_evictors(env: Environment) -> None:
    """A trigger counts the records of both sides, an evictor chooses among them."""
    env.set_parallelism(1)
    both = timed(env, ORDERS).join(timed(env, PAYMENTS)).where(0).equal_to(0)
    sessions = both.window(EventTimeSessionWindows.with_gap(4)).apply(Pair())
    assert sorted(collected(sessions)) == [("a", 1, 3), ("a", 5, 3), ("a", 12, 14), ("b", 3, 2), ("b", 3, 4)]
    third = both.window(TENS).trigger(PurgingTrigger.of(CountTrigger.of(3))).apply(Pair())
    assert sorted(collected(third)) == [("a", 1, 3), ("a", 5, 3), ("b", 3, 2), ("b", 3, 4)]
    nobody = both.window(TENS).evictor(CountEvictor.of(1)).apply(Pair())
    assert collected(nobody) == []


def test_broadcast_state_has_no_time_to_live(env: Environment) -> None:
    rules = MapStateDescriptor("rules", str, int)
    rules.enable_time_to_live(StateTtlConfig.new_builder(Time.seconds(1)).build())
    with pytest.raises(ArgumentError, match=r"state 'rules' with a time to live, which only state of keys has"):
        env.from_collection([1]).broadcast(rules)


TIMES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 39)), max_size=12)


@given(TIMES, TIMES, st.integers(1, 2))
def test_window_joins_find_what_nested_loops_find(first: list[Record], second: list[Record], parallelism: int) -> None:
    env = inline().set_parallelism(parallelism)
    windows = timed(env, first).join(timed(env, second)).where(0).equal_to(0).window(TENS)
    expected = [
        (one[0], one[1], other[1])
        for one in first
        for other in second
        if one[0] == other[0] and one[1] // 10 == other[1] // 10
    ]
    assert Counter(collected(windows.apply(Pair()))) == Counter(expected)


def test_an_error_names_the_call_and_the_records(env: Environment) -> None:
    def failing(first: Record, second: Record) -> float:
        return 1 / (first[1] - 1)

    windows = timed(env, ORDERS).join(timed(env, PAYMENTS)).where(0).equal_to(0).window(TENS)
    with pytest.raises(ZeroDivisionError) as raised:
        collected(windows.apply(failing))
    [note] = raised.value.__notes__
    assert "failing" in note
    assert "of key 'a'" in note
