"""Batch mode: keyed operators get their input key by key, whatever the order in which it came."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import KeyedProcessFunction, ProcessWindowFunction, RuntimeContext, TimeDomain
from millstream_dataflow.keys import UnstableKeyError, key_hash
from millstream_dataflow.operators.grouped import FinalReduceSpecification, GroupedSpecification, batch_form
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    MapSpecification,
    OperatorSpecification,
    ReaderSpecification,
    TimestampsSpecification,
    WindowSpecification,
)
from millstream_dataflow.operators.two_inputs import IntervalJoinSpecification
from millstream_dataflow.records import Barrier, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.state import StateTtlConfig, ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.time import NoWatermarks, WatermarkStrategy
from millstream_dataflow.types import Types
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TimeWindow,
    Trigger,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)
from millstream_runtime.messages.session import MetricKind, UserMetric
from millstream_taskmanager.operators.base import SLICE, Operator, Output, SideBatch
from millstream_taskmanager.operators.grouped import GroupedOperator
from millstream_taskmanager.operators.registry import OperatorSettings, make
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench

KEY = KeySelection(lambda record: record[0])
SIDE = OutputTag("side", Types.ANY())
Record = tuple[str, int]
BITS_OF_ONE_AND_A_HALF = struct.unpack("<q", struct.pack("<d", 1.5))[0]


class Run:
    """A grouped operator between what comes and what it gives."""

    def __init__(self, specification: OperatorSpecification, *, memory: int = 1 << 30, now: int = 0) -> None:
        self.bench = OperatorBench(now=now)
        self.operator: Operator = make(batch_form(specification), OperatorSettings(sort_memory=memory))
        self.context = self.bench.context()
        self.operator.open(self.context)
        self.given: list[tuple[Any, int | None]] = []
        self.side: list[Any] = []

    def take(self, *records: Any, times: Iterable[int] | None = None, number: int = 0) -> None:  # noqa: ANN401  # records of any kind
        self._see(self.operator.process(number, RowBatch(list(records), None if times is None else list(times))))

    def end(self) -> list[tuple[Any, int | None]]:
        self._see(self.operator.advance(Watermark(MAX_TIME)))
        self._see(self.operator.finish())
        return self.given

    def _see(self, outputs: Iterator[Output]) -> None:
        for output in outputs:
            if isinstance(output, SideBatch):
                assert isinstance(output.batch, RowBatch)
                self.side += output.batch.values
            else:
                assert isinstance(output, RowBatch), "nothing is said of event time in between"
                times: Sequence[int | None] = output.timestamps or [None] * len(output)
                self.given += zip(output.values, times, strict=True)


class Seen(KeyedProcessFunction[Any, Any, Any]):
    """Tells what comes in which order, and what event time is meanwhile."""

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:  # noqa: ANN401  # records of any kind
        assert ctx.timer_service().current_watermark() == MIN_TIME
        yield ctx.get_current_key(), ctx.timestamp()


def keyed(function: object, key: Callable[[Any], Any] = KEY.selector) -> KeyedProcessSpecification:
    return KeyedProcessSpecification(function, KeySelection(key))


def runs_of(items: Iterable[Any]) -> list[Any]:
    """Each once, where several that are equal follow one another."""
    found: list[Any] = []
    for item in items:
        if not found or found[-1] != item:
            found.append(item)
    return found


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", 1, 2.5, None]), st.integers(0, 9)), max_size=30),
    st.sampled_from([1, 1 << 30]),
    st.integers(1, 7),
)
def test_each_key_comes_once_in_the_order_of_its_times(records: list[tuple[Any, int]], memory: int, batch: int) -> None:
    run = Run(keyed(Seen()), memory=memory)
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        run.take(*part, times=[time for _, time in part])
    seen = [value for value, _ in run.end()]
    order = runs_of(key for key, _ in seen)
    assert len(order) == len(set(order)), "no key comes back"
    for key in order:
        assert [time for one, time in seen if one == key] == sorted(time for one, time in records if one == key)
    assert len(seen) == len(records) == run.operator.received == run.operator.processed


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_keys_of_one_hash_are_kept_apart(memory: int) -> None:
    """A float and the integer of its bits (law 11)."""
    assert key_hash(1.5) == key_hash(BITS_OF_ONE_AND_A_HALF)
    run = Run(keyed(Seen()), memory=memory)
    for time in range(5):
        run.take((1.5, time), (BITS_OF_ONE_AND_A_HALF, time), times=[time, 10 - time])
    seen = [value for value, _ in run.end()]
    assert runs_of(key for key, _ in seen) in ([1.5, BITS_OF_ONE_AND_A_HALF], [BITS_OF_ONE_AND_A_HALF, 1.5])
    assert [time for key, time in seen if key == 1.5] == [0, 1, 2, 3, 4]
    assert [time for key, time in seen if key != 1.5] == [6, 7, 8, 9, 10]


def test_records_without_times_stay_in_the_order_in_which_they_came() -> None:
    run = Run(keyed(lambda value, _ctx: [value]), memory=1)
    run.take(("a", 3), ("b", 1), ("a", 1))
    run.take(("b", 0), ("a", 2))
    given_ = run.end()
    assert [value for (key, value), _ in given_ if key == "a"] == [3, 1, 2]
    assert [value for (key, value), _ in given_ if key == "b"] == [1, 0]
    assert {time for _, time in given_} == {None}


class Timers(KeyedProcessFunction[str, Record, Any]):
    """Sets timers of both kinds with each record, and from timers as well."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Record, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:
        self.count.update((self.count.value() or 0) + 1)
        service = ctx.timer_service()
        service.register_event_time_timer(value[1] + 100)
        service.register_processing_time_timer(service.current_processing_time() + 50)
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        service = ctx.timer_service()
        yield ctx.get_current_key(), ctx.time_domain(), timestamp, self.count.value(), service.current_watermark()
        if ctx.time_domain() is TimeDomain.EVENT_TIME and timestamp < 1_000:
            service.register_event_time_timer(1_000)
        service.register_processing_time_timer(service.current_processing_time() + 50)


