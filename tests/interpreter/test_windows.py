"""The judge of windows is judged: results written here by hand, from Flink's documentation."""

from typing import Any

import pytest

from millstream_dataflow.windows import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountEvictor,
    CountSlidingWindowAssigner,
    CountTrigger,
    CountTumblingWindowAssigner,
    DeltaEvictor,
    DeltaTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    ProcessingTimeSessionWindows,
    PurgingTrigger,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeEvictor,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
from tests.interpreter.inputs import PHASE, Pause
from tests.interpreter.own_triggers import Bursts, Heaping
from tests.interpreter.test_interpreter import given
from tests.interpreter.window_choices import distance
from tests.interpreter.window_stages import Windowed

TENS, SESSIONS = TumblingEventTimeWindows.of(10), EventTimeSessionWindows.with_gap(5)
EARLY, ON_TIME, LATE = 0, 100_000, 200_000


def a(*records: tuple[int, int]) -> list[Any]:
    """Records with key `a`: number and time."""
    return [(("a", number), time) for number, time in records]


def numbers(stage: Windowed, *records: tuple[int, int], delay: int = 0, side: bool = False) -> list[int]:
    return [number for _, number in given(stage, *a(*records), delay=delay, side=side)]


def test_a_window_fires_when_the_watermark_has_reached_its_last_millisecond() -> None:
    """The window [0, 10) has fired at the watermark 9, so what comes for it then is late; and 10 belongs to the next
    window.
    """
    records = ((1, 0), (2, 9), (4, 10), (8, 9), (16, 19))
    assert numbers(Windowed(TENS), *records) == [3, 20]
    assert numbers(Windowed(TENS, late=True), *records, side=True) == [8]


def test_a_late_record_fires_its_window_again_for_as_long_as_it_is_allowed() -> None:
    records = ((1, 9), (2, 11), (4, 9), (8, 15), (16, 9))
    assert numbers(Windowed(TENS, lateness=5), *records) == [1, 5, 10]
    assert numbers(Windowed(TENS, lateness=5, late=True), *records, side=True) == [16]
    told = [1001 + ON_TIME, 2005 + LATE, 1010 + ON_TIME]
    assert numbers(Windowed(TENS, "firings", lateness=5), *records) == told


def test_windows_have_an_offset_before_the_epoch_too() -> None:
    assert numbers(Windowed(TumblingEventTimeWindows.of(10, 3)), (1, 2), (2, 3), (4, 12)) == [1, 6]
    assert numbers(Windowed(TumblingEventTimeWindows.of(10, 3), "whole"), (1, -8)) == [1 + 10 + 100 - 17]


def test_sliding_windows_share_records_and_may_leave_gaps() -> None:
    assert numbers(Windowed(SlidingEventTimeWindows(10, 5)), (1, 0), (2, 7)) == [1, 3, 2]
    gaps = Windowed(SlidingEventTimeWindows(2, 5), late=True)
    assert numbers(gaps, (1, 1), (2, 3), (4, 6), (8, 3), (16, 0)) == [1, 4]
    assert numbers(gaps, (1, 1), (2, 3), (4, 6), (8, 3), (16, 0), side=True) == [8, 16], "3 is in a gap: first not late"


def test_sessions_touch_and_become_one() -> None:
    assert numbers(Windowed(SESSIONS), (1, 0), (2, 5), (4, 11)) == [3, 4]
    assert numbers(Windowed(SESSIONS), (1, 0), (2, 8), (4, 4), delay=10) == [7]
    told = [1001 + ON_TIME, 2007 + ON_TIME]  # the whole ends at 13, and goes on from the firing of its part
    assert numbers(Windowed(SESSIONS, "firings", lateness=9), (1, 0), (2, 8), (4, 4)) == told


def test_counts_fire_whole_windows_only() -> None:
    records = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0)]
    assert numbers(Windowed(CountTumblingWindowAssigner(2)), *records) == [3, 12]
    assert numbers(Windowed(CountSlidingWindowAssigner(3, 1)), *records) == [7, 14, 28]
    assert numbers(Windowed(CountSlidingWindowAssigner(1, 2)), *records) == [1, 4, 16]
    assert numbers(Windowed(CountTumblingWindowAssigner(2), "firings"), *records) == [1003 + ON_TIME, 1012 + ON_TIME]


@pytest.mark.parametrize(
    ("trigger", "results"),
    [
        (CountTrigger(2), [3, 15]),
        (PurgingTrigger(CountTrigger(2)), [3, 12]),
        (DeltaTrigger(3, distance), [15, 31]),
        (PurgingTrigger(DeltaTrigger(3, distance)), [15, 16]),
    ],
)
def test_triggers_of_one_window(trigger: Any, results: list[int]) -> None:  # noqa: ANN401  # of any kind
    records = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0)]
    assert numbers(Windowed(GlobalWindows(), trigger=trigger), *records) == results


