"""Batch mode's forms of operators on keyed streams, as values: their input comes to them key by key.

Whatever else an operator does stays as it is: a grouped operator runs the very operator of streaming mode, which sees
the whole input of one key, then the end of event time, then the next key.
"""

from dataclasses import dataclass
from typing import Any

from millstream_dataflow.operators.specifications import (
    Function,
    KeyedReduceSpecification,
    KeySelection,
    OperatorSpecification,
    ReaderSpecification,
    TimestampsSpecification,
    selections_of,
)
from millstream_dataflow.time import NoWatermarks, WatermarkStrategy


@dataclass(frozen=True, slots=True)
class GroupedSpecification(OperatorSpecification):
    """`inner` gets its keyed inputs in the order of their keys, and of event time within each. Inputs without a key (of
    a broadcast stream, say) pass on their way, and so come before.
    """

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
        case _:
            return GroupedSpecification(specification) if selections_of(specification) else specification


def _without_watermarks(strategy: WatermarkStrategy[Any]) -> WatermarkStrategy[Any]:
    """Records keep their times. Nothing is idle, or held back for others, where nobody waits for a watermark."""
    return WatermarkStrategy(NoWatermarks, strategy.timestamp_assigner)
