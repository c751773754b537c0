"""Assigners of ours that a class of a user's own has changed: what it says counts, not where they lie by themselves."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from millstream_dataflow.aggregates import Count
from millstream_dataflow.windows import (
    CountTrigger,
    EventTimeSessionWindows,
    MergingWindowAssigner,
    SlidingEventTimeWindows,
    TimeWindow,
    Trigger,
    TumblingEventTimeWindows,
    WindowAssigner,
)
from tests.support.windows import Windows, joined

Context = WindowAssigner.WindowAssignerContext


class ByText(TumblingEventTimeWindows):
    """The text of a record says how many windows later it belongs."""

    def assign_windows(self, element: Any, timestamp: int, context: Context) -> tuple[TimeWindow, ...]:  # noqa: ANN401  # any record
        return super().assign_windows(element, timestamp + len(element[1]) * self.size, context)


class Younger(SlidingEventTimeWindows):
    """A record isn't in the window that ends first."""

    def assign_windows(self, element: object, timestamp: int, context: Context) -> tuple[TimeWindow, ...]:
        return super().assign_windows(element, timestamp, context)[1:]


class AtEachRecord(TumblingEventTimeWindows):
    def get_default_trigger(self, env: object) -> Any:  # type: ignore[override]  # noqa: ANN401  # PyFlink's signature
        return CountTrigger(1)


class Short(EventTimeSessionWindows):
    """Sessions of 20 milliseconds at most: those that would be longer stay apart, though they intersect."""

    def merge_windows(
        self, windows: Iterable[TimeWindow], callback: MergingWindowAssigner.MergeCallback[TimeWindow]
    ) -> None:
        several: list[TimeWindow] = []
        for window in sorted(windows):
            if several and window.end - several[0].start > 20:
                _tell(several, callback)
                several = []
            several.append(window)
        _tell(several, callback)


def _tell(several: Collection[TimeWindow], callback: MergingWindowAssigner.MergeCallback[TimeWindow]) -> None:
    if len(several) > 1:
        callback.merge(several, TimeWindow(min(several).start, max(window.end for window in several)))


def spans(key: str, context: Any, elements: Iterable[Any]) -> list[Any]:  # noqa: ANN401  # around a window of any kind
    return [(context.window().start, "".join(value for _, value in elements))]


@pytest.mark.parametrize("trigger", [None, CountTrigger(1)], ids=["its own", "by count"])
def test_whose_a_record_is(trigger: Trigger[Any, Any] | None) -> None:
    tumbling = Windows(ByText.of(10), process=spans, trigger=trigger)
    assert [row for row, _ in [*tumbling.come(("a", "uv", 5)), *tumbling.end()]] == [(20, "uv")]
    sliding = Windows(Younger.of(20, 10), process=spans, trigger=trigger)
    assert [row for row, _ in [*sliding.come(("a", "u", 15)), *sliding.end()]] == [(10, "u")]


def test_of_built_in_aggregates_as_well() -> None:
    windows = Windows(ByText.of(10), aggregate=Count())
    windows.come(("a", "uv", 5))
    assert windows.end() == [(1, 29)]


def test_when_a_window_fires() -> None:
    windows = Windows(AtEachRecord.of(10), reduce=joined)
    assert windows.come(("a", "u", 5), ("a", "v", 6)) == [(("a", "u"), 9), (("a", "uv"), 9)]
    assert windows.end() == []


@pytest.mark.parametrize("parallelism", [1, 2])
def test_which_sessions_become_one(parallelism: int) -> None:
    windows = Windows(Short.with_gap(10), process=spans)
    windows.come(("a", "u", 0), ("a", "v", 5), ("a", "w", 15))
    windows = windows.restored(parallelism)
    windows.come(("a", "x", 18), ("a", "y", 9))
    assert [row for row, _ in windows.end()] == [(0, "uvy"), (15, "wx")]