def test_early_results_come_at_each_interval() -> None:
    """At 3, 6, and 9, which is the end of the window, as the watermark passes them; and at 12, 15, 18 and 19."""
    stage = Windowed(TENS, "firings", ContinuousEventTimeTrigger(3))
    found = numbers(stage, (1, 0), (2, 4), (4, 8), (8, 11))
    first = [1003 + EARLY, 2007 + EARLY, 3007 + ON_TIME]
    assert found == [*first, 1008 + EARLY, 2008 + EARLY, 3008 + EARLY, 4008 + ON_TIME]


def test_no_early_result_comes_behind_the_end() -> None:
    """The record of the last millisecond waits for the end, and fires no more while the window is kept."""
    stage = Windowed(TENS, "firings", ContinuousEventTimeTrigger(3), lateness=20)
    assert numbers(stage, (1, 9), (2, 25)) == [1001 + ON_TIME, 1002 + EARLY, 2002 + ON_TIME]


def test_purged_windows_begin_anew_but_are_the_same() -> None:
    """Both calls of the first window count as its own."""
    stage = Windowed(TENS, "remembering", PurgingTrigger(EventTimeTrigger()), lateness=20)
    assert numbers(stage, (1, 0), (2, 10), (4, 0), (8, 30)) == [1001, 102_004, 201_002, 301_008]


def test_evictors_keep_what_they_keep() -> None:
    records = [(1, 0), (9, 3), (2, 4), (3, 5)]
    assert numbers(Windowed(TENS, evictor=CountEvictor(2)), *records) == [5]
    assert numbers(Windowed(TENS, evictor=TimeEvictor(2)), *records) == [5]
    assert numbers(Windowed(TENS, evictor=DeltaEvictor(2, distance)), *records) == [5]
    twice = Windowed(GlobalWindows(), "reduce", CountTrigger(2), CountEvictor(1, do_evict_after=True))
    assert numbers(twice, *records) == [10, 9 + 5]


def test_functions_hear_which_firing_it_is() -> None:
    """Number of the firing, and which, before the total."""
    stage = Windowed(TENS, "told", lateness=5)
    assert numbers(stage, (1, 9), (2, 11), (4, 9)) == [10_101_001, 20_202_005, 10_101_002]


def test_windows_of_all_records_have_no_keys() -> None:
    records = ((("a", 1), 0), (("b", 2), 5), (("c", 4), 10))
    for how, results in {"reduce": [3, 4], "whole": [221, 154], "remembering": [1003, 201_004]}.items():
        assert given(Windowed(TENS, how, of_all=True), *records) == [("all", number) for number in results]


def test_triggers_of_users_have_timers_and_state() -> None:
    """The heap is full at 5; 1 waits from 30 to 38. Where sessions merge, so do their heaps: 3 and 3 and 4."""
    heaping = Windowed(GlobalWindows(), trigger=Heaping(4, 8))
    assert numbers(heaping, (0, 37), (5, 51), (1, 30), (0, 45), delay=24) == [5, 6]
    assert numbers(Windowed(SESSIONS, trigger=Heaping(10, 30)), (3, 0), (3, 8), (4, 4), delay=20) == [10]


def test_triggers_of_users_may_drop_what_a_window_holds() -> None:
    """1 is dropped with 9. The alarm of 8, at 22, comes when its window has ended."""
    assert numbers(Windowed(TENS, trigger=Bursts(5)), (1, 0), (9, 1), (2, 3), (4, 10)) == [2, 4]
    assert numbers(Windowed(TENS, trigger=Bursts(5)), (1, 0), (2, 3), (4, 10), (8, 17)) == [3]


@pytest.mark.parametrize(
    ("assigner", "results"),
    [
        (TumblingProcessingTimeWindows(PHASE), [1, 2, 4]),
        (SlidingProcessingTimeWindows(2 * PHASE, PHASE), [1, 3, 2, 4, 4]),
        (ProcessingTimeSessionWindows(PHASE * 3 // 2), [3, 4]),
    ],
)
def test_windows_by_the_clock(assigner: Any, results: list[int]) -> None:  # noqa: ANN401  # of any kind
    """Records of the phases 0, 1 and 3, of which none is late."""
    one, two, four = a((1, 50), (2, 9), (4, 0))
    pause = Pause()
    items = (one, pause, two, pause, pause, four, *[pause] * 4)
    assert given(Windowed(assigner), *items) == [("a", number) for number in results]


def test_early_results_by_the_clock() -> None:
    """As phases 1 and 2 begin, and in phase 2 by the watermark; of the next window as 3 and 4 begin, and at the end."""
    stage = Windowed(TENS, "firings", ContinuousProcessingTimeTrigger(PHASE))
    one, two, four = a((1, 0), (2, 1), (4, 30))
    found = [number for _, number in given(stage, one, Pause(), two, Pause(), four, Pause(), Pause())]
    assert found == [1001, 2003, 3003 + ON_TIME, 1004, 2004, 3004 + ON_TIME]
