"""Triggers: when a window fires (Flink, "Windows", Triggers). Read `trigger` first, then one file for each kind.

A trigger remembers nothing itself: it serves all keys and windows, and keeps what it must know in state of the window.
"""

from millstream_dataflow.windows.triggers.continuous import (
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
)
from millstream_dataflow.windows.triggers.count import CountTrigger
from millstream_dataflow.windows.triggers.delta import DeltaTrigger
from millstream_dataflow.windows.triggers.never import NeverTrigger
from millstream_dataflow.windows.triggers.purging import PurgingTrigger
from millstream_dataflow.windows.triggers.time import EventTimeTrigger, ProcessingTimeTrigger
from millstream_dataflow.windows.triggers.trigger import Trigger, TriggerResult

__all__ = [
    "ContinuousEventTimeTrigger",
    "ContinuousProcessingTimeTrigger",
    "CountTrigger",
    "DeltaTrigger",
    "EventTimeTrigger",
    "NeverTrigger",
    "ProcessingTimeTrigger",
    "PurgingTrigger",
    "Trigger",
    "TriggerResult",
]