def test_at_the_end_of_a_key_its_timers_fire_and_its_state_goes() -> None:
    """Event time first, also what is set meanwhile; then the clock, but for what is set from there for later."""
    run = Run(keyed(Timers()), now=7)
    run.take(("a", 1), ("b", 5), ("a", 2), times=[1, 5, 2])
    event, clock = TimeDomain.EVENT_TIME, TimeDomain.PROCESSING_TIME
    expected = {
        "a": [(event, 101, 2), (event, 102, 2), (event, 1_000, 2), (clock, 57, 2)],
        "b": [(event, 105, 1), (event, 1_000, 1), (clock, 57, 1)],
    }
    given_ = [value for value, _ in run.end()]
    for key, fired in expected.items():
        assert [(domain, time, count) for one, domain, time, count, _ in given_ if one == key] == fired
    assert {watermark for *_, watermark in given_} == {MAX_TIME}


def test_state_of_one_key_is_in_memory_at_a_time() -> None:
    held: list[int] = []

    class Probe(Timers):
        def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
            held.append(max(len(set(table.identities())) for table in tables()))
            return super().on_timer(timestamp, ctx)

    run = Run(keyed(Probe()))

    def tables() -> list[Any]:
        inner: Any = run.operator.inner  # type: ignore[attr-defined]  # the operator of streaming mode
        return list(inner.backend._tables.values())

    run.take(*[(f"k{number % 50}", number) for number in range(500)], times=range(500))
    run.end()
    assert set(held) == {1}
    assert not any(list(table.identities()) for table in tables())


class Aged(KeyedProcessFunction[str, Record, Any]):
    """What of its key isn't older than 30 ms, and a timer by the clock."""

    def __init__(self, take_long: Callable[[int], None]) -> None:
        self.take_long = take_long

    def open(self, runtime_context: RuntimeContext) -> None:
        last = ValueStateDescriptor("last", Types.LONG())
        last.enable_time_to_live(StateTtlConfig.new_builder(timedelta(milliseconds=30)).build())
        self.last = runtime_context.get_state(last)
        self.seen = runtime_context.get_metrics_group().counter("seen")

    def process_element(self, value: Record, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        self.seen.inc()
        yield ctx.get_current_key(), self.last.value()
        self.last.update(value[1])
        service = ctx.timer_service()
        service.register_processing_time_timer(service.current_processing_time() + value[1])
        self.take_long(value[1])

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), "timer", timestamp, self.last.value()


def test_state_grows_old_by_the_clock_of_its_key() -> None:
    """Which stands at the last timer when these fire; the next key's goes on from where it was."""

    def take_long(milliseconds: int) -> None:
        run.bench.time += milliseconds

    run = Run(keyed(Aged(take_long)), now=1_000)
    run.take(("a", 20), ("a", 40), ("a", 10), times=[1, 2, 3])
    assert [value for value, _ in run.end()] == [
        ("a", None),
        ("a", 20),
        ("a", None),
        ("a", "timer", 1_020, 10),
        ("a", "timer", 1_060, 10),
        ("a", "timer", 1_070, 10),
    ]
    late = Run(keyed(Aged(lambda _: None)), now=1_000)
    late.take(("a", 20), ("a", 40), ("b", 25))
    given_ = [value for value, _ in late.end()]
    assert [value for value in given_ if value[0] == "a"] == [
        ("a", None),
        ("a", 20),
        ("a", "timer", 1_020, None),
        ("a", "timer", 1_040, None),
    ]
    assert [value for value in given_ if value[0] == "b"] == [("b", None), ("b", "timer", 1_025, 25)]


