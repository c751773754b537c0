"""What the calls of a stream accept, checked when the call is made.

A mistake here would otherwise show up in a worker, at the first record. What a function must look like is decided by
`millstream_dataflow.functions.resolve`, which the workers ask as well; here its answer gets the place of the call.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, get_origin

from millstream.datastream.accumulators import refuse_shared_accumulators
from millstream.datastream.call_site import call_site
from millstream.datastream.checkpointed import refuse_unasked_state
from millstream.datastream.columns import key_type_of
from millstream.datastream.declared_types import return_annotation, returned_type
from millstream.errors import ArgumentError, KeyTypeError
from millstream_dataflow.expressions import ColumnKey, Expression, col
from millstream_dataflow.functions import resolve_key_selector, resolve_partitioner
from millstream_dataflow.names import name_problem
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.types import TypeInformation, from_hint
from millstream_dataflow.types.classes import ClassType, EnumType
from millstream_dataflow.types.information import class_key_problem
from millstream_dataflow.windows import (
    CountSlidingWindowAssigner,
    CountTumblingWindowAssigner,
    CountWindow,
    WindowAssigner,
)

R = TypeVar("R")

_MUTABLE: Final = (list, dict, set, bytearray)


def accepted(resolve: Callable[[object], R], function: object) -> R:
    """What the runtime will call; ArgumentError when it can't be called as the operation does."""
    try:
        resolved = resolve(function)
    except TypeError as problem:
        raise ArgumentError(str(problem), "", defined_at=call_site()) from None
    refuse_shared_accumulators(function)
    refuse_unasked_state(function)
    return resolved


def accepted_instance(call: str, value: object, kind: type[Any], wanted: str) -> None:
    """Refuse an argument that is no object of the class."""
    if not isinstance(value, kind):
        raise ArgumentError(f"{call} takes {wanted}, but got {value!r:.80}", "", defined_at=call_site())


def accepted_name(call: str, name: object) -> None:
    """Refuse what can't be the name of a job, an operator or the like."""
    if problem := name_problem(name):
        raise ArgumentError(f"{call} takes a name, but {problem}", "give it another one", defined_at=call_site())


def accepted_count(call: str, what: str, number: object, least: int) -> None:
    """Refuse what is no number of records, or a smaller one."""
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        wanted = f"a {what} that is a number of records, at least {least}"
        raise ArgumentError(f"{call} takes {wanted}, but got {number!r:.80}", "", defined_at=call_site())


def accepted_type(call: str, type_info: object) -> None:
    """Refuse what declares no type: a Python class, say."""
    if type_info is not None and not isinstance(type_info, TypeInformation):
        what = f"{call} takes a type of Types, such as Types.INT(), but got {type_info!r:.80}"
        raise ArgumentError(what, _as_type(type_info), defined_at=call_site())


def _as_type(given: object) -> str:
    """How the type of a class of the user's is written; empty where it isn't one."""
    if not isinstance(given, type):
        return ""
    meant = from_hint(given)
    if not isinstance(meant, ClassType | EnumType):
        return ""
    return f"write Types.{str(meant).partition('(')[0]}({given.__qualname__})"


def key_selection(
    selector: object, key_type: TypeInformation[Any] | None, records: TypeInformation[Any] | None = None
) -> KeySelection:
    """How keys are found, by function, field or expression, and their type where it is known: declared, annotated, or
    said by that of the records.
    """
    if isinstance(selector, list | tuple) or isinstance(cast("object", key_type), int | str):
        several = selector if isinstance(selector, list | tuple) else (selector, key_type)
        what = f"key_by takes one field, an expression or a function, but got {several!r:.80}"
        mend = "of several fields make one key: key_by(lambda record: (record.a, record.b))"
        raise ArgumentError(what, mend, defined_at=call_site())
    accepted_type("key_by", key_type)
    if isinstance(selector, int | str) and not isinstance(selector, bool):
        selector = col(selector)
    if isinstance(selector, Expression):
        known = key_type_of(selector, records)
        return KeySelection(ColumnKey(selector), key_type or known)
    function = accepted(resolve_key_selector, selector)
    return KeySelection(function, key_type or returned_type(function))


def refuse_mutable_keys(selector: object, key_type: TypeInformation[Any] | None) -> None:
    """KeyTypeError for a selector that is annotated to give what has no hash, such as a list, and has no `key_type`.

    Of any other class an instance may have a hash, so the record decides.
    """
    annotation = None if key_type is not None else return_annotation(selector, "get_key")
    cls = get_origin(annotation) or annotation
    if isinstance(cls, type) and issubclass(cls, _MUTABLE) and (problem := class_key_problem(cls)):
        what = f"key_by got a selector that is annotated to give {cls.__name__}, which can't be a key: {problem}"
        raise KeyTypeError(what, "let the key selector return something that can", defined_at=call_site())


def partitioner_function(partitioner: object) -> Callable[[Any, int], int]:
    """A partitioner as a function of the key and the number of partitions."""
    return accepted(resolve_partitioner, partitioner)


def count_windows(call: str, size: object, slide: object) -> WindowAssigner[Any, CountWindow]:
    """The assigner of windows of so many records; ArgumentError for what is no number of them."""
    for what, number in (("size", size), ("slide", slide)):
        accepted_count(call, what, number, 0 if what == "slide" else 1)  # no slide at all: one after another
    records, step = cast("int", size), cast("int", slide)
    return CountSlidingWindowAssigner(records, step) if step else CountTumblingWindowAssigner(records)
