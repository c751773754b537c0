"""Types of one value. The table at the end is the whole of them: a row says what fits, and what is plain."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from millstream_dataflow.types.information import TypeInformation, class_key_problem, misfit_sentence

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scalar(TypeInformation[T_co]):
    """A type without parts, known by its name in the table of this file."""

    name: str

    def misfit(self, value: object, place: str) -> str | None:
        """One look at the class, and where it matters at the range."""
        rule = _RULES[self.name]
        return None if rule.fits(value) else misfit_sentence(self, rule.meaning, value, place)

    @property
    def is_plain(self) -> bool:
        """True for all but ANY."""
        return _RULES[self.name].plain is not None

    def all_plain(self, values: Sequence[object]) -> bool:
        """See TypeInformation."""
        plain = _RULES[self.name].plain
        return plain is not None and plain(values)

    def all_fit(self, values: Sequence[object]) -> bool:
        """See TypeInformation. Of ANY nothing is asked."""
        return self.name == "ANY" or super(Scalar, self).all_fit(values)

    def python_type(self) -> Any:  # noqa: ANN401  # an annotation may be any object
        """The Python class."""
        return _RULES[self.name].python_type

    def key_problem(self) -> str | None:
        """Asks `keys` about the class; of ANY nothing is known before its first value."""
        cls = _RULES[self.name].python_type
        return None if cls is Any else class_key_problem(cls)

    def __str__(self) -> str:
        return _RULES[self.name].written or f"{self.name}()"


@dataclass(frozen=True, slots=True)
class _Rule:
    python_type: Any
    meaning: str
    fits: Callable[[Any], bool]
    plain: Callable[[Sequence[Any]], bool] | None
    written: str = ""


def _all_of(cls: type) -> Callable[[Sequence[Any]], bool]:
    only = {cls}
    return lambda values: only.issuperset(map(type, values))


_all_int = _all_of(int)
_all_float = _all_of(float)
_all_str = _all_of(str)
_all_decimal = _all_of(Decimal)
_all_datetime = _all_of(datetime.datetime)
_all_time = _all_of(datetime.time)


def _integer(bits: int) -> _Rule:
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return _Rule(
        int,
        f"an int of {bits} bits, {lowest} to {highest}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest,
        lambda values: _all_int(values) and (not values or (min(values) >= lowest and max(values) <= highest)),
    )


def _floating(hint: str = "") -> _Rule:
    return _Rule(
        float, "a float; an int is written float(value)", lambda value: isinstance(value, float), _all_float, hint
    )


def _is_date(value: object) -> bool:
    return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)


def _is_naive(value: object) -> bool:
    return isinstance(value, datetime.datetime) and value.utcoffset() is None


def _is_aware(value: object) -> bool:
    return isinstance(value, datetime.datetime) and value.utcoffset() is not None


# msgpack keeps the instant but not the zone, and knows no `fold`, so only these come out as they went in.
def _all_plain_naive(values: Sequence[datetime.datetime]) -> bool:
    return _all_datetime(values) and all(value.tzinfo is None and not value.fold for value in values)


def _all_plain_utc(values: Sequence[datetime.datetime]) -> bool:
    return _all_datetime(values) and all(value.tzinfo is datetime.UTC and not value.fold for value in values)


def _all_plain_datetimes(values: Sequence[datetime.datetime]) -> bool:
    return _all_datetime(values) and all(
        (value.tzinfo is None or value.tzinfo is datetime.UTC) and not value.fold for value in values
    )


def _all_plain_times(values: Sequence[datetime.time]) -> bool:
    return _all_time(values) and all(value.tzinfo is None and not value.fold for value in values)


_RULES: dict[str, _Rule] = {
    "STRING": _Rule(str, "a str", lambda value: isinstance(value, str), _all_str),
    "CHAR": _Rule(
        str,
        "a str of one character",
        lambda value: isinstance(value, str) and len(value) == 1,
        lambda values: _all_str(values) and {1}.issuperset(map(len, values)),
    ),
    "BOOLEAN": _Rule(bool, "a bool", lambda value: isinstance(value, bool), _all_of(bool)),
    "BYTE": _integer(8),
    "SHORT": _integer(16),
    "INT": _integer(32),
    "LONG": _integer(64),
    "BIG_INT": _Rule(int, "an int", lambda value: isinstance(value, int) and not isinstance(value, bool), _all_int),
    # Python has one float, of 64 bits: FLOAT and DOUBLE hold the same values, since nothing is rounded on the way.
    "FLOAT": _floating(),
    "DOUBLE": _floating(),
    "BIG_DEC": _Rule(
        Decimal,
        "a decimal.Decimal",
        lambda value: isinstance(value, Decimal),
        lambda values: _all_decimal(values) and all(map(Decimal.is_finite, values)),
    ),
    "SQL_DATE": _Rule(datetime.date, "a datetime.date without a time", _is_date, _all_of(datetime.date)),
    "SQL_TIME": _Rule(
        datetime.time, "a datetime.time", lambda value: isinstance(value, datetime.time), _all_plain_times
    ),
    "SQL_TIMESTAMP": _Rule(datetime.datetime, "a datetime without a time zone", _is_naive, _all_plain_naive),
    "INSTANT": _Rule(datetime.datetime, "a datetime with a time zone", _is_aware, _all_plain_utc),
    "BYTES": _Rule(bytes, "bytes", lambda value: isinstance(value, bytes), _all_of(bytes), "PRIMITIVE_ARRAY(BYTE())"),
    "ANY": _Rule(Any, "anything that can be pickled", lambda _value: True, None),
    # What an annotation promises is what Python's type checkers let pass: a bool for an int, an int for a float.
    "int": _Rule(int, "an int", lambda value: isinstance(value, int), _all_int, "int"),
    "float": _Rule(float, "a float or an int", lambda value: isinstance(value, float | int), _all_float, "float"),
    "datetime": _Rule(
        datetime.datetime,
        "a datetime",
        lambda value: isinstance(value, datetime.datetime),
        _all_plain_datetimes,
        "datetime",
    ),
}

STRING: Scalar[str] = Scalar("STRING")
CHAR: Scalar[str] = Scalar("CHAR")
BOOLEAN: Scalar[bool] = Scalar("BOOLEAN")
BYTE: Scalar[int] = Scalar("BYTE")
SHORT: Scalar[int] = Scalar("SHORT")
INT: Scalar[int] = Scalar("INT")
LONG: Scalar[int] = Scalar("LONG")
BIG_INT: Scalar[int] = Scalar("BIG_INT")
FLOAT: Scalar[float] = Scalar("FLOAT")
DOUBLE: Scalar[float] = Scalar("DOUBLE")
BIG_DEC: Scalar[Decimal] = Scalar("BIG_DEC")
SQL_DATE: Scalar[datetime.date] = Scalar("SQL_DATE")
SQL_TIME: Scalar[datetime.time] = Scalar("SQL_TIME")
SQL_TIMESTAMP: Scalar[datetime.datetime] = Scalar("SQL_TIMESTAMP")
INSTANT: Scalar[datetime.datetime] = Scalar("INSTANT")
BYTES: Scalar[bytes] = Scalar("BYTES")
ANY: Scalar[Any] = Scalar("ANY")
HINT_INT: Scalar[int] = Scalar("int")
HINT_FLOAT: Scalar[float] = Scalar("float")
HINT_DATETIME: Scalar[datetime.datetime] = Scalar("datetime")

PRIMITIVES: frozenset[TypeInformation[Any]] = frozenset(
    {BOOLEAN, BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, CHAR, HINT_INT, HINT_FLOAT}
)
"""Elements of Flink's primitive arrays, and of its basic ones with STRING."""

MAP_KEYS: frozenset[TypeInformation[Any]] = frozenset(
    {STRING, CHAR, BOOLEAN, BYTE, SHORT, INT, LONG, BIG_INT, HINT_INT, BYTES, SQL_DATE}
)
"""Keys with which a map is plain: immutable in Python, and with no value that differs from itself, as NaN does."""
