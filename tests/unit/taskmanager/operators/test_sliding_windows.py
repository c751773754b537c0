"""Sliding windows: a record lies in one pane, and each of its windows has it (Flink, "Windows")."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.windows import (
    AlignedWindows,
    CountTrigger,
    Firing,
    PurgingTrigger,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeWindow,
    Trigger,
    TriggerResult,
    TumblingEventTimeWindows,
    Window,
)
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.operators.window_contents import SharedPanes, WholeWindows
from millstream_taskmanager.operators.window_of_keys import KeyedWindowOperator
from millstream_taskmanager.state.key_space import StateError
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.windows import Windows, joined, summed

TWENTY_BY_TEN = SlidingEventTimeWindows.of(20, 10)
LATE: OutputTag[Any] = OutputTag("late")


def whole(key: object, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]) -> Iterator[Any]:
    yield key, context.window().start, "".join(value for _, value in elements)


def test_a_record_is_in_each_of_its_windows_and_kept_once() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=joined)
    windows.come(("a", "u", 5), ("a", "v", 12), ("b", "x", 12))
    assert sum(len(entries) for entries in windows.operator._table.entries.values()) == 3
    assert windows.reach(9) == [(("a", "u"), 9)]
    assert windows.reach(19) == [(("a", "uv"), 19), (("b", "x"), 19)]
    assert windows.end() == [(("a", "v"), 29), (("b", "x"), 29)]
    assert windows.operator._table.entries == {}
    assert windows.operator._waiting == set()
    assert windows.operator._places._known == {}


def test_panes_stand_in_the_order_of_time() -> None:
    windows = Windows(TWENTY_BY_TEN, process=whole)
    windows.come(("a", "v", 15), ("a", "w", 12), ("a", "u", 3))
    assert [row for row, _ in windows.end()] == [("a", -10, "u"), ("a", 0, "uvw"), ("a", 10, "vw")]


def test_windows_with_gaps_between_them() -> None:
    windows = Windows(SlidingEventTimeWindows.of(4, 10, 1), reduce=joined, late=LATE)
    assert windows.come(("a", "u", 1), ("a", "v", 4), ("a", "w", 5), ("a", "x", 11)) == []
    assert windows.end() == [(("a", "uv"), 4), (("a", "x"), 14)]
    assert (windows.operator.late, windows.operator.processed) == (0, 4)
    assert windows.come(("a", "y", 7)) == [("late", ("a", "y"), 7)], "old, and in no window"


def test_a_record_is_late_when_all_of_its_windows_are_over() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=joined, late=LATE)
    windows.reach(19)
    assert windows.come(("a", "u", 9), ("a", "v", 10), ("a", "w", 25)) == [("late", ("a", "u"), 9)]
    assert windows.end() == [(("a", "vw"), 29), (("a", "w"), 39)]


def test_a_late_record_fires_each_window_that_is_over_and_kept() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=joined, allowed_lateness=15, with_firings=True)
    windows.come(("a", "u", 5), ("a", "v", 15))
    windows.reach(20)
    again = windows.come(("a", "w", 6))
    assert [(row.window.start, row.value[1], row.firing, row.number) for row, _ in again] == [
        (-10, "uw", Firing.LATE, 2),
        (0, "uwv", Firing.LATE, 2),
    ]
    assert [(row.value[1], row.firing, row.number) for row, _ in windows.reach(30)] == [("v", Firing.ON_TIME, 1)]
    [(fresh, _)] = windows.come(("b", "x", 14))[:1]
    assert (fresh.key, fresh.firing, fresh.number) == ("b", Firing.LATE, 1)


def extended(one: list[Any], other: list[Any]) -> list[Any]:
    one[1] += other[1]
    return one


class Texts(AggregateFunction[Any, list[str], str]):
    """In an accumulator that is changed in place, by `merge` too."""

    def create_accumulator(self) -> list[str]:
        return []

    def add(self, value: Any, accumulator: list[str]) -> list[str]:  # noqa: ANN401  # any pair
        accumulator.append(value[1])
        return accumulator

    def get_result(self, accumulator: list[str]) -> str:
        text = "".join(accumulator)
        accumulator.append("changed")
        return text

    def merge(self, acc_a: list[str], acc_b: list[str]) -> list[str]:
        acc_a += acc_b
        acc_b.clear()
        return acc_a


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("options", [{"reduce": extended}, {"aggregate": Texts()}], ids=["reduce", "aggregate"])
def test_what_panes_hold_is_shared_by_nobody(options: dict[str, Any], reuse: bool) -> None:
    windows = Windows(SlidingEventTimeWindows.of(30, 10), reuse=reuse, allowed_lateness=5, **options)
    for value, time in (("u", 5), ("v", 15), ("w", 25)):
        windows.come(["a", value, time])
    texts = [row if isinstance(row, str) else row[1] for row, _ in windows.end()]
    assert texts == ["u", "uv", "uvw", "vw", "w"]


def test_functions_hear_when_each_window_is_forgotten() -> None:
    told: list[Any] = []

    class Count(ProcessWindowFunction[Any, Any, str, TimeWindow]):
        def process(self, key: str, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]) -> Any:  # noqa: ANN401  # any records
            state = context.window_state().get_state(ValueStateDescriptor("fired", int))
            state.update((state.value() or 0) + 1)
            yield context.window().start, state.value(), context.firing().value, context.firing_number()

        def clear(self, context: ProcessWindowFunction.Context[Any]) -> None:
            state = context.window_state().get_state(ValueStateDescriptor("fired", int))
            told.append((context.window().start, state.value()))
            state.clear()

    windows = Windows(TWENTY_BY_TEN, process=Count(), allowed_lateness=5)
    windows.come(("a", 1, 5), ("a", 1, 15))
    assert [row for row, _ in windows.reach(19)] == [(-10, 1, "on time", 1), (0, 1, "on time", 1)]
    assert [row for row, _ in windows.come(("a", 1, 12))] == [(0, 2, "late", 2)]
    windows.end()
    assert told == [(-10, 1), (0, 2), (10, 1)]


def test_an_error_in_a_merge_names_the_window() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=lambda _one, _other: 1 // 0)
    windows.come(("a", "u", 5), ("a", "v", 15))
    with pytest.raises(UserCodeError) as raised:
        windows.end()
    assert raised.value.record == "<TimeWindow(1970-01-01T00:00:00Z, 1970-01-01T00:00:00.020Z) of key 'a'>"


def test_other_panes_in_a_checkpoint_are_refused() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=joined)
    windows.come(("a", "u", 5))
    with pytest.raises(UserCodeError, match="of the checkpoint is no pane of SlidingEventTimeWindows") as raised:
        windows.restored(assigner=SlidingEventTimeWindows.of(20, 4))
    assert isinstance(raised.value.cause, StateError)
    with pytest.raises(UserCodeError, match="holds reduced records of windows with another assigner, trigger or"):
        windows.restored(assigner=TumblingEventTimeWindows.of(20))


# ------------------------------------------------------------------------------------------------ by the clock


def test_by_the_clock() -> None:
    windows = Windows(SlidingProcessingTimeWindows.of(20, 10), reduce=joined, now=103)
    assert isinstance(windows.operator._contents, SharedPanes)
    windows.untimed(("a", "u"))
    assert windows.clock(109) == []
    windows.untimed(("a", "v"))
    assert windows.clock(110) == [(("a", "uv"), 109)]
    windows.untimed(("a", "w"), ("b", "x"))
    assert windows.clock(125) == [(("a", "uvw"), 119), (("b", "x"), 119)]
    assert windows.clock(140) == [(("a", "w"), 129), (("b", "x"), 129)]
    assert windows.operator._contents._table.entries == {}
    assert len(windows.operator._live) == 0


def test_by_the_clock_no_window_fires_again_behind_a_restore() -> None:
    windows = Windows(SlidingProcessingTimeWindows.of(20, 10), reduce=joined, now=103)
    windows.untimed(("a", "u"))
    assert windows.clock(110) == [(("a", "u"), 109)]
    again = windows.restored(now=115)
    assert again.clock(500) == [(("a", "u"), 119)]


# ----------------------------------------------------------------------------------------- panes against copies


class SameAsEventTime(Trigger[Any, Window]):
    """What EventTimeTrigger does, as a user's own: nobody knows what it may drop, so each window has a copy."""

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        if window.max_timestamp() <= ctx.get_current_watermark():
            return TriggerResult.FIRE
        ctx.register_event_time_timer(window.max_timestamp())
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.FIRE

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        ctx.delete_event_time_timer(window.max_timestamp())


