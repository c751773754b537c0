"""Windows: finite parts of an endless stream. Read `window`, what one is, then `assigners`, whose a record is."""

from millstream_dataflow.windows.assigners import (
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)
from millstream_dataflow.windows.window import TimeWindow, Window, window_start, window_starts

__all__ = [
    "TimeWindow",
    "TumblingEventTimeWindows",
    "TumblingProcessingTimeWindows",
    "Window",
    "WindowAssigner",
    "window_start",
    "window_starts",
]
