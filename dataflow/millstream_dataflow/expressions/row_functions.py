"""What functions do with the values of one record. Under the same names as in `functions`.

Each is looked up by the exact classes of its arguments, for which Python's own operator does the rest; whatever else
comes (null, an instance of a subclass, what isn't taken) goes the long way. Measured on Python 3.11: 0.15 us a call.
"""

import datetime
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from millstream_dataflow.expressions.errors import DivisionByZeroError
from millstream_dataflow.expressions.functions import FUNCTIONS
from millstream_dataflow.expressions.kinds import plain, refused, shown_values, whole

Apply = Callable[..., Any]
"""From arguments and options to the result."""

Classes = tuple[type, ...]

_INTS: Final = (int, int)
_MIXED: Final = ((int, float), (float, int), (float, float))
_EPOCH: Final = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  # what isn't UTC is brought there before
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)


def _apply(name: str, ways: Mapping[Classes, Apply]) -> Apply:
    """A function of one or two values; null gives null."""
    function = FUNCTIONS[name]
    count = function.arguments
    find = ways.get

    def long_way(values: tuple[Any, ...], options: tuple[Any, ...]) -> Any:  # noqa: ANN401  # any value
        if None in map(_none_only, values):
            return None
        values = tuple(map(plain, values))
        way = find(tuple(map(type, values)))
        if way is None:
            raise refused(function.sign, function.takes, shown_values(values))
        return way(*values, *options)

    def unary(value: Any, *options: Any) -> Any:  # noqa: ANN401  # as above
        way = find((type(value),))
        return long_way((value,), options) if way is None else way(value, *options)

    def binary(one: Any, other: Any, *options: Any) -> Any:  # noqa: ANN401  # as above
        way = find((type(one), type(other)))
        return long_way((one, other), options) if way is None else way(one, other, *options)

    return unary if count == 1 else binary


def _none_only(value: object) -> object:
    """So that `in` asks no user's `==`."""
    return None if value is None else 0


def _dividing(sign: str, call: Apply) -> Apply:
    """By zero it says what was to be divided."""

    def divided(one: Any, other: Any) -> Any:  # noqa: ANN401  # any numbers
        try:
            return call(one, other)
        except ZeroDivisionError:
            raise DivisionByZeroError(f"{one} {sign} {other}: division by zero") from None

    return divided


def _arithmetic(call: Apply, *, divides: bool = False, texts: bool = False) -> dict[Classes, Apply]:
    """Of whole numbers a whole number of 64 bits, of others a float."""

    def floats(one: float, other: float) -> float:
        result: float = call(float(one), float(other))
        return result

    ways: dict[Classes, Apply] = {_INTS: floats if divides else lambda one, other: whole(call(one, other))}
    ways |= dict.fromkeys(_MIXED, floats)
    if texts:
        ways[str, str] = call
    return ways


_NUMBERS_COMPARED: Final = ((int, float), (float, int))
_ALIKE: Final = (int, float, str, bytes, bool, datetime.date, datetime.time)


def _comparison(call: Apply) -> dict[Classes, Apply]:
    """Of values of one class; a whole number and a float as floats."""
    ways: dict[Classes, Apply] = {(kind, kind): call for kind in _ALIKE}
    ways |= dict.fromkeys(_NUMBERS_COMPARED, lambda one, other: call(float(one), float(other)))

    def moments(one: datetime.datetime, other: datetime.datetime) -> bool:
        aware = one.utcoffset() is not None, other.utcoffset() is not None
        if aware[0] != aware[1]:
            raise refused("a comparison", "times that all have a zone, or none", shown_values((one, other)))
        pair = [moment.astimezone(datetime.UTC) if aware[0] else moment.replace(fold=0) for moment in (one, other)]
        result: bool = call(*pair)
        return result

    ways[datetime.datetime, datetime.datetime] = moments
    return ways


