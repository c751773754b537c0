"""From Python's annotations to types, so that what a user has annotated need not be declared again.

An annotation is read as type checkers read it: a bool is an int, an int will do for a float. What can't be expressed
as a type of ours (unions, protocols, arrays) is ANY and travels by pickle; an annotation that says nothing gives None.
"""

import datetime
import enum
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from inspect import Parameter
from typing import Any, TypeVar, cast

from millstream_dataflow.types import scalars
from millstream_dataflow.types.classes import (
    DataclassType,
    EnumType,
    NamedTupleType,
    is_plain_dataclass,
    is_plain_enum,
    is_plain_named_tuple,
)
from millstream_dataflow.types.composites import ListType, MapType, Parts, TupleType, optional
from millstream_dataflow.types.information import TypeInformation

T = TypeVar("T")

_Type = TypeInformation[Any]
# Classes that are being read: one that contains itself stops there.
_Open = frozenset[type]

_CLASSES: dict[object, _Type] = {
    str: scalars.STRING,
    bool: scalars.BOOLEAN,
    int: scalars.HINT_INT,
    float: scalars.HINT_FLOAT,
    bytes: scalars.BYTES,
    Decimal: scalars.BIG_DEC,
    datetime.date: scalars.SQL_DATE,
    datetime.time: scalars.SQL_TIME,
    datetime.datetime: scalars.HINT_DATETIME,
}

_SAYS_NOTHING: tuple[object, ...] = (Any, object, Parameter.empty, None, type(None))


def from_hint(annotation: object) -> TypeInformation[Any] | None:
    """The type of values that are annotated so; None when the annotation says nothing about them.

    Strings are not resolved: take annotations from `typing.get_type_hints`.

    >>> str(from_hint(tuple[str, int | None]))
    'TUPLE([STRING(), OPTIONAL(int)])'
    """
    if isinstance(annotation, str | TypeVar) or annotation in _SAYS_NOTHING:
        return None
    return _read(annotation, frozenset())


def dataclass_type(cls: type[T]) -> TypeInformation[T]:
    """The type of a dataclass, its fields as they are annotated; TypeError for any other class."""
    if not (isinstance(cast("object", cls), type) and is_dataclass(cls)):
        raise TypeError(f"Types.DATACLASS takes a dataclass, but got {cls!r}; decorate it with @dataclass(frozen=True)")
    return _dataclass(cls, frozenset())


def named_tuple_type(cls: type[T]) -> TypeInformation[T]:
    """The type of a NamedTuple, its fields as they are annotated; TypeError for any other class."""
    if not _is_named_tuple(cls):
        raise TypeError(f"Types.NAMED_TUPLE takes a typing.NamedTuple class, but got {cls!r}")
    return _named_tuple(cls, frozenset())


def enum_type(cls: type[T]) -> TypeInformation[T]:
    """The type of an enum's members; TypeError for any other class."""
    if not (isinstance(cast("object", cls), type) and issubclass(cls, enum.Enum)):
        raise TypeError(f"Types.ENUM takes an enum.Enum class, but got {cls!r}")
    return EnumType(cls, is_plain_enum(cls))


def _read(annotation: object, open_classes: _Open) -> _Type:
    for name in ("__supertype__", "__value__"):  # of a NewType, of `type Name = ...`
        if (inner := getattr(annotation, name, None)) is not None and not isinstance(annotation, type):
            return _read(inner, open_classes)
    if origin := typing.get_origin(annotation):
        reader = _GENERICS.get(origin)
        return reader(typing.get_args(annotation), open_classes) if reader else scalars.ANY
    if not isinstance(annotation, type) or annotation in open_classes:
        return scalars.ANY
    if found := _CLASSES.get(annotation):
        return found
    return _read_class(annotation, open_classes)


def _read_class(cls: type, open_classes: _Open) -> _Type:
    if is_dataclass(cls):
        return _dataclass(cls, open_classes)
    if _is_named_tuple(cls):
        return _named_tuple(cls, open_classes)
    return EnumType(cls, is_plain_enum(cls)) if issubclass(cls, enum.Enum) else scalars.ANY


def _annotated(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    return _read(arguments[0], open_classes)


def _literal(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    """Of some values of one class that class; None among them makes it optional."""
    classes = {type(argument) for argument in arguments if argument is not None}
    inner = _read(classes.pop(), open_classes) if len(classes) == 1 else scalars.ANY
    return optional(inner) if None in arguments else inner


def _tuple(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    if Ellipsis in arguments:
        return scalars.ANY
    return TupleType(tuple(_read(argument, open_classes) for argument in arguments))


def _list(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    return ListType(_read(arguments[0], open_classes))


def _dict(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    return MapType(_read(arguments[0], open_classes), _read(arguments[1], open_classes))


def _union(arguments: tuple[object, ...], open_classes: _Open) -> _Type:
    members = [argument for argument in arguments if argument is not type(None)]
    return optional(_read(members[0], open_classes)) if len(members) == 1 else scalars.ANY


_GENERICS: dict[object, Callable[[tuple[object, ...], _Open], _Type]] = {
    tuple: _tuple,
    list: _list,
    dict: _dict,
    typing.Annotated: _annotated,
    typing.Literal: _literal,
    typing.Union: _union,
    types.UnionType: _union,
}


def _dataclass(cls: type[T], open_classes: _Open) -> TypeInformation[T]:
    names = tuple(field.name for field in fields(cast("Any", cls)))
    parts = _parts(cls, names, open_classes)
    return DataclassType(cls, names, parts, is_plain_dataclass(cls, parts))


def _named_tuple(cls: type[T], open_classes: _Open) -> TypeInformation[T]:
    names: tuple[str, ...] = cast("Any", cls)._fields
    parts = _parts(cls, names, open_classes)
    return NamedTupleType(cls, names, parts, is_plain_named_tuple(cls, parts))


def _parts(cls: type, names: tuple[str, ...], open_classes: _Open) -> Parts:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError):  # annotations that only a type checker can resolve
        hints = {}
    return tuple(_read(hints.get(name, Any), open_classes | {cls}) for name in names)


def _is_named_tuple(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def declared_type(declared: TypeInformation[T] | type[T] | None) -> TypeInformation[T]:
    """What a user declared by `Types`, by an annotation or not at all (ANY). TypeError for what is neither."""
    if isinstance(declared, TypeInformation):
        return declared
    if isinstance(cast("object", declared), str | int | float | list | tuple | types.FunctionType):
        what = f"a type is declared by Types or by an annotation such as int or list[str], but got {declared!r}"
        is_unmade = isinstance(cast("object", declared), types.FunctionType)
        raise TypeError(f"{what}; call it: Types.INT()" if is_unmade else what)
    return from_hint(declared) or scalars.ANY
