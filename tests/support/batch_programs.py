"""Programs that must give the same in both modes, each as a function of an environment: what it returns are streams,
whose records are compared as bags.

Another program is one more function in `PROGRAMS`. What can't agree has no place here; `docs/batch.md` lists it by
name: processing time, early results, late records, the order of records, running reductions (here the last of each key
counts), and functions that do something else when they are called in another order.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from millstream import (
    AsyncDataStream,
    ContinuousEventTimeTrigger,
    Count,
    DataStream,
    EventTimeSessionWindows,
    Firing,
    Key,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapStateDescriptor,
    Max,
    OutputTag,
    ProcessWindowFunction,
    Row,
    RuntimeContext,
    SessionWindowTimeGapExtractor,
    SlidingEventTimeWindows,
    StreamExecutionEnvironment,
    Sum,
    TimeEvictor,
    TimeWindow,
    TumblingEventTimeWindows,
    Types,
    ValueStateDescriptor,
    WatermarkStrategy,
    WindowStart,
    col,
)

Event = tuple[str, int, int]
"""Key, time and value."""
Program = Callable[[StreamExecutionEnvironment, list[Event]], list[DataStream[Any]]]
ODD = OutputTag("odd", Types.LONG())


def timed(env: StreamExecutionEnvironment, events: Iterable[Event]) -> DataStream[Event]:
    """Out of order by less than the watermark allows, so nothing is late."""
    strategy: WatermarkStrategy[Event] = WatermarkStrategy.for_bounded_out_of_orderness(timedelta(milliseconds=1_000))
    with_times = strategy.with_timestamp_assigner(_time_of)
    return env.from_collection(list(events)).assign_timestamps_and_watermarks(with_times).rebalance()


def _time_of(event: Event) -> int:
    return event[1]


def windowed_sums(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Sums by key and window."""
    windows = timed(env, events).key_by(lambda event: event[0]).window(TumblingEventTimeWindows.of(100))
    return [windows.reduce(lambda one, other: (one[0], 0, one[2] + other[2]), _with_window)]


def _with_window(
    key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Event]
) -> Iterator[tuple[str, int, int]]:
    for element in elements:
        yield key, context.window().start, element[2]


def windowed_lists(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """All values of a key and window, sorted, and windows of what comes of these."""

    def listed(
        key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Event]
    ) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        yield key, context.window().end, tuple(sorted(element[2] for element in elements))

    first = timed(env, events).key_by(lambda event: event[0]).window(TumblingEventTimeWindows.of(50)).process(listed)
    wide = first.key_by(lambda record: len(record[2])).window(TumblingEventTimeWindows.of(200))
    return [first, wide.reduce(max)]


class Sessions(KeyedProcessFunction[str, Event, Any]):
    """Counts until 30 ms have passed without an event: state and timers."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG()))

    def process_element(self, value: Event, ctx: KeyedProcessFunction.Context) -> Iterable[Any]:
        self.count.update((self.count.value() or 0) + 1)
        self.last.update(max(self.last.value() or 0, value[1]))
        ctx.timer_service().register_event_time_timer(10_000 + value[1] % 7)
        return [(ODD, value[2])] if value[2] % 2 else []

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), timestamp, self.count.value(), self.last.value()


def timers_and_side_outputs(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Timers far behind all events, and a side output of single records."""
    counted = timed(env, events).key_by(lambda event: event[0]).process(Sessions())
    return [counted, counted.get_side_output(ODD)]


