"""Tumbling windows: every time is in exactly one, also before the epoch."""

import pickle
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.time import Duration, Time
from millstream_dataflow.windows import (
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
    window_start,
    window_starts,
)

HOUR = 3_600_000


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 10**12))
    return size, draw(st.integers(1 - size, size - 1))


@given(st.integers(), sizes())
def test_a_window_holds_its_times(timestamp: int, size_and_offset: tuple[int, int]) -> None:
    size, offset = size_and_offset
    start = window_start(timestamp, offset, size)
    assert start <= timestamp < start + size
    assert (start - offset) % size == 0


@given(st.lists(st.integers(-(2**62), 2**62), max_size=5), sizes())
def test_a_batch_has_the_windows_of_its_times(timestamps: list[int], size_and_offset: tuple[int, int]) -> None:
    size, offset = size_and_offset
    starts = window_starts(np.array(timestamps, np.int64), offset, size)
    assert starts.tolist() == [window_start(time, offset, size) for time in timestamps]


def test_assigners() -> None:
    assigner = TumblingEventTimeWindows.of(timedelta(hours=1), timedelta(minutes=15))
    assert assigner.windows_at(0) == (TimeWindow(-HOUR * 3 // 4, HOUR // 4),)
    assert assigner.is_event_time()
    assert not TumblingProcessingTimeWindows.of(Time.seconds(5)).is_event_time()
    assert TumblingEventTimeWindows.of(Duration.of_hours(1)) == TumblingEventTimeWindows(HOUR)
    by_clock: WindowAssigner[object, TimeWindow] = TumblingProcessingTimeWindows(HOUR)
    assert by_clock != TumblingEventTimeWindows(HOUR)


@pytest.mark.parametrize("assigner", [TumblingEventTimeWindows, TumblingProcessingTimeWindows])
def test_refusals(assigner: type[TumblingEventTimeWindows]) -> None:
    with pytest.raises(ValueError, match=rf"{assigner.__name__} needs a size above 0, but got 0 ms"):
        assigner.of(0)
    for offset in (-5, 5):
        with pytest.raises(ValueError, match=f"got offset {offset} ms and size 5 ms"):
            assigner.of(5, offset)
    with pytest.raises(TypeError, match=r"use Tumbling\w+\.of"):
        assigner(timedelta(1))  # type: ignore[arg-type]  # what is tested


def test_a_window_is_a_value() -> None:
    window = TimeWindow(0, 10)
    assert window.max_timestamp() == 9
    assert window == TimeWindow(0, 10)
    assert {window: 1}[TimeWindow(0, 10)] == 1
    assert min(TimeWindow(5, 6), TimeWindow(0, 10), TimeWindow(0, 5)) == TimeWindow(0, 5)
    assert pickle.loads(pickle.dumps(window)) == window


def test_a_window_is_shown_in_utc() -> None:
    hour = TimeWindow(1_357_034_400_000, 1_357_038_000_000)
    assert repr(hour) == "TimeWindow(2013-01-01T10:00:00Z, 2013-01-01T11:00:00Z)"
    assert repr(TimeWindow(-1, 0)) == "TimeWindow(1969-12-31T23:59:59.999Z, 1970-01-01T00:00:00Z)"
    assert repr(TimeWindow(0, 2**63)) == f"TimeWindow(1970-01-01T00:00:00Z, {2**63})"
