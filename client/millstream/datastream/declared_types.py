"""Types that a user need not declare, since the function says them in its annotations.

An annotation counts as a declaration: a value that doesn't fit it is an error that names both (law 9.4).
"""

import typing
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final

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
    """The same of a function that gives any number of values: the type of one."""
    annotation = return_annotation(function, method)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None or not arguments or getattr(origin, "__name__", "") not in _ITEMS_OF:
        return None
    if origin is tuple and arguments[1:] != (Ellipsis,):
        return None
    return from_hint(arguments[0])


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