def _and(one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
    _check_truth("&", one, other)
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
    _check_truth("|", one, other)
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


def _check_truth(sign: str, one: object, other: object) -> None:
    if (one is not None and type(one) is not bool) or (other is not None and type(other) is not bool):
        raise refused(sign, FUNCTIONS["and"].takes, shown_values((one, other)))


def _is_in(value: Any, _first: object, values: tuple[Any, ...]) -> bool:  # noqa: ANN401  # as above
    if isinstance(value, float) or any(isinstance(one, float) for one in values):
        return float(value) in {float(one) for one in values if one == one}  # noqa: PLR0124  # NaN equals none
    if isinstance(value, datetime.datetime):
        return any(_EQUAL(value, one) for one in values)
    return value in values


def _floor(moment: datetime.datetime, unit: str) -> datetime.datetime:
    if moment.utcoffset() is not None:
        raise refused("floor", FUNCTIONS["floor"].takes, shown_values((moment,)))
    size = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[unit]
    since_midnight = moment.hour * 3_600 + moment.minute * 60 + moment.second
    begun = since_midnight - since_midnight % size
    return moment.replace(hour=begun // 3_600, minute=begun // 60 % 60, second=begun % 60, microsecond=0, fold=0)


def _epoch_millis(moment: datetime.datetime) -> int:
    naive = moment.replace(fold=0) if moment.utcoffset() is None else moment.astimezone(datetime.UTC)
    return (naive.replace(tzinfo=None) - _EPOCH) // _MILLISECOND


def _text(call: Apply) -> dict[Classes, Apply]:
    return {(str,): call}


def _part(name: str, *classes: type) -> dict[Classes, Apply]:
    return {(kind,): operator.attrgetter(name) for kind in classes}


_DATES: Final = (datetime.date, datetime.datetime)
_CLOCKS: Final = (datetime.time, datetime.datetime)

_COMPARED: Final = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_OPERATORS: Final = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
_EQUAL: Final = _apply("equal", _comparison(operator.eq))

_WAYS: Final[Mapping[str, Mapping[Classes, Apply]]] = {
    "add": _arithmetic(operator.add, texts=True),
    "subtract": _arithmetic(operator.sub),
    "multiply": _arithmetic(operator.mul),
    "divide": _arithmetic(_dividing("/", operator.truediv), divides=True),
    "floor_divide": _arithmetic(_dividing("//", operator.floordiv)),
    "modulo": _arithmetic(_dividing("%", operator.mod)),
    "negate": {(int,): lambda value: whole(-value), (float,): operator.neg},
    "absolute": {(int,): lambda value: whole(abs(value)), (float,): abs},
    **{name: _comparison(call) for name, call in zip(_COMPARED, _OPERATORS, strict=True)},
    "not": {(bool,): operator.not_},
    "is_nan": {(int,): lambda _: False, (float,): math.isnan},
    "is_in": dict.fromkeys(_comparison(operator.eq), _is_in),
    "lower": _text(str.lower),
    "upper": _text(str.upper),
    "strip": _text(str.strip),
    "length": {(str,): len, (bytes,): len},
    "starts_with": _text(str.startswith),
    "ends_with": _text(str.endswith),
    "contains": _text(operator.contains),
    "replace": _text(str.replace),
    "slice": _text(lambda text, start, stop: text[start:stop]),
    "year": _part("year", *_DATES),
    "month": _part("month", *_DATES),
    "day": _part("day", *_DATES),
    "weekday": {(kind,): kind.weekday for kind in _DATES},
    "hour": _part("hour", *_CLOCKS),
    "minute": _part("minute", *_CLOCKS),
    "second": _part("second", *_CLOCKS),
    "epoch_millis": {(datetime.datetime,): _epoch_millis},
    "floor": {(datetime.datetime,): _floor},
}

ROW_FUNCTIONS: Final[Mapping[str, Apply]] = {
    **{name: _apply(name, ways) for name, ways in _WAYS.items()},
    "and": _and,
    "or": _or,
    "is_null": lambda value: value is None,
    "is_not_null": lambda value: value is not None,
}
