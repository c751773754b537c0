"""What the calls of a stream accept, checked when the call is made.

A mistake here would otherwise show up in a worker, at the first record. What a function must look like is decided by
`millstream_dataflow.functions.resolve`, which the workers ask as well; here its answer gets the place of the call.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from millstream.datastream.call_site import call_site
from millstream.datastream.declared_types import returned_type
from millstream.datastream.fields import FieldSelector
from millstream.errors import ArgumentError
from millstream_dataflow.functions import resolve_key_selector, resolve_partitioner
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.types import TypeInformation

R = TypeVar("R")


def accepted(resolve: Callable[[object], R], function: object) -> R:
    """What the runtime will call; ArgumentError when it can't be called as the operation does."""
    try:
        return resolve(function)
    except TypeError as problem:
        raise ArgumentError(str(problem), "", defined_at=call_site()) from None


def accepted_instance(call: str, value: object, kind: type[Any], wanted: str) -> None:
    """Refuse an argument that is no object of the class."""
    if not isinstance(value, kind):
        raise ArgumentError(f"{call} takes {wanted}, but got {value!r:.80}", "", defined_at=call_site())


def key_selection(selector: object, key_type: TypeInformation[Any] | None) -> KeySelection:
    """How keys are found, by function or by field, and their type where it is known: declared, or annotated."""
    if isinstance(selector, int | str) and not isinstance(selector, bool):
        return KeySelection(FieldSelector(selector), key_type)
    function = accepted(resolve_key_selector, selector)
    return KeySelection(function, key_type or returned_type(function))


def partitioner_function(partitioner: object) -> Callable[[Any, int], int]:
    """A partitioner as a function of the key and the number of partitions."""
    return accepted(resolve_partitioner, partitioner)