@st.composite
def slides(draw: st.DrawFn) -> SlidingEventTimeWindows:
    slide = draw(st.integers(1, 12))
    return SlidingEventTimeWindows(draw(st.integers(1, 24)), slide, draw(st.integers(1 - slide, slide - 1)))


RECORDS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.integers(-20, 60)), max_size=10)
Steps = list[tuple[list[tuple[str, int, int]], int, int]]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.tuples(RECORDS, st.integers(-20, 70), st.sampled_from([0, 0, 1, 2, 3])), min_size=1, max_size=5
)


def lived(steps: Steps, windows: Windows) -> tuple[list[list[Any]], int]:
    """What each step gives, and how many were late. `steps` have a parallelism to restore at; 0: they don't."""
    found: list[list[Any]] = []
    time, late = MIN_TIME, 0
    for records, watermark, parallelism in steps:
        found.append(sorted(windows.come(*records)))
        time = max(time, watermark)
        found.append(sorted(windows.reach(time)))
        if parallelism:
            late += sum(operator.late for operator in windows.operators)
            windows = windows.restored(parallelism)
    return [*found, sorted(windows.end())], late + sum(operator.late for operator in windows.operators)


@given(slides(), STEPS, st.sampled_from([0, 7, 1_000]))
def test_panes_come_to_what_copies_come_to(assigner: SlidingEventTimeWindows, steps: Steps, lateness: int) -> None:
    panes = Windows(assigner, reduce=summed, allowed_lateness=lateness)
    copies = Windows(assigner, reduce=summed, allowed_lateness=lateness, trigger=SameAsEventTime())
    assert isinstance(panes.operator, WindowOperator)
    assert isinstance(copies.operator, KeyedWindowOperator)
    assert isinstance(copies.operator._contents, WholeWindows)
    assert lived(steps, panes) == lived(steps, copies)


