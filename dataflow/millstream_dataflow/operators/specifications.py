"""What one operator does, as a frozen value: made by the client, carried by its vertex's blob, and looked up by class
in the worker, where `millstream_taskmanager.operators` has the code. No code of ours travels.

Functions are what the user gave: an object of a function class (`MapFunction`, ...) or a plain callable. What all have
in common is in `base`, windows are in `windows`.
"""

from dataclasses import dataclass
from typing import Any

from millstream_dataflow.connectors import Sink, Source
from millstream_dataflow.operators.base import Function, KeySelection, OperatorSpecification
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.types import TypeInformation

__all__ = [
    "CollectSpecification",
    "EnumeratorSpecification",
    "FilterSpecification",
    "FlatMapSpecification",
    "Function",
    "KeySelection",
    "KeyedProcessSpecification",
    "KeyedReduceSpecification",
    "MapBatchesSpecification",
    "MapSpecification",
    "OperatorSpecification",
    "ProcessSpecification",
    "ReaderSpecification",
    "SinkSpecification",
    "TimestampsSpecification",
    "WindowSpecification",
    "source_of",
]


@dataclass(frozen=True, slots=True)
class MapSpecification(OperatorSpecification):
    """One record out for each in."""

    function: Function


@dataclass(frozen=True, slots=True)
class FlatMapSpecification(OperatorSpecification):
    """Any number of records out for each in."""

    function: Function


@dataclass(frozen=True, slots=True)
class FilterSpecification(OperatorSpecification):
    """The records for which the function is true."""

    function: Function


@dataclass(frozen=True, slots=True)
class MapBatchesSpecification(OperatorSpecification):
    """A `pyarrow.RecordBatch` out for each in; rows keep their times where the number of rows stays the same."""

    function: Function


@dataclass(frozen=True, slots=True)
class ProcessSpecification(OperatorSpecification):
    """A ProcessFunction: any number of records, side outputs; no keyed state."""

    function: Function


@dataclass(frozen=True, slots=True)
class KeyedProcessSpecification(OperatorSpecification):
    """A KeyedProcessFunction: state and timers of the record's key."""

    function: Function
    key: KeySelection


@dataclass(frozen=True, slots=True)
class KeyedReduceSpecification(OperatorSpecification):
    """The running reduction of each key, one record out for each in."""

    function: Function
    key: KeySelection


@dataclass(frozen=True, slots=True)
class TimestampsSpecification(OperatorSpecification):
    """Times and watermarks for a stream, one generator per subtask (law 7.1)."""

    strategy: WatermarkStrategy[Any]


@dataclass(frozen=True, slots=True)
class EnumeratorSpecification(OperatorSpecification):
    """Finds a source's splits and gives them to readers by their credit (law 8.1)."""

    source: Source[Any]


@dataclass(frozen=True, slots=True)
class ReaderSpecification(OperatorSpecification):
    """Reads splits, one watermark generator each."""

    source: Source[Any]
    strategy: WatermarkStrategy[Any]


@dataclass(frozen=True, slots=True)
class SinkSpecification(OperatorSpecification):
    """Writer and committer in one operator (ARCHITECTURE 10)."""

    sink: Sink[Any]


@dataclass(frozen=True, slots=True)
class CollectSpecification(OperatorSpecification):
    """Keeps records until the client has fetched them (`execute_and_collect`)."""

    type: TypeInformation[Any] | None = None


def source_of(specification: OperatorSpecification) -> Source[Any] | None:
    """The source that an operator stands for, if it is a reader or an enumerator."""
    match specification:
        case EnumeratorSpecification(source=source) | ReaderSpecification(source=source):
            return source
        case _:
            return None


def selections_of(specification: OperatorSpecification) -> dict[int, KeySelection]:
    """How the keys of an operator's records are found, by input; inputs that need none are left out."""
    keys: tuple[object, ...] = getattr(specification, "keys", ()) or (getattr(specification, "key", None),)
    return {number: key for number, key in enumerate(keys) if isinstance(key, KeySelection)}
