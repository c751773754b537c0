"""KeyedProcessFunction: state and timers of the record's key."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from millstream_dataflow.functions import AggregateFunction, KeyedProcessFunction, RuntimeContext
from millstream_dataflow.operators.specifications import KeyedProcessSpecification, KeySelection
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag
from millstream_taskmanager.operators.base import PAUSE, SLICE, SideBatch
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

LATE: OutputTag[Any] = OutputTag("late")


def opened(function: Any, bench: OperatorBench | None = None) -> KeyedProcessOperator:  # noqa: ANN401  # of any kind
    operator = KeyedProcessOperator(KeyedProcessSpecification(function, KeySelection(lambda record: record[0])))
    operator.open((bench or OperatorBench()).context())
    return operator


def rows(*records: tuple[Any, int]) -> RowBatch:
    """Records whose times are their second parts."""
    return RowBatch(list(records), [time for _, time in records])


class Counter(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Counts, and tells a second of event time behind the last record of a key."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        timers = ctx.timer_service()
        if value[1] <= timers.current_watermark():
            yield LATE, value
            return
        self.count.update((self.count.value() or 0) + 1)
        timers.register_event_time_timer(value[1] + 1_000)
        timers.register_event_time_timer(value[1] + 1_000)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), self.count.value(), ctx.timestamp(), ctx.time_domain().name
        self.count.clear()


def test_state_and_event_timers() -> None:
    operator = opened(Counter())
    assert list(operator.process(0, rows(("a", 10), ("b", 20), ("a", 30)))) == []
    assert list(operator.advance(Watermark(1_009))) == []
    assert list(operator.advance(Watermark(1_020))) == [
        RowBatch([("a", 2, 1_010, "EVENT_TIME"), ("b", 1, 1_020, "EVENT_TIME")], [1_010, 1_020])
    ]
    assert list(operator.process(0, rows(("a", 1_000)))) == [SideBatch("late", RowBatch([("a", 1_000)], [1_000]))]
    assert list(operator.advance(Watermark(5_000))) == [RowBatch([("a", None, 1_030, "EVENT_TIME")], [1_030])]


class Alarm(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Rings by the clock."""

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> None:
        timers = ctx.timer_service()
        timers.register_processing_time_timer(timers.current_processing_time() + value[1])
        if value[1] == 70:
            timers.delete_processing_time_timer(timers.current_processing_time() + 70)
            timers.delete_event_time_timer(1)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), timestamp, ctx.time_domain().name


def test_timers_by_the_clock() -> None:
    bench = OperatorBench(now=1_000)
    operator = opened(Alarm(), bench)
    assert list(operator.process(0, rows(("a", 50), ("b", 70), ("c", 90)))) == []
    assert min(bench.due) == 1_051
    bench.due.clear()
    assert list(operator.on_time(1_050)) == [], "its millisecond isn't over: a record of it may still come"
    assert bench.due == [1_051]
    bench.due.clear()
    assert list(operator.on_time(1_060)) == [RowBatch([("a", 1_050, "PROCESSING_TIME")])]
    assert bench.due == [1_091]
    assert list(operator.on_time(1_091)) == [RowBatch([("c", 1_090, "PROCESSING_TIME")])]


