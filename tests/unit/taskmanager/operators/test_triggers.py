"""When windows fire: each trigger by a short story, a user's own, and what is wrong with one (Flink, "Windows")."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.records import RowBatch
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountTrigger,
    DeltaTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    Firing,
    GlobalWindow,
    GlobalWindows,
    NeverTrigger,
    ProcessingTimeTrigger,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TimeWindow,
    Trigger,
    TriggerResult,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    Window,
)
from millstream_runtime.messages.session import MetricKind, UserMetric
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.operators.window_of_keys import KeyedWindowOperator
from millstream_taskmanager.operators.window_roads import window_operator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench
from tests.support.windows import KEY, Windows, joined

TENS = TumblingEventTimeWindows.of(10)
LATE: OutputTag[Any] = OutputTag("late")


def firings(rows: Iterable[Any]) -> list[Any]:
    """What is seen of results: the text, and which result it is."""
    return [(row.value[1], row.firing.value, row.number) for row, _ in rows]


def test_the_assigners_own_trigger_goes_the_short_road() -> None:
    assert isinstance(Windows(TENS, reduce=joined).operator, WindowOperator)
    assert isinstance(Windows(TENS, reduce=joined, trigger=EventTimeTrigger.create()).operator, WindowOperator)
    assert isinstance(Windows(TENS, reduce=joined, trigger=CountTrigger.of(2)).operator, KeyedWindowOperator)
    by_clock = TumblingProcessingTimeWindows.of(10)
    assert isinstance(Windows(by_clock, reduce=joined).operator, WindowOperator)
    assert isinstance(Windows(by_clock, reduce=joined, trigger=EventTimeTrigger()).operator, KeyedWindowOperator)


def test_continuous_event_time() -> None:
    windows = Windows(
        TENS, reduce=joined, trigger=ContinuousEventTimeTrigger.of(4), with_firings=True, allowed_lateness=9, late=LATE
    )
    windows.come(("a", "u", 1))
    assert firings(windows.reach(3)) == []
    assert firings(windows.reach(4)) == [("u", "early", 1)]
    windows.come(("a", "v", 6))
    assert firings(windows.reach(9)) == [("uv", "early", 2), ("uv", "on time", 3)]
    assert firings(windows.come(("a", "w", 2))) == [("uvw", "late", 4)]
    assert windows.reach(18) == []
    assert windows.come(("a", "x", 2)) == [("late", ("a", "x"), 2)]
    assert len(windows.operator._triggering.event_time) == 0


def test_continuous_processing_time() -> None:
    windows = Windows(
        TumblingProcessingTimeWindows.of(100),
        reduce=joined,
        trigger=ContinuousProcessingTimeTrigger.of(40),
        with_firings=True,
        now=205,
    )
    windows.untimed(("a", "u"))
    assert firings(windows.clock(240)) == []
    assert firings(windows.clock(241)) == [("u", "early", 1)]
    windows.untimed(("a", "v"))
    assert firings(windows.clock(281)) == [("uv", "early", 2)]
    assert firings(windows.clock(299)) == []
    assert firings(windows.clock(300)) == [("uv", "on time", 3)], "the last interval ends with the window"
    assert windows.clock(1_000) == []
    assert len(windows.operator._triggering.processing_time) == 0


def test_no_interval_ends_behind_the_window() -> None:
    """A record of the window's last millisecond waits for the end alone, not for the interval that would follow."""
    trigger = ContinuousEventTimeTrigger.of(4)
    windows = Windows(TENS, reduce=joined, trigger=trigger, with_firings=True, allowed_lateness=9)
    windows.come(("a", "u", 9))
    assert firings(windows.reach(9)) == [("u", "on time", 1)]
    assert windows.reach(18) == []
    by_clock = ContinuousProcessingTimeTrigger.of(40)
    clock = Windows(TumblingProcessingTimeWindows.of(100), reduce=joined, trigger=by_clock, with_firings=True, now=299)
    clock.untimed(("a", "u"))
    assert firings(clock.clock(1_000)) == [("u", "on time", 1)]


def test_early_results_by_the_clock_of_windows_of_event_time() -> None:
    trigger = ContinuousProcessingTimeTrigger.of(50)
    windows = Windows(TENS, reduce=joined, trigger=trigger, with_firings=True, allowed_lateness=5, now=1_000_010)
    windows.come(("a", "u", 1), ("b", "x", 2))
    assert firings(windows.clock(1_000_051)) == [("u", "early", 1), ("x", "early", 1)]
    windows.come(("a", "v", 3))
    assert firings(windows.reach(9)) == [("uv", "on time", 2), ("x", "on time", 2)]
    assert firings(windows.come(("a", "w", 4))) == [("uvw", "late", 3)]
    windows.end()
    assert windows.clock(2_000_000) == []
    assert len(windows.operator._triggering.processing_time) == 0


