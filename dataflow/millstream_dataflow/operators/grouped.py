"""Batch mode's forms of operators, as values: on keyed streams their input comes to them key by key, and what is
broadcast comes before what it is for.

Whatever else an operator does stays as it is: a grouped operator runs the very operator of streaming mode, which sees
the whole input of one key, then the end of event time, then the next key.
"""

from dataclasses import dataclass, replace
from typing import Any

from millstream_dataflow.operators.specifications import (
    Function,
    KeyedReduceSpecification,
    KeySelection,
    OperatorSpecification,
    ReaderSpecification,
    TimestampsSpecification,
    WindowSpecification,
    selections_of,
)
from millstream_dataflow.operators.two_inputs import BroadcastProcessSpecification
from millstream_dataflow.time import NoWatermarks, WatermarkStrategy
from millstream_dataflow.windows import (
    AlignedWindows,
    ContinuousEventTimeTrigger,
    ContinuousProcessingTimeTrigger,
    SessionWindows,
)


@dataclass(frozen=True, slots=True)
class GroupedSpecification(OperatorSpecification):
    """`inner` gets its keyed inputs in the order of their keys, and of event time within each. Inputs without a key (of
    a broadcast stream, say) pass on their way, and so come before.
    """

    inner: OperatorSpecification


@dataclass(frozen=True, slots=True)
class BroadcastFirstSpecification(OperatorSpecification):
    """`inner` has no keys, and gets all of its broadcast input, which is 1, before the first record of input 0."""

    inner: OperatorSpecification


@dataclass(frozen=True, slots=True)
class FinalReduceSpecification(OperatorSpecification):
    """The reduction of each key: one record a key, when all of its records have come."""

    function: Function
    key: KeySelection


def batch_form(specification: OperatorSpecification) -> OperatorSpecification:
    """What runs in the place of an operator in batch mode: one that groups its input; a source that says nothing of
    event time before its end. Operators that neither have keys nor make watermarks run as they are.
    """
    match specification:
        case ReaderSpecification(source=source, strategy=strategy):
            return ReaderSpecification(source, _without_watermarks(strategy))
        case TimestampsSpecification(strategy=strategy):
            return TimestampsSpecification(_without_watermarks(strategy))
        case KeyedReduceSpecification(function=function, key=key):
            return GroupedSpecification(FinalReduceSpecification(function, key))
        case WindowSpecification() if _gives_early_results(specification):
            return GroupedSpecification(replace(specification, trigger=None))
        case BroadcastProcessSpecification():
            return BroadcastFirstSpecification(specification)
        case _:
            return GroupedSpecification(specification) if selections_of(specification) else specification


def _gives_early_results(windows: WindowSpecification) -> bool:
    """Whether each window gives a last result at its end, which takes the place of all before: that one is final. What
    an evictor drops at an early result would be missing in a later one, so such windows stay as they are.
    """
    assigner, trigger = windows.assigner, windows.trigger
    if windows.evictor is not None or not isinstance(assigner, AlignedWindows | SessionWindows):
        return False
    by_event_time = assigner.is_event_time() and type(trigger) is ContinuousEventTimeTrigger
    return by_event_time or type(trigger) is ContinuousProcessingTimeTrigger


def _without_watermarks(strategy: WatermarkStrategy[Any]) -> WatermarkStrategy[Any]:
    """Records keep their times. Nothing is idle, or held back for others, where nobody waits for a watermark."""
    return WatermarkStrategy(NoWatermarks, strategy.timestamp_assigner)