class Keeper(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Emits the very list that it keeps, to both outputs and from a timer."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.seen: Any = runtime_context.get_state(ValueStateDescriptor("seen", list))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        kept = self.seen.value() or []
        kept.append(value[1])
        self.seen.update(kept)
        ctx.timer_service().register_event_time_timer(value[1])
        yield kept
        yield LATE, kept

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        kept = self.seen.value()
        kept.append("timer")
        yield kept


def test_what_is_emitted_is_as_it_was_then() -> None:
    operator = opened(Keeper())
    main, side = operator.process(0, rows(("a", 1), ("a", 2)))
    assert main == RowBatch([[1], [1, 2]], [1, 2])
    assert side == SideBatch("late", RowBatch([[1], [1, 2]], [1, 2]))
    [fired] = operator.advance(Watermark(2))
    assert fired == RowBatch([[1, 2, "timer"], [1, 2, "timer", "timer"]], [1, 2])


def test_a_consumer_cannot_change_what_is_kept() -> None:
    """Law 4.5, in one process: the next operator has the very batch."""
    operator = opened(Keeper())
    main, _ = operator.process(0, rows(("a", 1)))
    assert isinstance(main, RowBatch)
    main.values[0].append("spoilt")
    main, _ = operator.process(0, rows(("a", 2)))
    assert main == RowBatch([[1, 2]], [2])


def test_object_reuse_gives_the_object_itself() -> None:
    specification = KeyedProcessSpecification(Keeper(), KeySelection(lambda record: record[0]))
    operator = KeyedProcessOperator(specification, reuse=True)
    operator.open(OperatorBench().context())
    main, _ = operator.process(0, rows(("a", 1), ("a", 2)))
    assert isinstance(main, RowBatch)
    assert main.values[0] is main.values[1]


def test_many_timers_fire_in_slices() -> None:
    operator = opened(Counter())
    list(operator.process(0, RowBatch([(number, 5) for number in range(SLICE + 10)], [5] * (SLICE + 10))))
    pulled = operator.advance(Watermark(10_000))
    first = next(pulled)
    assert isinstance(first, RowBatch)
    assert len(first) == SLICE
    assert [len(batch) for batch in pulled if isinstance(batch, RowBatch) and batch is not PAUSE] == [10]


class Endless(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Sets its next timer at each."""

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> None:
        ctx.timer_service().register_event_time_timer(value[1])

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> None:
        ctx.timer_service().register_event_time_timer(timestamp + 1)


def test_timers_without_end_let_others_have_a_turn() -> None:
    """At the end of time they go on until the job is cancelled, as in Flink."""
    operator = opened(Endless())
    list(operator.process(0, rows(("a", 5))))
    assert list(islice(operator.advance(Watermark(MAX_TIME)), 3)) == [PAUSE] * 3


class Mean(AggregateFunction[int, tuple[int, int], float]):
    """Of ints."""

    def create_accumulator(self) -> tuple[int, int]:
        return 0, 0

    def add(self, value: int, accumulator: tuple[int, int]) -> tuple[int, int]:
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator: tuple[int, int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, acc_a: tuple[int, int], acc_b: tuple[int, int]) -> tuple[int, int]:
        return acc_a[0] + acc_b[0], acc_a[1] + acc_b[1]


class Everything(KeyedProcessFunction[str, tuple[str, int], Any]):
    """Uses each kind of state."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.items = runtime_context.get_list_state(ListStateDescriptor("list", int))
        self.seen: MapState[int, int] = runtime_context.get_map_state(MapStateDescriptor("map"))
        self.sum = runtime_context.get_reducing_state(ReducingStateDescriptor("sum", lambda a, b: a + b))
        self.mean = runtime_context.get_aggregating_state(AggregatingStateDescriptor("mean", Mean()))

    def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        number = value[1]
        before = self.sum.get(), self.mean.get(), list(self.items), self.seen.is_empty()
        self.items.add(number)
        self.seen[number % 2] = number
        self.sum.add(number)
        self.mean.add(number)
        yield before, list(self.items), dict(self.seen.items()), self.sum.get(), self.mean.get()


def test_each_kind_of_state_is_the_keys_own() -> None:
    operator = opened(Everything())
    [batch] = operator.process(0, rows(("a", 1), ("b", 10), ("a", 4)))
    assert isinstance(batch, RowBatch)
    first, other, second = batch.values
    assert first == ((None, None, [], True), [1], {1: 1}, 1, 1.0)
    assert other == ((None, None, [], True), [10], {0: 10}, 10, 10.0)
    assert second == ((1, 1.0, [1], False), [1, 4], {1: 1, 0: 4}, 5, 2.5)


def test_one_name_one_kind_of_state() -> None:
    class Confused(Counter):
        def open(self, runtime_context: RuntimeContext) -> None:
            runtime_context.get_state(ValueStateDescriptor("x", int))
            runtime_context.get_list_state(ListStateDescriptor("x", int))

    with pytest.raises(UserCodeError, match="asked for by ListStateDescriptor"):
        opened(Confused())


def test_errors_name_the_record_or_the_timer() -> None:
    class Fragile(KeyedProcessFunction[str, tuple[str, int], Any]):
        def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> None:
            ctx.timer_service().register_event_time_timer(100 // value[1])

        def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> None:
            raise ValueError("timer")

    operator = opened(Fragile())
    with pytest.raises(UserCodeError) as raised:
        list(operator.process(0, RowBatch([("a", 1), ("b", 0)])))
    assert raised.value.record == "('b', 0)"
    with pytest.raises(UserCodeError) as raised:
        list(operator.advance(Watermark(100)))
    assert raised.value.record == "<timer of key 'a' at 100>"


@pytest.mark.parametrize("call", ["register_event_time_timer", "delete_event_time_timer"])
@pytest.mark.parametrize("domain", ["event", "processing"])
@pytest.mark.parametrize("time", [1.5, True, "x", None, 2**64])
def test_the_time_of_a_timer_is_checked(call: str, domain: str, time: object) -> None:
    class Wrong(KeyedProcessFunction[str, tuple[str, int], Any]):
        def process_element(self, value: tuple[str, int], ctx: KeyedProcessFunction.Context) -> None:
            getattr(ctx.timer_service(), call.replace("event", domain))(time)

    with pytest.raises(UserCodeError, match="a timer must") as raised:
        list(opened(Wrong()).process(0, rows(("a", 1))))
    failure = raised.value.failure()
    assert (failure.operator, failure.record, failure.restartable) == ("Operator", "('a', 1)", False)
    assert "getattr(ctx.timer_service()" in failure.source_line
