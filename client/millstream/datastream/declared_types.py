"""Types that a user need not declare, since the function says them in its annotations.

An annotation counts as a declaration: a value that doesn't fit it is an error that names both (law 9.4). The values of
`from_collection` declare nothing: what a later function makes of them may be of other classes, as in PyFlink.
"""

import types
import typing
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final

from millstream_dataflow.functions import KeyedProcessFunction
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import TypeInformation, from_hint

AnyType = TypeInformation[Any] | None

_ITEMS_OF: Final = (
    *("Iterable", "Iterator", "Generator", "Sequence", "Collection", "list", "tuple", "set"),
    *("AsyncIterable", "AsyncIterator", "AsyncGenerator"),
)


def returned_type(function: object, method: str = "") -> AnyType:
    """The type of what a function gives, or the named method of a function object; None where nothing is said."""
    return from_hint(return_annotation(function, method))


def returned_items_type(function: object, method: str = "") -> AnyType:
    """The same of a function that gives any number of values: the type of one. Where it may also give None, or pairs of
    a tag and a value for a side output, these don't count.
    """
    annotation = _only([one for one in _members(return_annotation(function, method)) if one is not type(None)])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None or not arguments or getattr(origin, "__name__", "") not in _ITEMS_OF:
        return None
    if origin is tuple and arguments[1:] != (Ellipsis,):
        return None
    records = [one for one in _members(arguments[0]) if not _is_tagged(one)]
    return from_hint(_union(records))


def process_type(function: object) -> AnyType:
    """The same of a process function with timers, where what they give is said to be of one type with the rest."""
    type_ = returned_items_type(function, "process_element")
    timer = getattr(type(function), "on_timer", None)
    if not isinstance(function, KeyedProcessFunction) or timer is KeyedProcessFunction.on_timer:
        return type_
    return type_ if returned_items_type(function, "on_timer") == type_ else None


def return_annotation(function: object, method: str = "") -> object:
    """What a function, or the named method of a function object, is annotated to return; None where nothing is said."""
    code: object = getattr(function, method, function) if method else function
    if not isinstance(code, FunctionType | MethodType):
        code = getattr(type(code), "__call__", None)  # noqa: B004  # for its annotations, not to see if it is callable
    if not isinstance(code, FunctionType | MethodType):
        return None
    try:
        return typing.get_type_hints(typing.cast("Callable[..., Any]", code)).get("return")
    except Exception:  # noqa: BLE001  # an annotation may be any expression, and fail in any way
        return None


def _members(annotation: object) -> tuple[object, ...]:
    """Those of a union; else the annotation alone."""
    is_union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    return typing.get_args(annotation) if is_union else (annotation,)


def _only(annotations: list[object]) -> object:
    return annotations[0] if len(annotations) == 1 else None


def _union(annotations: list[object]) -> object:
    if len(annotations) < 2:
        return _only(annotations)
    return typing.Union[tuple(annotations)]  # noqa: UP007  # of a list


def _is_tagged(annotation: object) -> bool:
    """Whether it is a pair of a tag and a value."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is not tuple or len(arguments) != 2:
        return False
    return arguments[0] is OutputTag or typing.get_origin(arguments[0]) is OutputTag
