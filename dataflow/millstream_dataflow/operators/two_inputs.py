"""Operators of two streams, as values. Input 0 is the stream on which the user made the call, input 1 the other one."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from millstream_dataflow.operators.specifications import Function, KeySelection, OperatorSpecification
from millstream_dataflow.state import MapStateDescriptor
from millstream_dataflow.tags import OutputTag


class CoCall(Enum):
    """The call on connected streams, which says how their functions are called. The value is for people."""

    MAP = "Co-Map"
    FLAT_MAP = "Co-Flat Map"
    PROCESS = "Co-Process"


@dataclass(frozen=True, slots=True)
class CoProcessSpecification(OperatorSpecification):
    """A function object for both inputs, or a pair of plain functions; no keyed state, no timers."""

    function: Function
    call: CoCall


@dataclass(frozen=True, slots=True)
class KeyedCoProcessSpecification(OperatorSpecification):
    """The same where both streams have keys: they share the state of a key, and its timers."""

    function: Function
    call: CoCall
    keys: tuple[KeySelection, KeySelection]


@dataclass(frozen=True, slots=True)
class BroadcastProcessSpecification(OperatorSpecification):
    """A BroadcastProcessFunction or a pair. `states` are those that input 1 writes and input 0 reads."""

    function: Function
    states: tuple[MapStateDescriptor[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class KeyedBroadcastProcessSpecification(OperatorSpecification):
    """A KeyedBroadcastProcessFunction or a pair: input 0 has keys."""

    function: Function
    key: KeySelection
    states: tuple[MapStateDescriptor[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class IntervalJoinSpecification(OperatorSpecification):
    """Pairs of records with one key, of which the right one's time is that of the left one plus `lower` to `upper`,
    milliseconds, both included.
    """

    function: Function
    keys: tuple[KeySelection, KeySelection]
    lower: int
    upper: int
    late: tuple[OutputTag[Any] | None, OutputTag[Any] | None] = (None, None)
    """Where late records of each input go; None: they are dropped."""
