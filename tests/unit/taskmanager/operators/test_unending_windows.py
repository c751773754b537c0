"""Windows that no time completes: those of a number of records, and the one of all; and assigners of a user's own."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.operators.base import KeySelection
from millstream_dataflow.operators.windows import NoKey
from millstream_dataflow.state import ValueStateDescriptor
from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountEvictor,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    CountWindow,
    EventTimeTrigger,
    Firing,
    GlobalWindow,
    GlobalWindows,
    MergingWindowAssigner,
    PurgingTrigger,
    TimeWindow,
    Trigger,
    TriggerResult,
    Window,
    WindowAssigner,
    WindowResult,
)
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.windows import Windows, joined


def whole(key: object, context: Any, elements: Iterable[Any]) -> list[Any]:  # noqa: ANN401  # around a window of any kind
    return [(key, context.window(), "".join(value for _, value in elements))]


def test_windows_of_so_many_records() -> None:
    windows = Windows(CountTumblingWindowAssigner.of(2), reduce=joined, with_firings=True)
    rows = windows.untimed(("a", "u"), ("b", "x"), ("a", "v"), ("a", "w"), ("b", "y"), ("a", "z"), ("a", "!"))
    assert [row for row, _ in rows] == [
        WindowResult("a", CountWindow(0), ("a", "uv"), Firing.ON_TIME, 1),
        WindowResult("b", CountWindow(0), ("b", "xy"), Firing.ON_TIME, 1),
        WindowResult("a", CountWindow(1), ("a", "wz"), Firing.ON_TIME, 1),
    ]
    assert windows.end() == [], "one that isn't full gives nothing"
    assert list(windows.operator._live._firings) == [("a", CountWindow(2))]


def test_windows_of_so_many_records_that_slide() -> None:
    windows = Windows(CountSlidingWindowAssigner.of(3, 2), process=whole)
    rows = [row for row, _ in windows.untimed(*[("a", letter) for letter in "uvwxyz!"])]
    assert rows == [("a", CountWindow(0), "uvw"), ("a", CountWindow(1), "wxy"), ("a", CountWindow(2), "yz!")]


@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 30), st.integers(1, 3))
def test_counts_are_slices(size: int, slide: int, count: int, parallelism: int) -> None:
    windows = Windows(
        CountSlidingWindowAssigner.of(size, slide), process=lambda _key, _context, rows: [[n for _, n in rows]]
    )
    found = windows.come(*[("a", number, 0) for number in range(count // 2)])
    windows = windows.restored(parallelism)
    found += windows.come(*[("a", number, 0) for number in range(count // 2, count)])
    starts = [start for start in range(0, count, slide) if start + size <= count]
    assert [row for row, _ in found] == [list(range(start, start + size)) for start in starts]


def test_one_key_for_all() -> None:
    windows = Windows(
        GlobalWindows(), reduce=joined, trigger=CountTrigger(3), key=KeySelection(NoKey()), with_firings=True
    )
    [(row, _)] = windows.untimed(("a", "u"), ("b", "v"), ("c", "w"))
    assert row == WindowResult(None, GlobalWindow(), ("a", "uvw"), Firing.EARLY, 1)
    again = windows.restored()
    assert [row.value for row, _ in again.untimed(("a", "x"), ("b", "y"), ("c", "z"))] == [("a", "uvwxyz")]


# ------------------------------------------------------------------------------- what is left of what was purged


def texts(_key: object, _context: object, elements: Iterable[Any]) -> list[str]:
    return ["".join(value for _, value in elements)]


def kept(windows: Windows) -> list[str]:
    """The tables that hold something."""
    tables = [table for operator in windows.operators for table in operator.backend._tables.values()]
    return [table.where.title for table in tables if any(True for _ in table.identities())]


def test_nothing() -> None:
    windows = Windows(GlobalWindows(), process=texts, trigger=PurgingTrigger(CountTrigger(2)))
    for letter in "uv":
        windows.come(*[(f"key {number}", letter, 1) for number in range(3)])
    assert kept(windows) == []


def test_nothing_if_an_evictor_leaves_nothing() -> None:
    trigger, evictor = CountTrigger(2), CountEvictor(0, do_evict_after=True)
    windows = Windows(GlobalWindows(), reduce=joined, trigger=trigger, evictor=evictor, with_firings=True)
    rows = [row for row, _ in windows.come(*[("a", letter, 1) for letter in "uvwx"])]
    assert [(row.value[1], row.number) for row in rows] == [("uv", 1), ("wx", 1)]
    assert kept(windows) == []


class Sampling(Trigger[Any, Window]):
    """Drops the first record, and gives what comes for a while behind it."""

    waits = ValueStateDescriptor("waits", bool)

    def on_element(self, element: object, timestamp: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        waits = ctx.get_partitioned_state(self.waits)
        if waits.value():
            return TriggerResult.CONTINUE
        waits.update(True)
        ctx.register_event_time_timer(timestamp + 10)
        return TriggerResult.PURGE

    def on_event_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        self.clear(window, ctx)
        return TriggerResult.FIRE_AND_PURGE

    def on_processing_time(self, time: int, window: Window, ctx: Trigger.TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def clear(self, window: Window, ctx: Trigger.TriggerContext) -> None:
        ctx.get_partitioned_state(self.waits).clear()


@pytest.mark.parametrize("parallelism", [1, 2])
def test_what_the_trigger_keeps_and_its_timers(parallelism: int) -> None:
    windows = Windows(GlobalWindows(), process=texts, trigger=Sampling())
    assert windows.come(("a", "u", 1), ("b", "x", 2)) == []
    windows = windows.restored(parallelism)
    windows.come(("a", "v", 3), ("a", "w", 4))
    assert [row for row, _ in windows.reach(12)] == ["vw"]
    assert kept(windows) == []


# ------------------------------------------------------------------------------------------------- a user's own


@dataclass(frozen=True)
class Named(Window):
    """A window with a name."""

    name: str

    def max_timestamp(self) -> int:
        return 99


class ByLetter(WindowAssigner[Any, Named]):
    """By the first letter of the record, and by all letters."""

    def __init__(self, *, by_event_time: bool = True) -> None:
        self.by_event_time = by_event_time

    def assign_windows(
        self,
        element: tuple[str, str],
        timestamp: int,
        context: WindowAssigner.WindowAssignerContext,
    ) -> Collection[Named]:
        assert context.get_current_processing_time() == 77
        assert context.get_runtime_context().get_index_of_this_subtask() >= 0
        return [Named(element[1][0]), Named("all")]

    def get_default_trigger(self, env: object = None) -> EventTimeTrigger:
        return EventTimeTrigger()

    def is_event_time(self) -> bool:
        return self.by_event_time


@pytest.mark.parametrize("parallelism", [0, 2])
def test_windows_of_a_users_own(parallelism: int) -> None:
    windows = Windows(ByLetter(), process=whole, now=77)
    windows.come(("a", "u", 1), ("a", "v", 2), ("b", "u", 3))
    if parallelism:
        windows = windows.restored(parallelism, now=77)
    windows.come(("a", "u", 4))
    assert windows.reach(98) == []
    assert sorted((key, window.name, text) for (key, window, text), _ in windows.reach(99)) == [
        ("a", "all", "uvu"),
        ("a", "u", "uu"),
        ("a", "v", "v"),
        ("b", "all", "u"),
        ("b", "u", "u"),
    ]


def test_a_record_of_several_windows_is_copied() -> None:
    def extended(one: list[Any], other: list[Any]) -> list[Any]:
        one[1] += other[1]
        return one

    windows = Windows(ByLetter(), reduce=extended, now=77)
    windows.come(["a", "u", 1], ["a", "v", 1])
    assert sorted(row[1] for row, _ in windows.end()) == ["u", "uv", "v"]


@pytest.mark.parametrize("given_windows", [None, "ab", [1], TimeWindow(0, 1)])
def test_what_are_no_windows_names_assigner_and_record(given_windows: Any) -> None:  # noqa: ANN401  # what a user may return
    class Odd(ByLetter):
        def assign_windows(self, element: object, timestamp: int, context: WindowAssigner.WindowAssignerContext) -> Any:  # noqa: ANN401  # as above
            return given_windows

    windows = Windows(Odd(), process=whole, now=77)
    with pytest.raises(UserCodeError, match=r"Odd.assign_windows must return a list of windows, but gave") as raised:
        windows.come(("a", "u", 1))
    assert raised.value.record == "('a', 'u')"


class Pairs(MergingWindowAssigner[Any, TimeWindow]):
    """Windows of three milliseconds; those that overlap become one."""

    def assign_windows(
        self,
        element: tuple[str, str],
        timestamp: int,
        context: WindowAssigner.WindowAssignerContext,
    ) -> Collection[TimeWindow]:
        return (TimeWindow(timestamp, timestamp + 3),)

    def merge_windows(
        self, windows: Iterable[TimeWindow], callback: MergingWindowAssigner.MergeCallback[TimeWindow]
    ) -> None:
        for one in windows:
            for other in windows:
                if one.start < other.start < one.end:
                    callback.merge(to_be_merged={other, one}, merge_result=TimeWindow(one.start, other.end))
                    return

    def get_default_trigger(self, env: object = None) -> PurgingTrigger:
        return PurgingTrigger(EventTimeTrigger())

    def is_event_time(self) -> bool:
        return True


def test_windows_of_a_users_own_that_merge() -> None:
    windows = Windows(Pairs(), process=whole)
    windows.come(("a", "v", 12), ("a", "u", 10), ("a", "w", 15))
    rows = [(window.start, window.end, text) for (_, window, text), _ in windows.end()]
    assert rows == [(10, 15, "vu"), (15, 18, "w")]


def test_a_merged_window_that_is_over_is_refused() -> None:
    class Shrinking(Pairs):
        def merge_windows(
            self, windows: Iterable[TimeWindow], callback: MergingWindowAssigner.MergeCallback[TimeWindow]
        ) -> None:
            callback.merge(list(windows), TimeWindow(0, 1))

    windows = Windows(Shrinking(), process=whole)
    windows.reach(5)
    windows.come(("a", "v", 12))
    with pytest.raises(UserCodeError, match=r"Shrinking has merged windows into TimeWindow.*, which is over already"):
        windows.come(("a", "u", 13))


def odd(value: object) -> Any:  # noqa: ANN401  # what no type checker would let through
    return value


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CountTumblingWindowAssigner.of(0), "count windows need a size above 0, but got 0"),
        (lambda: CountSlidingWindowAssigner.of(3, 0), "count windows need a slide above 0, but got 0"),
        (lambda: CountTumblingWindowAssigner.of(odd(1.5)), "count windows take their size as a number of records"),
    ],
)
def test_refusals(make: Any, sentence: str) -> None:  # noqa: ANN401  # what makes an assigner
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()


def test_early_results_of_a_window_without_end_come_to_an_end_with_the_input() -> None:
    windows = Windows(
        GlobalWindows.create(), reduce=joined, trigger=ContinuousEventTimeTrigger.of(10), with_firings=True
    )
    windows.come(("a", "u", 5), ("a", "v", 17))
    assert [(row.firing, row.number) for row, _ in windows.reach(25)] == [(Firing.EARLY, 1), (Firing.EARLY, 2)]
    windows.come(("a", "w", 27))
    assert [(row.value[1], row.firing, row.number) for row, _ in windows.end()] == [
        ("uvw", Firing.EARLY, 3),
        ("uvw", Firing.ON_TIME, 4),
    ]


def test_intervals_in_which_nobody_looked_are_made_up_for_by_one_result() -> None:
    windows = Windows(GlobalWindows.create(), reduce=joined, trigger=ContinuousProcessingTimeTrigger.of(10), now=3)
    assert windows.untimed(("a", "u")) == []
    assert [row for row, _ in windows.clock(11)] == [("a", "u")]
    again = windows.restored(now=7_000_000)
    assert [row for row, _ in again.clock(7_000_000)] == [("a", "u")]
    assert [row for row, _ in again.clock(7_000_011)] == [("a", "u")]
