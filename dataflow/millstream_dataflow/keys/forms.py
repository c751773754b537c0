"""The first rule that fits: every accepted key is read as one of eleven forms (protocols.md 11).

Hash, canonical bytes and in-memory identity must agree on what a key *is*: that `Decimal("1.0")`, `numpy.int8(1)` and
`True` are the number 1, that a `StrEnum` member is its text, that 13:00+01:00 is noon UTC. So this is decided once,
here, and each of the three is a function of the form alone. That is why equal canonical bytes imply equal hashes.

The rules, in order, with what the law leaves open:

* None.
* A number equal to an integer is that integer, of any size: bool, int and its subclasses (IntEnum, IntFlag), float,
  numpy's integers, floats and bools, Decimal. Other floats are themselves in 64 bits. -0.0 is the integer 0.
* str and bytes, with their subclasses (StrEnum, numpy.str_), by their content; a mixed-in type thus goes before Enum.
  A lone surrogate is kept as its own three bytes: no string is refused, and none falls together with another.
* tuple and NamedTuple, and every object with `__canonical_fields__` (Row): the fields in order.
* A frozen dataclass: its module and qualified name, and the fields that its own `==` compares (`compare=True`), in
  the order of declaration. An `__eq__` of its own is not asked.
* An Enum by class and member name; a Flag by class and value in decimal, as a new
  member renames combinations.
* datetime by its UTC microseconds since 1970, with `fold` respected; a naive one counts as UTC. date by its days.
* UUID.

What a class promises is asked of the class, never of the instance: a class object as a key has neither rule.
"""

import dataclasses
import datetime
import enum
import operator
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

from millstream_dataflow.keys.errors import refusal_of, refused_decimal, refused_fields, refused_time

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class CanonicalFields(Protocol):
    """What makes a class of rows a key like a tuple: its fields, in a fixed order, each of them a key itself."""

    def __canonical_fields__(self) -> tuple[object, ...]:
        """The fields by which two such objects are the same key."""
        ...


class Record(NamedTuple):
    """A frozen dataclass: equal fields of another class are another key."""

    module: str
    qualname: str
    fields: tuple[object, ...]


class Member(NamedTuple):
    """A member of an Enum that is not a number, a str or bytes as well."""

    module: str
    qualname: str
    name: str


class Instant(NamedTuple):
    """A datetime as microseconds since 1970 in UTC."""

    microseconds: int


# Always of exactly these types. The fields of a tuple and of a Record are keys still to be read.
Form = None | int | float | str | bytes | tuple[object, ...] | Record | Member | Instant | datetime.date | uuid.UUID
# Any: each reader takes the one type that its rule has selected.
_Reader = Callable[[Any], Form]

# A Decimal's exponent makes a number of any size out of ten characters; 4,300 digits is where Python itself stops
# between int and str. Beyond, one key could take all memory: Decimal("1E+999999999").
MAX_DECIMAL_DIGITS = 4_300

_EXACT_TUPLE: Callable[[tuple[object, ...], slice], tuple[object, ...]] = cast("Any", tuple).__getitem__
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)


def form_of(key: object) -> Form:
    """The form of a key; UnstableKeyError if no rule accepts it. The fields of a tuple are not looked at."""
    kind: type = type(key)
    return _reader_of(kind)(key)


def check_key_type(cls: type) -> None:
    """Refuse a declared type of keys before there is a record: UnstableKeyError if no rule accepts the class."""
    _reader_of(cls)


@lru_cache(maxsize=1024)  # a job has a handful of key types; bounded, as a cache must not keep user classes for ever
def _reader_of(cls: type) -> _Reader:
    for accepts, reader in _RULES:
        if accepts(cls):
            return reader
    if _is_frozen(cls):
        return _record_reader(cls)
    for kind, reader in _LATER_RULES:
        if issubclass(cls, kind):
            return reader
    raise refusal_of(cls)


def _kind(*kinds: type) -> Callable[[type], bool]:
    return lambda cls: issubclass(cls, kinds)