def test_count() -> None:
    windows = Windows(TENS, reduce=joined, trigger=CountTrigger.of(2), with_firings=True)
    assert firings(windows.come(("a", "u", 1), ("b", "x", 1), ("a", "v", 2))) == [("uv", "early", 1)]
    assert firings(windows.come(("a", "w", 3), ("a", "y", 11), ("a", "z", 3))) == [("uvwz", "early", 2)]
    assert windows.end() == [], "no time fires it"
    assert windows.operator._contents._table.entries == {}


def test_count_over_sessions_that_become_one() -> None:
    windows = Windows(EventTimeSessionWindows.with_gap(10), reduce=joined, trigger=CountTrigger.of(3))
    assert windows.come(("a", "u", 0), ("a", "v", 15)) == []
    assert windows.come(("a", "w", 8)) == [(("a", "uvw"), 24)]


def test_purging() -> None:
    trigger = PurgingTrigger.of(CountTrigger.of(2))
    windows = Windows(GlobalWindows.create(), reduce=joined, trigger=trigger, with_firings=True)
    rows = windows.come(*[("a", letter, 1) for letter in "uvwxy"])
    assert [(row.window, row.value[1], row.firing, row.number) for row, _ in rows] == [
        (GlobalWindow(), "uv", Firing.EARLY, 1),
        (GlobalWindow(), "wx", Firing.EARLY, 1),
    ], "a window without end begins anew"
    assert windows.end() == []


def test_purging_windows_that_slide_have_copies_of_their_own() -> None:
    trigger = PurgingTrigger.of(EventTimeTrigger.create())
    windows = Windows(SlidingEventTimeWindows.of(20, 10), reduce=joined, trigger=trigger, allowed_lateness=100)
    windows.come(("a", "u", 5), ("a", "v", 15))
    assert windows.reach(19) == [(("a", "u"), 9), (("a", "uv"), 19)]
    assert windows.come(("a", "w", 12)) == [(("a", "w"), 19)], "only the window that has fired was purged"
    assert windows.reach(29) == [(("a", "vw"), 29)]


def test_a_purged_session_still_grows() -> None:
    windows = Windows(EventTimeSessionWindows.with_gap(10), reduce=joined, trigger=PurgingTrigger(CountTrigger(1)))
    rows = [*windows.come(("a", "u", 0)), *windows.come(("a", "v", 5))]
    assert rows == [(("a", "u"), 9), (("a", "v"), 14)]
    assert list(windows.operator._live._firings) == [("a", TimeWindow(0, 15))]


def test_delta() -> None:
    trigger = DeltaTrigger.of(10, lambda last, new: abs(new[1] - last[1]))
    windows = Windows(GlobalWindows(), process=lambda _key, _context, rows: [[n for _, n in rows]], trigger=trigger)
    rows = [row for row, _ in windows.come(*[("a", number, 1) for number in (1, 5, 11, 12, 13, 23)])]
    assert rows == [[1, 5, 11, 12], [1, 5, 11, 12, 13, 23]]


def test_delta_keeps_a_record_as_it_was() -> None:
    def merge(one: list[Any], other: list[Any]) -> list[Any]:
        one[1] += other[1]
        return one

    trigger = DeltaTrigger.of(10, lambda last, new: new[1] - last[1])
    windows = Windows(GlobalWindows(), reduce=merge, trigger=trigger)
    assert windows.come(["a", 1, 0], ["a", 2, 0], ["a", 11, 0]) == [], "1 is the last; 14 is what it was made into"
    assert [row for row, _ in windows.come(["a", 12, 0])] == [["a", 26]]


def test_never() -> None:
    windows = Windows(TENS, reduce=joined, trigger=NeverTrigger())
    windows.come(("a", "u", 1))
    assert windows.end() == []
    assert len(windows.operator._live) == 0


def test_the_end_of_time_is_that_of_the_input() -> None:
    windows = Windows(GlobalWindows(), reduce=joined, trigger=EventTimeTrigger(), with_firings=True)
    windows.come(("a", "u", 1), ("a", "v", 2))
    assert windows.reach(10**15) == []
    assert firings(windows.end()) == [("uv", "on time", 1)]


def test_processing_time_on_windows_of_event_time() -> None:
    windows = Windows(TENS, reduce=joined, trigger=ProcessingTimeTrigger.create(), now=3)
    windows.come(("a", "u", 1))
    assert windows.clock(9) == []
    assert windows.clock(10) == [(("a", "u"), 9)]


# ------------------------------------------------------------------------------------------------- a user's own