def test_what_functions_count_is_counted_over_all_keys() -> None:
    run = Run(keyed(Aged(lambda _: None)))
    run.take(("a", 1), ("b", 2), ("a", 3))
    run.end()
    assert list(run.context.metrics.told()) == [UserMetric("Operator", "seen", MetricKind.COUNTER, 3)]


def test_windows_of_a_key_begin_anew() -> None:
    """Nothing is late, whatever the times of the key before; each window has what is its own."""

    class Shown(ProcessWindowFunction[Record, Any, str, TimeWindow]):
        def process(
            self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Record]
        ) -> Iterator[Any]:
            yield key, context.window().start, [value for _, value in elements]

    assigner = TumblingEventTimeWindows.of(10)
    run = Run(WindowSpecification(KEY, assigner, process=Shown()))
    run.take(("a", 25), ("b", 3), ("a", 4), ("b", 24), ("a", 3), times=[25, 3, 4, 24, 3])
    given_ = run.end()
    assert sorted(given_) == [(("a", 0, [3, 4]), 9), (("a", 20, [25]), 29), (("b", 0, [3]), 9), (("b", 20, [24]), 29)]
    assert run.operator.late == 0


def test_windows_by_the_clock_fire_at_the_end_of_their_key() -> None:
    specification = WindowSpecification(
        KEY, TumblingProcessingTimeWindows.of(1_000), reduce=lambda one, other: (one[0], one[1] + other[1])
    )
    run = Run(specification, now=12_345)
    run.take(("a", 1), ("b", 2), ("a", 3))
    assert sorted(run.end()) == [(("a", 4), 12_999), (("b", 2), 12_999)]


def test_a_reduction_gives_one_record_a_key_with_the_last_time() -> None:
    specification = KeyedReduceSpecification(lambda one, other: (one[0], one[1] + other[1]), KEY)
    run = Run(specification, memory=1)
    run.take(("a", 1), ("b", 2), times=[5, 9])
    run.take(("a", 3), times=[3])
    assert sorted(run.end()) == [(("a", 4), 5), (("b", 2), 9)]


def test_side_outputs_and_slices() -> None:
    """What comes of many small keys is let out in large batches."""

    def both(value: Record, _ctx: object) -> Iterator[Any]:
        yield value
        yield SIDE, value[1]

    operator = make(batch_form(keyed(both)), OperatorSettings())
    operator.open(OperatorBench().context())
    list(operator.process(0, RowBatch([(str(number), number) for number in range(10_000)], list(range(10_000)))))
    main: list[int] = []
    side: list[int] = []
    for output in operator.advance(Watermark(MAX_TIME)):
        if isinstance(output, SideBatch):
            side.append(len(output.batch))
        else:
            assert isinstance(output, RowBatch)
            main.append(len(output))
    assert main.count(0) > 1, "the thread is given back now and then (PAUSE)"
    assert sum(main) == sum(side) == 10_000
    assert max(main + side) <= SLICE
    assert len(main) - main.count(0) <= 4


def test_both_inputs_of_an_operator_are_merged_by_key_and_one_without_keys_passes() -> None:
    """The seam for operators of several inputs: a selection for each keyed one."""
    inner = make(keyed(lambda value, ctx: [(value, ctx.timestamp())]), OperatorSettings())
    seen: list[tuple[int, list[Any]]] = []
    process = inner.process

    def noted(number: int, batch: Any) -> Iterator[Output]:  # noqa: ANN401  # as Operator
        seen.append((number, batch.values))
        return process(number, batch)

    inner.process = noted  # type: ignore[method-assign]  # the operator has but one input of its own
    operator = GroupedOperator(inner, {0: KEY, 1: KeySelection(lambda record: record[0].lower())}, 1 << 30, "")
    operator.open(OperatorBench().context())
    list(operator.process(2, RowBatch([("rule", 0)], [0])))
    list(operator.process(1, RowBatch([("A", 2), ("B", 9)], [2, 9])))
    list(operator.process(0, RowBatch([("a", 1), ("b", 8), ("a", 3)], [1, 8, 3])))
    assert seen == [(2, [("rule", 0)])]
    list(operator.advance(Watermark(MAX_TIME)))
    a = [(0, [("a", 1)]), (1, [("A", 2)]), (0, [("a", 3)])]
    b = [(0, [("b", 8)]), (1, [("B", 9)])]
    assert seen[1:] in (a + b, b + a)


