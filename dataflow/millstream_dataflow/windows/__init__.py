"""Windows: finite parts of an endless stream.

Read in this order:

* `window`    what one is: `TimeWindow`, `GlobalWindow`, `CountWindow`
* `assigner`  `WindowAssigner`, which says whose a record is, and `MergingWindowAssigner`
* `triggers`  when windows fire
* `aligned`   windows that lie in time where they lie, and their panes: `tumbling`, `sliding`
* `sessions`  windows that grow together
* `unending`  windows that no time completes
* `evictors`  which of its records a window forgets
* `serializers`  PyFlink's names for how windows become bytes
* `firings`   which of its results one is
"""

from millstream_dataflow.windows.aligned import AlignedWindows
from millstream_dataflow.windows.assigner import MergingWindowAssigner, WindowAssigner
from millstream_dataflow.windows.evictors import CountEvictor, DeltaEvictor, Evictor, TimeEvictor, TimestampedValue
from millstream_dataflow.windows.firings import Firing, WindowResult
from millstream_dataflow.windows.sessions import (
    DynamicEventTimeSessionWindows,
    DynamicProcessingTimeSessionWindows,
    EventTimeSessionWindows,
    ProcessingTimeSessionWindows,
    SessionWindows,
    SessionWindowTimeGapExtractor,
)
from millstream_dataflow.windows.sliding import SlidingEventTimeWindows, SlidingProcessingTimeWindows
from millstream_dataflow.windows.triggers import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    CountTrigger,
    DeltaTrigger,
    EventTimeTrigger,
    NeverTrigger,
    ProcessingTimeTrigger,
    PurgingTrigger,
    Trigger,
    TriggerResult,
)
from millstream_dataflow.windows.tumbling import TumblingEventTimeWindows, TumblingProcessingTimeWindows
from millstream_dataflow.windows.unending import CountSlidingWindowAssigner, CountTumblingWindowAssigner, GlobalWindows
from millstream_dataflow.windows.window import (
    CountWindow,
    GlobalWindow,
    TimeWindow,
    Window,
    window_start,
    window_starts,
)

__all__ = [
    "AlignedWindows",
    "ContinuousEventTimeTrigger",
    "ContinuousProcessingTimeTrigger",
    "CountEvictor",
    "CountSlidingWindowAssigner",
    "CountTrigger",
    "CountTumblingWindowAssigner",
    "CountWindow",
    "DeltaEvictor",
    "DeltaTrigger",
    "DynamicEventTimeSessionWindows",
    "DynamicProcessingTimeSessionWindows",
    "EventTimeSessionWindows",
    "EventTimeTrigger",
    "Evictor",
    "Firing",
    "GlobalWindow",
    "GlobalWindows",
    "MergingWindowAssigner",
    "NeverTrigger",
    "ProcessingTimeSessionWindows",
    "ProcessingTimeTrigger",
    "PurgingTrigger",
    "SessionWindowTimeGapExtractor",
    "SessionWindows",
    "SlidingEventTimeWindows",
    "SlidingProcessingTimeWindows",
    "TimeEvictor",
    "TimeWindow",
    "TimestampedValue",
    "Trigger",
    "TriggerResult",
    "TumblingEventTimeWindows",
    "TumblingProcessingTimeWindows",
    "Window",
    "WindowAssigner",
    "WindowResult",
    "window_start",
    "window_starts",
]
