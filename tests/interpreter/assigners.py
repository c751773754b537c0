"""Whose a record is (Flink, "Windows", Window Assigners): its windows, found by looking at them all."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from millstream_dataflow.windows import (
    CountSlidingWindowAssigner,
    CountTumblingWindowAssigner,
    CountWindow,
    GlobalWindow,
    GlobalWindows,
    SessionWindows,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)
from tests.interpreter.stream import Record

Assigned = Callable[[Any, Record], Sequence[Any]]
"""The windows of a record with a key. It is called once for each record: some count them. Where windows are of the
clock, the record's time is what that shows.
"""


def assigned_by(assigner: object) -> Assigned:
    """What an assigner means."""
    match assigner:
        case TumblingEventTimeWindows() | TumblingProcessingTimeWindows():
            return lambda _, record: lying(record.time, assigner.size, assigner.size, assigner.offset)
        case SlidingEventTimeWindows() | SlidingProcessingTimeWindows():
            return lambda _, record: lying(record.time, assigner.size, assigner.slide, assigner.offset)
        case SessionWindows():
            return lambda _, record: [TimeWindow(record.time, record.time + assigner.gap_of(record.value))]
        case GlobalWindows():
            return lambda _, __: [GlobalWindow()]
        case CountTumblingWindowAssigner():
            return Counting(assigner.window_size, assigner.window_size)
        case CountSlidingWindowAssigner():
            return Counting(assigner.window_size, assigner.window_slide)
        case _:
            raise NotImplementedError(f"no rule for {assigner!r}")


def is_by_clock(assigner: WindowAssigner[Any, Any]) -> bool:
    """Whether the clock says whose a record is."""
    by_time = TumblingProcessingTimeWindows | SlidingProcessingTimeWindows | SessionWindows
    return isinstance(assigner, by_time) and not assigner.is_event_time()


def lying(time: int, size: int, distance: int, offset: int) -> list[TimeWindow]:
    """Windows that lie in time where they lie: those that begin within a size before the time, the earliest first."""
    last = time - (time - offset) % distance
    starts = reversed(range(last, time - size, -distance))
    return [TimeWindow(start, start + size) for start in starts]


class Counting:
    """Windows of so many records of a key, one at every so many-th."""

    def __init__(self, size: int, slide: int) -> None:
        self.size, self.slide = size, slide
        self.seen = Counter[Any]()

    def __call__(self, key: Any, record: Record) -> list[CountWindow]:  # noqa: ANN401  # any key
        place = self.seen[key]
        self.seen[key] += 1
        windows = range(place // self.slide + 1)
        return [CountWindow(one) for one in windows if one * self.slide <= place < one * self.slide + self.size]