def test_a_key_that_can_be_none_names_the_record() -> None:
    run = Run(keyed(Seen()))
    with pytest.raises(UserCodeError) as raised:
        run.take(("a", 1), ([], 2), times=[1, 2])
    assert isinstance(raised.value.cause, UnstableKeyError)
    assert raised.value.record == "([], 2)"


def test_there_is_no_snapshot_before_the_end() -> None:
    run = Run(keyed(Seen()))
    with pytest.raises(RuntimeError, match="takes no checkpoint before its end"):
        run.operator.snapshot(Barrier(1), ended=False)  # type: ignore[arg-type]  # a number is a number
    run.end()
    assert run.operator.snapshot(Barrier(1), ended=True) == []  # type: ignore[arg-type]  # as above


def test_forms_of_other_operators() -> None:
    """Sources keep their times and say nothing more; what has no keys stays as it is."""
    strategy: WatermarkStrategy[Any] = WatermarkStrategy.for_monotonous_timestamps().with_idleness(5)
    timed = strategy.with_timestamp_assigner(int)
    form = batch_form(TimestampsSpecification(timed))
    assert isinstance(form, TimestampsSpecification)
    assert form.strategy == WatermarkStrategy(NoWatermarks, timed.timestamp_assigner)
    source: Any = object()
    assert batch_form(ReaderSpecification(source, timed)) == ReaderSpecification(source, form.strategy)
    plain = MapSpecification(str)
    assert batch_form(plain) is plain
    reduce = KeyedReduceSpecification(max, KEY)
    assert batch_form(reduce) == GroupedSpecification(FinalReduceSpecification(max, KEY))


@pytest.mark.parametrize(
    ("assigner", "trigger"),
    [
        (SlidingEventTimeWindows.of(20, 10), None),
        (TumblingEventTimeWindows.of(20), ContinuousEventTimeTrigger.of(5)),
        (TumblingEventTimeWindows.of(20), PurgingTrigger.of(EventTimeTrigger.create())),
        (EventTimeSessionWindows.with_gap(10), None),
        (EventTimeSessionWindows.with_gap(10), ContinuousEventTimeTrigger.of(5)),
        (EventTimeSessionWindows.with_gap(10), CountTrigger.of(2)),
        (GlobalWindows.create(), CountTrigger.of(2)),
    ],
)
def test_each_key_meets_windows_as_if_it_were_the_only_one(
    assigner: WindowAssigner[Any, Any], trigger: Trigger[Any, Any] | None
) -> None:
    """Nothing of one key's windows, panes, triggers and timers is left for the next."""
    specification = WindowSpecification(KEY, assigner, reduce=_added, trigger=trigger)
    times = [25, 3, 4, 24, 3, 33]

    def given_to(*keys: str) -> list[tuple[Any, int | None]]:
        run = Run(specification)
        for key in keys:
            run.take(*((key, time) for time in times), times=times)
        return sorted(run.end())

    assert given_to("a")
    assert given_to("a", "b", "c") == sorted(given_to("a") + given_to("b") + given_to("c"))


def _added(one: Record, other: Record) -> Record:
    return one[0], one[1] + other[1]


def test_of_early_results_the_last_is_left_where_there_is_a_last_one() -> None:
    early = ContinuousEventTimeTrigger.of(5)
    windows = WindowSpecification(KEY, TumblingEventTimeWindows.of(20), reduce=_added, trigger=early)
    run = Run(windows)
    run.take(("a", 1), ("a", 12), times=[1, 12])
    assert run.end() == [(("a", 13), 19)]
    for other in (
        replace(windows, trigger=CountTrigger.of(2)),
        replace(windows, evictor=CountEvictor.of(2)),
        replace(windows, assigner=GlobalWindows.create()),
    ):
        assert batch_form(other) == GroupedSpecification(other)


def test_an_interval_join_forgets_the_records_of_a_key() -> None:
    join = IntervalJoinSpecification(lambda left, right, _ctx: [(left, right)], (KEY, KEY), -5, 5)
    run = Run(join)
    run.take(("a", 1), ("b", 2), times=[1, 2])
    run.take(("a", 4), ("b", 900), ("b", 3), times=[4, 900, 3], number=1)
    assert sorted(run.end()) == [((("a", 1), ("a", 4)), 4), ((("b", 2), ("b", 3)), 3)]
