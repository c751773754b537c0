"""What all specifications have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.types import TypeInformation

Function = Any
"""A function object or a callable."""


@dataclass(frozen=True, slots=True)
class KeySelection:
    """How a record's key is found; the same key must come at every call."""

    selector: Callable[[Any], Any]
    type: TypeInformation[Any] | None = None


class OperatorSpecification:
    """Base of all specifications. `keyed` ones take their key from a KeySelection in the field `key`, those of two
    streams from one for each in `keys`.
    """

    __slots__ = ()