@given(slides(), STEPS, st.sampled_from([0, 7]))
def test_panes_have_every_record_in_each_of_its_windows(
    assigner: SlidingEventTimeWindows, steps: Steps, lateness: int
) -> None:
    """Against windows that are lists of all their records."""
    found, late = lived(steps, Windows(assigner, reduce=summed, allowed_lateness=lateness))
    held: dict[tuple[str, TimeWindow], int] = {}
    expected: list[list[Any]] = []
    time, too_late = MIN_TIME, 0
    for records, watermark, _ in steps:
        fired: list[Any] = []
        for key, number, when in records:
            around = [
                TimeWindow(start, start + assigner.size)
                for start in range(when - assigner.size + 1, when + 1)
                if (start - assigner.offset) % assigner.slide == 0
            ]
            live = [window for window in around if window.end - 1 + lateness > time]
            if not live and (around or when + lateness <= time):
                too_late += 1
            for window in live:
                held[key, window] = held.get((key, window), 0) + number
                if window.end - 1 <= time:
                    fired.append(((key, held[key, window]), window.end - 1))
        expected.append(sorted(fired))
        former, time = time, max(time, watermark)
        expected.append(
            sorted(
                ((key, total), window.end - 1)
                for (key, window), total in held.items()
                if former < window.end - 1 <= time
            )
        )
    last = [((key, total), window.end - 1) for (key, window), total in held.items() if window.end - 1 > time]
    assert found == [*expected, sorted(last)]
    assert late == too_late


