"""From one kind of value to another, value by value. Columns are cast by Arrow where it says the same, else so.

    to      BYTE, SHORT, INT, LONG      of floats what stands before the point, of True 1, of texts such as '-12'
            FLOAT, DOUBLE               of whole numbers, of texts such as '1.5e3', 'nan'
            STRING                      of numbers as Python writes them, of truth values true and false, of dates and
                                        times in ISO 8601, with a blank between them
            BOOLEAN                     of the texts true and false, whatever their case
            SQL_DATE                    of times without a zone, of texts in ISO 8601
            SQL_TIMESTAMP               of dates (midnight), of times with a zone (as the clock shows in UTC), of texts
            INSTANT                     of times without a zone, which count as UTC, of texts with a zone

A value that can't be cast is an UncastableError, a number that has too many bits a TooManyBitsError, a kind that can't
be cast InvalidTypesError.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.expressions.errors import TooManyBitsError, UncastableError
from millstream_dataflow.expressions.kinds import Kind, kind_of, kind_of_type, plain
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types import scalars as of_scalars

Converter = Callable[[Any], Any]
_Type = TypeInformation[Any]

_BITS: Final[Mapping[_Type, int]] = {
    of_scalars.BYTE: 8,
    of_scalars.SHORT: 16,
    of_scalars.INT: 32,
    of_scalars.LONG: 64,
}
_FLOATS: Final = frozenset({of_scalars.FLOAT, of_scalars.DOUBLE})
_HINTS: Final[Mapping[_Type, _Type]] = {
    of_scalars.HINT_INT: of_scalars.LONG,
    of_scalars.HINT_FLOAT: of_scalars.DOUBLE,
}
_OTHERS: Final = (
    of_scalars.STRING,
    of_scalars.BOOLEAN,
    of_scalars.SQL_DATE,
    of_scalars.SQL_TIMESTAMP,
    of_scalars.INSTANT,
)
_TARGETS: Final = frozenset({*_BITS, *_FLOATS, *_OTHERS})

_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")


def target_of(type_: _Type | None, given: object) -> _Type:
    """The type that a user names as the target of a cast; InvalidTypesError for one that can't be."""
    target = None if type_ is None else _HINTS.get(type_, type_)
    if target not in _TARGETS:
        known = ", ".join(sorted(map(str, _TARGETS)))
        mend = f"it takes int, float, str, bool, datetime.date or one of Types: {known}"
        raise InvalidTypesError(f"cast can't give {short_repr(given)}; {mend}")
    return target


def check_cast(kind: Kind | None, target: _Type) -> None:
    """InvalidTypesError where values of the kind can't become such; None: it isn't known."""
    if kind is not None and kind is not Kind.NULL and kind is not kind_of_type(target):
        _converter(kind, target)


def cast_value(value: Any, target: _Type) -> Any:  # noqa: ANN401  # any value
    """The value as one of the target's; None stays None."""
    if value is None:
        return None
    value = plain(value)
    kind = kind_of(value)
    if kind is kind_of_type(target):
        return _fitting(value, target)
    return _fitting(_converter(kind, target)(value), target)


def _converter(kind: Kind, target: _Type) -> Converter:
    wanted = kind_of_type(target)
    converter = None if wanted is None else _CONVERTERS.get((kind, wanted))
    if converter is None:
        raise InvalidTypesError(f"{kind.value} can't be cast to {target}")
    return converter


def _fitting(value: Any, target: _Type) -> Any:  # noqa: ANN401  # as above
    bits = _BITS.get(target)
    if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise TooManyBitsError(f"{short_repr(value)} can't be cast to {target}, which has {bits} bits")
    return value


def _truncated(value: float) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise UncastableError(f"{value} can't be cast to a whole number") from None


def _parsed(what: str, parse: Callable[[str], Any]) -> Converter:
    def converter(text: str) -> Any:  # noqa: ANN401  # as above
        try:
            return parse(text)
        except (ValueError, KeyError):
            raise UncastableError(f"{short_repr(text)} can't be cast to {what}") from None

    return converter


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def _real(text: str) -> float:
    if "_" in text:
        raise ValueError
    return float(text)


def _naive(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError
    return moment


def _aware(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(datetime.UTC)


def _midnight(date: datetime.date) -> datetime.datetime:
    return datetime.datetime(date.year, date.month, date.day)  # noqa: DTZ001  # a time without a zone


_CONVERTERS: Final[Mapping[tuple[Kind, Kind], Converter]] = {
    (Kind.FLOAT, Kind.INTEGER): _truncated,
    (Kind.BOOLEAN, Kind.INTEGER): int,
    (Kind.TEXT, Kind.INTEGER): _parsed("a whole number", _whole),
    (Kind.INTEGER, Kind.FLOAT): float,
    (Kind.TEXT, Kind.FLOAT): _parsed("a float", _real),
    (Kind.INTEGER, Kind.TEXT): str,
    (Kind.FLOAT, Kind.TEXT): repr,
    (Kind.BOOLEAN, Kind.TEXT): lambda value: "true" if value else "false",
    (Kind.DATE, Kind.TEXT): datetime.date.isoformat,
    (Kind.TIME, Kind.TEXT): datetime.time.isoformat,
    (Kind.DATETIME, Kind.TEXT): lambda value: value.isoformat(" "),
    (Kind.INSTANT, Kind.TEXT): lambda value: value.isoformat(" "),
    (Kind.TEXT, Kind.BOOLEAN): _parsed("a truth value", lambda text: {"true": True, "false": False}[text.lower()]),
    (Kind.TEXT, Kind.DATE): _parsed("a date", datetime.date.fromisoformat),
    (Kind.DATETIME, Kind.DATE): datetime.datetime.date,
    (Kind.TEXT, Kind.DATETIME): _parsed("a time without a zone", _naive),
    (Kind.DATE, Kind.DATETIME): _midnight,
    (Kind.INSTANT, Kind.DATETIME): lambda value: value.astimezone(datetime.UTC).replace(tzinfo=None),
    (Kind.TEXT, Kind.INSTANT): _parsed("a time with a zone", _aware),
    (Kind.DATETIME, Kind.INSTANT): lambda value: value.replace(tzinfo=datetime.UTC),
}
