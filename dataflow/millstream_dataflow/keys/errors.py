"""The refusal of a key, and what to use in its place (protocols.md 11: everything else is refused with the type).

A key decides which subtask owns a record and which state belongs to it, for years: after a restart, a rescale, an
upgrade of Python. A value is refused when its class promises none of that: it can change while it is a key, it is
compared by its place in memory, or its text or bytes differ between platforms. The error names the type and the mend;
the caller, who knows them, adds the operator and the record.
"""

import dataclasses
import datetime
import enum
import fractions

from millstream_dataflow.errors import NonRecoverableError


class UnstableKeyError(NonRecoverableError, TypeError):
    """A value (or a part of one) can't be a key, because its hash would not be the same everywhere and always.

    `type_name` is the refused type, `why` the reason, `instead` what serves as a key in its place.
    """

    def __init__(self, type_name: str, why: str, instead: str) -> None:
        """All three are kept as arguments too, so that the error survives pickling."""
        super().__init__(type_name, why, instead)
        self.type_name = type_name
        self.why = why
        self.instead = instead

    def __str__(self) -> str:
        """The case and the mend in one sentence."""
        return f"{self.type_name} can't be a key or a part of one: {self.why}; use {self.instead} instead"


_MUTABLE = "it can change while it is a key"
_NOT_LISTED = "its hash would differ between processes"
_UNORDERED = "its items have no order of their own"


def _refusals() -> tuple[tuple[type, str, str], ...]:
    """The first line whose type fits is the answer; `object` at the end fits everything."""
    import numpy as np  # noqa: PLC0415  # for this alone it would take a program 0.25 s
    import pyarrow as pa  # noqa: PLC0415  # as above

    return (
        (list, _MUTABLE, "a tuple of its items"),
        (dict, _MUTABLE, "a tuple of the values that identify the record"),
        (set, _MUTABLE, "tuple(sorted(value))"),
        (frozenset, _UNORDERED, "tuple(sorted(value))"),
        (bytearray, _MUTABLE, "bytes(value)"),
        (memoryview, _MUTABLE, "bytes(value)"),
        (np.ndarray, _MUTABLE, "tuple(value.tolist())"),
        (np.longdouble, "its width differs between platforms", "float(value)"),
        (np.datetime64, "its unit is not part of the key", "value.astype('datetime64[us]').item()"),
        (np.timedelta64, "its unit is not part of the key", "its whole microseconds as an int"),
        (complex, _NOT_LISTED, "the tuple (value.real, value.imag)"),
        (np.complexfloating, _NOT_LISTED, "the tuple (value.real, value.imag)"),
        (fractions.Fraction, _NOT_LISTED, "the tuple (value.numerator, value.denominator)"),
        (datetime.timedelta, _NOT_LISTED, "value // timedelta(microseconds=1)"),
        (datetime.time, _NOT_LISTED, "value.isoformat()"),
        (pa.Scalar, _NOT_LISTED, "value.as_py()"),
        (enum.EnumMeta, "a class has no value", "one of its members"),
        (type, "a class has no value", "its module and qualified name"),
        (object, _NOT_LISTED, "one of its fields, a tuple of them, or a frozen dataclass"),
    )


def refusal_of(cls: type) -> UnstableKeyError:
    """The error for a class that no rule accepts."""
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    if dataclasses.is_dataclass(cls):
        return UnstableKeyError(name, "this dataclass is not frozen, so it can change", "@dataclass(frozen=True)")
    why, instead = next((why, instead) for kind, why, instead in _refusals() if issubclass(cls, kind))
    return UnstableKeyError(name, why, instead)


def refused_decimal(why: str) -> UnstableKeyError:
    """The error for a Decimal that is no whole number (or not a number at all)."""
    return UnstableKeyError("decimal.Decimal", why, "str(value.normalize()), or an int in a smaller unit,")


def refused_fields(cls: type, result: object) -> UnstableKeyError:
    """The error for a `__canonical_fields__` that returns something else than a tuple."""
    why = f"its __canonical_fields__ returned {type(result).__qualname__}, not a tuple"
    return UnstableKeyError(f"{cls.__module__}.{cls.__qualname__}", why, "a tuple of its fields there")


def refused_time(type_name: str) -> UnstableKeyError:
    """The error for a point in time that is finer than a microsecond, or none at all."""
    why = "a key's time is in whole microseconds, and this value isn't"
    return UnstableKeyError(type_name, why, "the value cut to microseconds, or its nanoseconds as an int,")


def refused_column(type_name: str) -> UnstableKeyError:
    """The error for an Arrow column whose values no rule accepts."""
    return UnstableKeyError(
        f"a column of {type_name}", "no rule gives its values a hash", "a column or struct of plain types"
    )
