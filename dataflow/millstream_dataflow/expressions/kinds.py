"""The sorts of values that expressions tell apart, whether they stand in a column or in a record.

Two values can be compared, added and so on by their kinds alone. An integer of 8 bits and one of 64 are of one kind.
"""

import datetime
from enum import Enum
from typing import Any, Final, cast

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.expressions.errors import TooManyBitsError
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types import scalars as of_scalars
from millstream_dataflow.types.classes import EnumType
from millstream_dataflow.types.composites import OptionalType
from millstream_dataflow.types.information import type_name

LEAST, GREATEST = -(2**63), 2**63 - 1
"""Of whole numbers."""


class Kind(Enum):
    """What a value is to an expression; the value is how errors call it."""

    NULL = "null"
    INTEGER = "a whole number"
    FLOAT = "a float"
    BOOLEAN = "a truth value"
    TEXT = "a text"
    BYTES = "bytes"
    DATE = "a date"
    TIME = "a time of day"
    DATETIME = "a time without a zone"
    INSTANT = "a time with a zone"
    OTHER = "another object"


NUMBERS: Final = frozenset({Kind.INTEGER, Kind.FLOAT})

_CLASSES: Final[dict[type, Kind]] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    str: Kind.TEXT,
    bytes: Kind.BYTES,
    datetime.date: Kind.DATE,
    datetime.time: Kind.TIME,
}
_BASES: Final = (bool, int, float, str, bytes, datetime.datetime, datetime.date, datetime.time)

_OF_TYPES: Final[dict[TypeInformation[Any], Kind]] = {
    of_scalars.STRING: Kind.TEXT,
    of_scalars.CHAR: Kind.TEXT,
    of_scalars.BOOLEAN: Kind.BOOLEAN,
    of_scalars.BYTE: Kind.INTEGER,
    of_scalars.SHORT: Kind.INTEGER,
    of_scalars.INT: Kind.INTEGER,
    of_scalars.LONG: Kind.INTEGER,
    of_scalars.HINT_INT: Kind.INTEGER,
    of_scalars.HINT_FLOAT: Kind.FLOAT,
    of_scalars.BIG_INT: Kind.INTEGER,
    of_scalars.FLOAT: Kind.FLOAT,
    of_scalars.DOUBLE: Kind.FLOAT,
    of_scalars.SQL_DATE: Kind.DATE,
    of_scalars.SQL_TIME: Kind.TIME,
    of_scalars.SQL_TIMESTAMP: Kind.DATETIME,
    of_scalars.INSTANT: Kind.INSTANT,
    of_scalars.BYTES: Kind.BYTES,
}

_TYPES: Final[dict[Kind, TypeInformation[Any]]] = {
    Kind.INTEGER: of_scalars.LONG,
    Kind.FLOAT: of_scalars.DOUBLE,
    Kind.BOOLEAN: of_scalars.BOOLEAN,
    Kind.TEXT: of_scalars.STRING,
    Kind.BYTES: of_scalars.BYTES,
    Kind.DATE: of_scalars.SQL_DATE,
    Kind.TIME: of_scalars.SQL_TIME,
    Kind.DATETIME: of_scalars.SQL_TIMESTAMP,
    Kind.INSTANT: of_scalars.INSTANT,
}

# An annotated datetime may have a zone or not.
_OPEN: Final = frozenset({of_scalars.ANY, of_scalars.HINT_DATETIME})


def kind_of(value: object) -> Kind:
    """The kind of a Python value; an instance of a subclass is what its base is."""
    kind = _CLASSES.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, datetime.datetime):
        return Kind.DATETIME if value.utcoffset() is None else Kind.INSTANT
    return next((_CLASSES[base] for base in _BASES if base in _CLASSES and isinstance(value, base)), Kind.OTHER)


def plain(value: Any) -> Any:  # noqa: ANN401  # any value of a record
    """The value as an object of Python's own class: of an IntEnum the int, of a numpy scalar its item."""
    if type(value) in _CLASSES or type(value) is datetime.datetime:
        return value
    if hasattr(value, "dtype") and hasattr(value, "item"):  # numpy's, without importing it
        return value.item()
    base = next((base for base in _BASES[:5] if isinstance(value, base)), None)
    if base is None:
        return value
    # Not what a subclass says of itself: `str(Colour.RED)` is its name.
    return str.__str__(cast("str", value)) if base is str else cast("Any", base)(value)


def kind_of_type(type_: TypeInformation[Any] | None) -> Kind | None:
    """The kind of all values of a declared type; None where the type leaves it open."""
    if type_ is None or type_ in _OPEN:
        return None
    if isinstance(type_, OptionalType):
        inner: TypeInformation[Any] = type_.inner
        return kind_of_type(inner)
    if isinstance(type_, EnumType):
        members = cast("type", type_.cls)
        return Kind.INTEGER if issubclass(members, int) else Kind.TEXT if issubclass(members, str) else Kind.OTHER
    return _OF_TYPES.get(type_, Kind.OTHER)


def type_of_kind(kind: Kind | None) -> TypeInformation[Any]:
    """What is declared for results of that kind; ANY where it isn't known."""
    return of_scalars.ANY if kind is None else _TYPES.get(kind, of_scalars.ANY)


def shown_kinds(kinds: list[Kind | None]) -> str:
    """`a whole number and a text`."""
    return " and ".join("something unknown" if kind is None else kind.value for kind in kinds)


def shown_values(values: tuple[object, ...]) -> str:
    """`int 5 and str 'a'`, for the error of a record."""
    return " and ".join(f"{type_name(type(value))} {short_repr(value)}" for value in values)


def refused(written: str, takes: str, got: str) -> InvalidTypesError:
    """The error where a function got what it doesn't take."""
    return InvalidTypesError(f"{written} takes {takes}, but got {got}")


def whole(number: int) -> int:
    """The number, which must have 64 bits at most."""
    if LEAST <= number <= GREATEST:
        return number
    raise TooManyBitsError(f"the result {short_repr(number)} has more than 64 bits; cast to float where that will do")
