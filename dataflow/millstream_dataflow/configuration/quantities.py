"""Durations and sizes of memory, in the notations that Flink reads.

Flink writes ``10 s`` and ``64 kb``, YAML files in the wild hold ``10s``, ``60000`` and ``PT10S`` as well; all of
them are read. A duration is a :class:`~datetime.timedelta`, a size a number of bytes; neither has a sign.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.parsers import Parser

NANOSECOND_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60 * 1_000_000_000,
    "h": 3600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
}
"""The units that Millstream writes, in nanoseconds; a timedelta resolves 1,000 of them (a microsecond)."""

_DURATION_NAMES: Final = {
    "ns": ("ns", "nano", "nanos", "nanosecond", "nanoseconds"),
    "us": ("us", "µs", "μs", "micro", "micros", "microsecond", "microseconds"),
    "ms": ("", "ms", "milli", "millis", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "m", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
    "d": ("d", "day", "days"),
}
_UNIT_OF_DURATION: Final = {name: unit for unit, names in _DURATION_NAMES.items() for name in names}

BYTE_UNITS: Final = {"bytes": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
"""The units that Millstream writes, in bytes; Flink's are powers of 1,024 as well."""

_MEMORY_NAMES: Final = {
    "bytes": ("", "b", "bytes"),
    "kb": ("k", "kb", "kib", "kibibytes"),
    "mb": ("m", "mb", "mib", "mebibytes"),
    "gb": ("g", "gb", "gib", "gibibytes"),
    "tb": ("t", "tb", "tib", "tebibytes"),
}
_UNIT_OF_MEMORY: Final = {name: unit for unit, names in _MEMORY_NAMES.items() for name in names}

_ISO: Final = re.compile(
    r"P(?:(?P<d>[0-9]{1,24})D)?(?:T(?:(?P<h>[0-9]{1,24})H)?(?:(?P<min>[0-9]{1,24})M)?(?:(?P<s>[0-9]{1,24})(?:\.(?P<part>[0-9]{1,9}))?S)?)?",
    re.IGNORECASE,
)
_AMOUNT: Final = re.compile(r"(?P<number>[0-9]{1,24})\s*(?P<unit>[^\W\d]*)")


def _amount(text: str, units: dict[str, str]) -> tuple[int, str]:
    """``"10 s"`` as ``(10, "s")``."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError
    unit = units.get(found["unit"].lower())
    if unit is None:
        raise ValueError(f"{found['unit']!r} is no unit")
    return int(found["number"]), unit


def _iso_nanoseconds(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None or text[-1] in "PpTt":
        raise ValueError
    whole = sum(int(found[unit] or 0) * NANOSECOND_UNITS[unit] for unit in ("d", "h", "min", "s"))
    return whole + int((found["part"] or "").ljust(9, "0"))


def _read_duration(text: str) -> timedelta:
    if text[:1] in ("P", "p"):
        nanoseconds = _iso_nanoseconds(text)
    else:
        number, unit = _amount(text, _UNIT_OF_DURATION)
        nanoseconds = number * NANOSECOND_UNITS[unit]
    microseconds, rest = divmod(nanoseconds, 1_000)
    if rest:
        raise ValueError("it is finer than a microsecond")
    try:
        return timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("it is longer than 999,999,999 days") from None


def _write_duration(value: timedelta) -> str:
    nanoseconds = (value.days * 86_400_000_000 + value.seconds * 1_000_000 + value.microseconds) * 1_000
    if nanoseconds < 0:
        raise ValueError("it is negative")
    if nanoseconds == 0:
        return "0 ms"
    unit = next(unit for unit in reversed(NANOSECOND_UNITS) if nanoseconds % NANOSECOND_UNITS[unit] == 0)
    return f"{nanoseconds // NANOSECOND_UNITS[unit]} {unit}"


def _read_memory(text: str) -> int:
    number, unit = _amount(text, _UNIT_OF_MEMORY)
    return number * BYTE_UNITS[unit]


def _write_memory(value: int) -> str:
    if value < 0:
        raise ValueError("it is negative")
    if value == 0:
        return "0 bytes"
    unit = next(unit for unit in reversed(BYTE_UNITS) if value % BYTE_UNITS[unit] == 0)
    return f"{value // BYTE_UNITS[unit]} {unit}"


def milliseconds(value: timedelta) -> int:
    """A duration in whole milliseconds, the unit of every clock inside Millstream; a part of one counts as one.

    >>> milliseconds(timedelta(microseconds=1))
    1
    """
    return -(-value // timedelta(milliseconds=1))


DURATION: Parser[timedelta] = Parser(
    "duration",
    "a duration such as 500 ms, 10 s, 1 min, 2 h or PT10S (a bare number is milliseconds)",
    _read_duration,
    _write_duration,
    lambda v: isinstance(v, timedelta),
)
MEMORY: Parser[int] = Parser(
    "memory size",
    "a size such as 64 kb, 16 mb or 1 gb (a bare number is bytes, a kb is 1,024 of them)",
    _read_memory,
    _write_memory,
    lambda v: isinstance(v, int) and not isinstance(v, bool),
)