class Counting(CountTrigger):
    """Counts as well what it has seen."""

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        ctx.get_metric_group().counter("seen").inc()
        return super().on_element(element, timestamp, window, ctx)


def test_a_trigger_has_metrics() -> None:
    context = OperatorBench().context()
    windows = WindowSpecification(KEY, GlobalWindows.create(), reduce=joined, trigger=Counting(2))
    operator = window_operator(windows, reuse=False)
    operator.open(context)
    list(operator.process(0, RowBatch([("a", "x"), ("b", "y"), ("a", "z")], [1, 2, 3])))
    assert list(context.metrics.told()) == [UserMetric("Operator", "seen", MetricKind.COUNTER, 3)]


class Mean(AggregateFunction[int, list[int], float]):
    def create_accumulator(self) -> list[int]:
        return [0, 0]

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        return [accumulator[0] + value, accumulator[1] + 1]

    def get_result(self, accumulator: list[int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, acc_a: list[int], acc_b: list[int]) -> list[int]:
        return [acc_a[0] + acc_b[0], acc_a[1] + acc_b[1]]


class Telling(Trigger[Any, Window]):
    """Keeps each kind of state, and tells what becomes of it."""

    told: list[Any] = []  # noqa: RUF012  # shared on purpose
    kinds: tuple[StateDescriptor[Any], ...] = (
        ListStateDescriptor("list"),
        ReducingStateDescriptor("sum", lambda one, other: one + other),
        AggregatingStateDescriptor("mean", Mean()),
    )

    def on_element(self, element: Any, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # any record
        for kind in self.kinds:
            ctx.get_partitioned_state(kind).add(element[1])
        ctx.register_event_time_timer(window.max_timestamp())
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        if time == window.max_timestamp():
            values = [ctx.get_partitioned_state(kind).get() for kind in self.kinds]
            self.told.append((list(values[0]), *values[1:]))
        return TriggerResult.FIRE_AND_PURGE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: Window, ctx: Trigger.OnMergeContext) -> None:
        for kind in self.kinds:
            ctx.merge_partitioned_state(kind)
        ctx.register_event_time_timer(window.max_timestamp())

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        ctx.delete_event_time_timer(window.max_timestamp())
        for kind in self.kinds:
            ctx.get_partitioned_state(kind).clear()


@pytest.mark.parametrize("parallelism", [0, 1, 3])
def test_state_of_windows_is_merged_and_stored(parallelism: int) -> None:
    Telling.told.clear()
    windows = Windows(EventTimeSessionWindows.with_gap(10), process=lambda _k, _c, rows: list(rows), trigger=Telling())
    windows.come(("a", 1, 0), ("b", 7, 0), ("a", 2, 15))
    if parallelism:
        windows = windows.restored(parallelism)
    windows.come(("a", 6, 8))
    rows = [row for row, _ in windows.end()]
    assert sorted(rows) == [("a", 1), ("a", 2), ("a", 6), ("b", 7)]
    assert sorted(Telling.told) == [([1, 2, 6], 9, 3.0), ([7], 7, 7.0)]
    for operator in windows.operators:
        assert not any(list(table.identities()) for table in operator.backend._tables.values()), "nothing is left"


class ByValue(Telling):
    kinds = (ValueStateDescriptor("value"),)

    def on_element(self, element: Any, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # any record
        ctx.get_partitioned_state(self.kinds[0]).update(element)
        return TriggerResult.CONTINUE


def test_state_that_cant_be_merged() -> None:
    windows = Windows(EventTimeSessionWindows.with_gap(10), reduce=joined, trigger=ByValue())
    windows.come(("a", "u", 0))
    with pytest.raises(UserCodeError, match=r"state 'value' of a trigger is a ValueStateDescriptor, which can't be"):
        windows.come(("a", "v", 5))


class Misnaming(Telling):
    kinds = cast("Any", ("seen",))


def test_a_trigger_asks_for_its_state_by_a_descriptor() -> None:
    windows = Windows(TENS, reduce=joined, trigger=Misnaming())
    with pytest.raises(UserCodeError, match="a trigger asks for its state by a descriptor, but got 'seen'") as raised:
        windows.come(("a", "u", 0))
    assert not raised.value.failure().restartable


class Every(Trigger[Any, Window]):
    """Gives what it is told to."""

    def __init__(self, result: Any) -> None:  # noqa: ANN401  # what a user may return
        self.result = result

    def on_element(self, element: Any, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:  # noqa: ANN401  # any record
        keep = ctx.get_partitioned_state(MapStateDescriptor("seen"))
        keep.put(element, timestamp)
        result: TriggerResult = self.result
        return result

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        ctx.get_partitioned_state(MapStateDescriptor("seen")).clear()


@pytest.mark.parametrize("result", [None, True, "FIRE"])
def test_what_is_no_result_names_trigger_and_record(result: object) -> None:
    windows = Windows(TENS, reduce=joined, trigger=Every(result))
    with pytest.raises(UserCodeError, match=rf"Every must return a TriggerResult, but gave {result!r}") as raised:
        windows.come(("a", "u", 1))
    assert raised.value.record == "('a', 'u')"


def test_a_window_that_holds_nothing_gives_nothing() -> None:
    purge = Windows(TENS, reduce=joined, trigger=Every(TriggerResult.PURGE))
    assert purge.come(("a", "u", 1)) == []
    assert purge.operator._contents._table.entries == {}


def test_a_trigger_that_claims_to_merge_must() -> None:
    class Claiming(Every):
        def can_merge(self) -> bool:
            return True

    windows = Windows(EventTimeSessionWindows.with_gap(5), reduce=joined, trigger=Claiming(TriggerResult.CONTINUE))
    windows.come(("a", "u", 1))
    with pytest.raises(UserCodeError, match="Claiming was told that windows merge, but has no on_merge"):
        windows.come(("a", "v", 2))


def test_a_timer_of_a_trigger_names_the_window_when_it_fails() -> None:
    class Failing(Every):
        def on_element(
            self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext
        ) -> TriggerResult:
            ctx.register_event_time_timer(5)
            return TriggerResult.CONTINUE

        def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
            raise ValueError("no")

    windows = Windows(TENS, reduce=joined, trigger=Failing(None))
    windows.come(("a", "u", 1))
    with pytest.raises(UserCodeError) as raised:
        windows.reach(5)
    assert raised.value.record == "<TimeWindow(1970-01-01T00:00:00Z, 1970-01-01T00:00:00.010Z) of key 'a'>"


def test_a_time_that_is_none_is_refused() -> None:
    class Odd(Every):
        def on_element(
            self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext
        ) -> TriggerResult:
            ctx.register_event_time_timer(1.5)  # type: ignore[arg-type]  # what is tested
            return TriggerResult.CONTINUE

    with pytest.raises(UserCodeError, match="a trigger's timer must be an int of milliseconds"):
        Windows(TENS, reduce=joined, trigger=Odd(None)).come(("a", "u", 1))


# --------------------------------------------------------------------------------------------------- restored


def test_timers_by_the_clock_go_on_behind_a_restore() -> None:
    trigger = ContinuousProcessingTimeTrigger.of(50)
    windows = Windows(TENS, reduce=joined, trigger=trigger, with_firings=True, now=1_010)
    windows.come(("a", "u", 1))
    assert firings(windows.clock(1_051)) == [("u", "early", 1)]
    windows.come(("a", "v", 2))
    again = windows.restored(now=1_070)
    assert firings(again.clock(1_101)) == [("uv", "early", 2)], "it counts on"
    assert firings(again.reach(9)) == [("uv", "on time", 3)]


class Around(ProcessWindowFunction[Any, Any, str, Window]):
    """Tells which result it is."""

    def process(
        self, key: str, context: ProcessWindowFunction.Context[Window], elements: Iterable[Any]
    ) -> Iterator[Any]:
        yield context.firing(), context.firing_number(), len(list(elements))


def test_process_functions_know_which_result_it_is() -> None:
    windows = Windows(TENS, process=Around(), trigger=ContinuousEventTimeTrigger.of(5), allowed_lateness=5)
    windows.come(("a", "u", 1))
    rows = [*windows.reach(5), *windows.reach(9), *windows.come(("a", "v", 2))]
    assert [row for row, _ in rows] == [(Firing.EARLY, 1, 1), (Firing.ON_TIME, 2, 1), (Firing.LATE, 3, 2)]


def odd(value: object) -> Any:  # noqa: ANN401  # what no type checker would let through
    return value


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: ContinuousEventTimeTrigger.of(0),
            "ContinuousEventTimeTrigger needs an interval above 0, but got 0 ms",
        ),
        (lambda: ContinuousProcessingTimeTrigger(odd("x")), "takes its interval in milliseconds, but got 'x'; use"),
        (lambda: CountTrigger.of(0), "CountTrigger needs a number of records above 0, but got 0"),
        (lambda: CountTrigger.of(odd("2")), "CountTrigger takes a number of records, but got '2'"),
        (lambda: DeltaTrigger.of(1, odd(2)), "DeltaTrigger takes a function of two records"),
        (lambda: PurgingTrigger.of(odd(CountTrigger)), "PurgingTrigger takes a Trigger, but got"),
    ],
)
def test_refusals(make: Any, sentence: str) -> None:  # noqa: ANN401  # what makes a trigger
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()