def _is_numpy_number(cls: type) -> bool:
    numpy = sys.modules.get("numpy")  # who hasn't imported it has no such class
    if numpy is None:
        return False
    # numpy counts its timedelta64 among the signed integers.
    numbers = (numpy.bool_, numpy.float16, numpy.float32, numpy.float64, numpy.integer)
    return issubclass(cls, numbers) and not issubclass(cls, numpy.timedelta64)


def _has_fields(cls: type) -> bool:
    return callable(getattr(cls, "__canonical_fields__", None))


def _is_frozen(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and cast("Any", cls).__dataclass_params__.frozen is True


def _read_none(_key: None) -> None:
    return None


def _read_float(key: float) -> int | float:
    number = float.__float__(key)
    return int(number) if number.is_integer() else number


def _read_numpy(key: "np.generic[Any]") -> int | float:
    number = key.item()
    return _read_float(number) if isinstance(number, float) else int(number)


def _read_decimal(key: Decimal) -> int:
    if not key.is_finite():
        raise refused_decimal(f"{key} is not a finite number")
    if key and key.adjusted() >= MAX_DECIMAL_DIGITS:
        raise refused_decimal(f"it has more than {MAX_DECIMAL_DIGITS} digits")
    number = int(key)
    if number != key:
        raise refused_decimal(f"{key} is not a whole number")
    return number


def _read_bytes(key: bytes) -> bytes:
    return bytes.__getitem__(key, slice(None))


def _read_tuple(key: tuple[object, ...]) -> tuple[object, ...]:
    return _EXACT_TUPLE(key, slice(None))


def _read_fields(key: CanonicalFields) -> tuple[object, ...]:
    fields = cast("object", key.__canonical_fields__())
    if not isinstance(fields, tuple):
        raise refused_fields(type(key), fields)
    return _read_tuple(cast("tuple[object, ...]", fields))


def _record_reader(cls: type) -> _Reader:
    module, qualname = cls.__module__, cls.__qualname__
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    if len(names) < 2:  # attrgetter of one name returns the bare value
        return lambda key: Record(module, qualname, tuple(getattr(key, name) for name in names))
    fields_of = operator.attrgetter(*names)
    return lambda key: Record(module, qualname, fields_of(key))


def _read_enum(key: enum.Enum) -> Member:
    cls = type(key)
    # The name of a Flag lists the members it is made of, so that a new member renames it, and Flag(0) has none.
    name = str(key.value) if isinstance(key, enum.Flag) else key.name
    return Member(cls.__module__, cls.__qualname__, name)


def _read_datetime(key: datetime.datetime) -> Instant:
    # pandas' Timestamp is a datetime with nanoseconds, its NaT one without a time.
    if getattr(key, "nanosecond", 0) != 0:
        raise refused_time(f"{type(key).__module__}.{type(key).__qualname__}")
    minutes = ((key.toordinal() - _EPOCH_DAY) * 24 + key.hour) * 60 + key.minute
    microseconds = (minutes * 60 + key.second) * 1_000_000 + key.microsecond
    offset = key.utcoffset()
    return Instant(microseconds if offset is None else microseconds - offset // _MICROSECOND)


def _read_date(key: datetime.date) -> datetime.date:
    return datetime.date(key.year, key.month, key.day)


def _read_uuid(key: uuid.UUID) -> uuid.UUID:
    return uuid.UUID(int=key.int)


# The unbound methods return the exact type for a subclass, whatever the subclass overrides.
_RULES: tuple[tuple[Callable[[type], bool], _Reader], ...] = (
    (_kind(type(None)), _read_none),
    (_kind(int), int.__int__),
    (_kind(float), _read_float),
    (_is_numpy_number, _read_numpy),
    (_kind(Decimal), _read_decimal),
    (_kind(str), str.__str__),
    (_kind(bytes), _read_bytes),
    (_kind(tuple), _read_tuple),
    (_has_fields, _read_fields),
)
# Behind the frozen dataclasses. A datetime is a date, so it goes first.
_LATER_RULES: tuple[tuple[type, _Reader], ...] = (
    (enum.Enum, _read_enum),
    (datetime.datetime, _read_datetime),
    (datetime.date, _read_date),
    (uuid.UUID, _read_uuid),
)


def days_of(day: datetime.date) -> int:
    """Days since 1970-01-01, negative before."""
    return day.toordinal() - _EPOCH_DAY