def reduced(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """A reduction at the end. In streaming mode it runs: the greatest of each key is its last."""
    totals = timed(env, events).map(lambda event: (event[0], event[2] + 1)).key_by(lambda pair: pair[0])
    summed = totals.reduce(lambda one, other: (one[0], one[1] + other[1]))
    return [summed.key_by(lambda pair: pair[0]).reduce(max)]


def unions_and_several_sinks(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """One stream read by many: a filter, a union with what is made of it, all of it."""
    stream = timed(env, events)
    even = stream.filter(lambda event: event[2] % 2 == 0)
    sums = stream.key_by(lambda event: event[0]).window(TumblingEventTimeWindows.of(1_000_000)).reduce(_summed)
    return [even.union(sums).map(lambda event: (event[0], event[2])), stream, even]


def _summed(one: Event, other: Event) -> Event:
    return one[0], 0, one[2] + other[2]


def broadcast_and_custom_edges(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Each record to all subtasks, and dealt out by a function of the user's."""
    stream = timed(env, events)
    everywhere = stream.broadcast().map(lambda event: event[2])
    dealt = stream.partition_custom(lambda key, count: len(key) % count, lambda event: event[0]).map(str)
    return [
        everywhere,
        dealt,
        stream.rescale().map(lambda event: event[0]),
        stream.shuffle().map(lambda event: event[1]),
    ]


class Matched(KeyedCoProcessFunction[str, Event, Event, Any]):
    """Of both streams all that has come of a key, when time is far behind all of it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.seen = runtime_context.get_list_state(ListStateDescriptor("seen", Types.PICKLED_BYTE_ARRAY()))

    def process_element1(self, value: Event, ctx: KeyedCoProcessFunction.Context) -> Iterable[Any]:
        self.seen.add(("one", value[2]))
        ctx.timer_service().register_event_time_timer(10_000)
        return ()

    def process_element2(self, value: Event, ctx: KeyedCoProcessFunction.Context) -> Iterable[Any]:
        self.seen.add(("two", value[2]))
        ctx.timer_service().register_event_time_timer(10_000)
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedCoProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), sorted(self.seen.get() or ())


def two_keyed_streams(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Connected, joined by windows and by intervals."""
    one, two = timed(env, events), timed(env, events[::3]).map(lambda event: (event[0], event[1], -event[2]))
    by_key = one.key_by(lambda event: event[0]), two.key_by(lambda event: event[0])
    matched = by_key[0].connect(by_key[1]).process(Matched())
    joined = one.join(two).where(lambda event: event[0]).equal_to(lambda event: event[0])
    windows = joined.window(TumblingEventTimeWindows.of(100)).apply(lambda left, right: (left[2], right[2]))
    near = by_key[0].interval_join(by_key[1]).between(-20, 20).process(lambda left, right, _ctx: [(left[2], right[2])])
    return [matched, windows, near]


def windows_that_slide_or_end_by_gaps(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Panes that windows share, sessions of a fixed and of a dynamic gap, with what stands behind them."""
    by_key = timed(env, events).key_by(lambda event: event[0])
    slides = by_key.window(SlidingEventTimeWindows.of(100, 30)).reduce(_summed, _with_window)
    sessions = by_key.window(EventTimeSessionWindows.with_gap(20)).reduce(_summed, _with_window)
    gap = EventTimeSessionWindows.with_dynamic_gap(_Gap())
    listed = by_key.window(gap).process(_listed)
    evicted = by_key.window(TumblingEventTimeWindows.of(100)).evictor(TimeEvictor.of(10)).process(_counted)
    return [slides, sessions, listed, evicted]


class _Gap(SessionWindowTimeGapExtractor[Event]):
    def extract(self, element: Event) -> int:
        return 5 + element[2] % 9


def _listed(
    key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Event]
) -> Iterator[tuple[str, int, int, tuple[int, ...]]]:
    window = context.window()
    yield key, window.start, window.end, tuple(sorted(element[2] for element in elements))


def _counted(
    key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Event]
) -> Iterator[tuple[str, int]]:
    del elements
    yield key, context.window().start


def windows_of_all_records(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Windows without a key, and counts of records of a key."""
    stream = timed(env, events)
    sums = stream.window_all(TumblingEventTimeWindows.of(100)).reduce(_summed)
    by_key = stream.key_by(lambda event: event[0])
    full = by_key.count_window(3).aggregate(Count())
    return [sums.map(lambda event: event[2]), full, by_key.count_window(4, 2).process(_size)]


def _size(key: str, _context: object, elements: Iterable[Event]) -> Iterator[tuple[str, int]]:
    yield key, len(list(elements))


def last_results_of_windows(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """What a window gives at its end, whatever it gave before."""
    by_key = timed(env, events).key_by(lambda event: event[0])
    windows = by_key.window(TumblingEventTimeWindows.of(100)).trigger(ContinuousEventTimeTrigger.of(30))
    results = windows.with_firings().reduce(_summed)
    on_time = results.filter(lambda result: result.firing is Firing.ON_TIME)
    return [on_time.map(lambda result: (result.key, result.window.start, result.value[2]))]


RULES = MapStateDescriptor("rules", Types.STRING(), Types.LONG())


class Above(KeyedBroadcastProcessFunction[str, Event, Event, Any]):
    """Of each key the records, when all has come, and whether there are rules."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Event, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> None:
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(10_000)

    def process_broadcast_element(self, value: Event, ctx: KeyedBroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(value[0], 1)

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Any]:
        yield ctx.get_current_key(), self.count.value(), ctx.get_broadcast_state(RULES).contains(ctx.get_current_key())


def rules_for_a_stream_with_keys(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Broadcast state beside keyed state."""
    rules = timed(env, events[::2]).broadcast(RULES)
    return [timed(env, events).key_by(lambda event: event[0]).connect(rules).process(Above())]


def joins_of_other_windows(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Two streams in sliding windows and in sessions."""
    one, two = timed(env, events), timed(env, events[::3])
    joined = one.join(two).where(lambda event: event[0]).equal_to(lambda event: event[0])
    slides = joined.window(SlidingEventTimeWindows.of(60, 30)).apply(lambda left, right: (left[2], right[2]))
    grouped = one.co_group(two).where(lambda event: event[0]).equal_to(lambda event: event[0])
    sessions = grouped.window(EventTimeSessionWindows.with_gap(15)).apply(
        lambda left, right: [(len(list(left)), len(list(right)))]
    )
    return [slides, sessions]


async def _doubled(event: Event) -> list[Event]:
    await asyncio.sleep(0)
    return [(event[0], event[1], 2 * event[2])]


class Awaits(KeyedProcessFunction[str, Event, Any]):
    """Coroutines in the turn of a key."""

    async def process_element(self, value: Event, ctx: KeyedProcessFunction.Context) -> list[Any]:
        await asyncio.sleep(0)
        return [(ctx.get_current_key(), value[2])]


def functions_that_wait(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Many records under way ahead of windows, and coroutines of each key."""
    doubled = AsyncDataStream.unordered_wait(timed(env, events), _doubled, timedelta(seconds=30))
    by_key = doubled.key_by(lambda event: event[0])
    return [by_key.window(TumblingEventTimeWindows.of(100)).reduce(_summed), by_key.process(Awaits())]


def built_in_aggregates(env: StreamExecutionEnvironment, events: list[Event]) -> list[DataStream[Any]]:
    """Expressions, and columns into windows."""
    fields = Types.ROW_NAMED(["at", "name", "price"], [Types.LONG(), Types.STRING(), Types.LONG()])
    rows = timed(env, events).map(lambda event: Row(at=event[1], name=event[0], price=event[2]), fields)
    priced = rows.filter(col("price") >= 1).with_columns(double=col("price") * 2)
    by_name = priced.key_by("name")
    tumbling = by_name.window(TumblingEventTimeWindows.of(100)).aggregate(Key("name"), Count(), Sum("double"))
    slides = by_name.window(SlidingEventTimeWindows.of(90, 30)).aggregate(WindowStart(), Max("price"))
    return [tumbling, slides]


PROGRAMS: dict[str, Program] = {
    program.__name__: program
    for program in (
        windowed_sums,
        windowed_lists,
        timers_and_side_outputs,
        reduced,
        unions_and_several_sinks,
        broadcast_and_custom_edges,
        two_keyed_streams,
        windows_that_slide_or_end_by_gaps,
        windows_of_all_records,
        last_results_of_windows,
        rules_for_a_stream_with_keys,
        joins_of_other_windows,
        functions_that_wait,
        built_in_aggregates,
    )
}

LAST_OF_KEY = frozenset({"reduced"})
"""Programs with a running reduction: of each key the greatest record is compared."""
EACH_SUBTASK = frozenset({"broadcast_and_custom_edges"})
"""Programs whose first result has each record once a subtask."""
