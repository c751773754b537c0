"""Windows that reach beyond the last time there is, 2**63 - 1: the end of the input completes them."""

from typing import Any

import pytest

from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.windows import (
    EventTimeSessionWindows,
    EventTimeTrigger,
    PurgingTrigger,
    SlidingEventTimeWindows,
    TimeWindow,
    TumblingEventTimeWindows,
)
from tests.support.windows import Windows, summed

RECORDS = (("a", 1, 5), ("a", 2, MAX_TIME - 2), ("a", 4, MAX_TIME))


def test_no_time_is_beyond_the_last_one() -> None:
    assert TimeWindow(MAX_TIME - 5, MAX_TIME + 5).max_timestamp() == MAX_TIME
    assert TimeWindow(0, MAX_TIME).max_timestamp() == MAX_TIME - 1


@pytest.mark.parametrize("lateness", [0, 10])
@pytest.mark.parametrize(
    "options", [{}, {"trigger": PurgingTrigger.of(EventTimeTrigger())}], ids=["whole", "for each key"]
)
def test_tumbling_windows_at_the_end_of_time(options: dict[str, Any], lateness: int) -> None:
    windows = Windows(TumblingEventTimeWindows.of(10), reduce=summed, allowed_lateness=lateness, **options)
    assert windows.come(*RECORDS) == []
    assert windows.reach(MAX_TIME - 1) == [(("a", 1), 9)]
    assert windows.end() == [(("a", 6), MAX_TIME)]


def test_sliding_windows_at_the_end_of_time() -> None:
    windows = Windows(SlidingEventTimeWindows.of(10, 5), reduce=summed)
    assert windows.come(*RECORDS[1:]) == []
    assert windows.end() == [(("a", 6), MAX_TIME), (("a", 6), MAX_TIME)]


def test_sessions_at_the_end_of_time() -> None:
    windows = Windows(EventTimeSessionWindows.with_gap(10), reduce=summed)
    assert windows.come(*RECORDS) == []
    assert windows.end() == [(("a", 1), 14), (("a", 6), MAX_TIME)]