def test_a_count_trigger_shares_panes_and_fires_windows_by_themselves() -> None:
    windows = Windows(TWENTY_BY_TEN, reduce=joined, trigger=CountTrigger.of(2), with_firings=True)
    assert isinstance(windows.operator._contents, SharedPanes)
    assert windows.come(("a", "u", 5)) == []
    out = windows.come(("a", "v", 15), ("a", "w", 16))
    assert [(row.window.start, row.value[1], row.firing) for row, _ in out] == [
        (0, "uv", Firing.EARLY),
        (10, "vw", Firing.EARLY),
    ]
    assert windows.end() == [], "no time fires it"
    assert windows.operator._contents._table.entries == {}


def spoiling(key: object, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Any]) -> Iterator[Any]:
    for element in elements:
        yield key, context.window().start, element[1]
        element[1] = "spoilt"


def test_a_window_that_fires_at_once_changes_no_record_of_others() -> None:
    windows = Windows(TWENTY_BY_TEN, process=spoiling, trigger=PurgingTrigger.of(CountTrigger.of(1)))
    assert windows.come(["a", "u", 5]) == [(("a", -10, "u"), 9), (("a", 0, "u"), 19)]


@pytest.mark.parametrize("assigner", [TWENTY_BY_TEN, TumblingEventTimeWindows.of(10)])
@pytest.mark.parametrize("parallelism", [1, 2])
def test_windows_that_less_lateness_ends_are_forgotten(assigner: AlignedWindows, parallelism: int) -> None:
    windows = Windows(assigner, reduce=joined, allowed_lateness=100)
    windows.come(("a", "u", 5), ("b", "x", 5))
    windows.reach(40)
    windows = windows.restored(parallelism, allowed_lateness=0)
    windows.come(("a", "v", 45))
    assert [row for row, time in windows.reach(50) if time < 40] == [], "they have fired"
    for operator in windows.operators:
        assert isinstance(operator, WindowOperator)
        assert all(span.end > 40 for span in operator._table.entries)


@pytest.mark.parametrize("trigger", [None, CountTrigger(1)], ids=["at the end", "at each record"])
def test_panes_that_hold_nothing_are_not_looked_at(trigger: CountTrigger | None) -> None:
    """A window has 100 million panes of a millisecond."""
    windows = Windows(SlidingEventTimeWindows.of(100_000_007, 50_000_000), process=whole, trigger=trigger)
    rows = [row for row, _ in windows.come(("a", "u", 5), ("a", "v", 60_000_000))]
    rows += [row for row, _ in windows.end()]
    first = [("a", -100_000_000, "u"), ("a", -50_000_000, "u"), ("a", 0, "uv"), ("a", 50_000_000, "v")]
    assert rows == (first if trigger is None else [*first[:2], ("a", 0, "u"), *first[2:]])
    for operator in windows.operators:
        assert all(not list(table.identities()) for table in operator.backend._tables.values())


class Unmerged(AggregateFunction[Any, list[Any], int]):
    """A count whose `merge` was never written, which Flink's sliding windows don't call."""

    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: object, accumulator: list[Any]) -> list[Any]:
        return [*accumulator, value]

    def get_result(self, accumulator: list[Any]) -> int:
        return len(accumulator)

    def merge(self, acc_a: list[Any], acc_b: list[Any]) -> Any:  # noqa: ANN401  # as it is in a program without types
        pass


def test_a_merge_that_was_never_written_is_asked_for() -> None:
    windows = Windows(TWENTY_BY_TEN, aggregate=Unmerged())
    windows.come(("a", 1, 5), ("a", 1, 15))
    assert windows.reach(9) == [(1, 9)], "there is nothing to merge yet"
    problem = "Unmerged.merge gave None in the place of an accumulator; return what both come to: sliding windows and"
    with pytest.raises(UserCodeError, match=problem):
        windows.reach(19)
