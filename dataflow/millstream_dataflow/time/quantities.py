"""Spans of time. Python's own is `timedelta`; `Duration` and `Time` are there for programs written for PyFlink."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, cast

_NANOSECONDS = 1_000_000
"""In a millisecond."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time, PyFlink's `pyflink.common.Duration`: `Duration.of_seconds(20)`."""

    nanoseconds: int

    @staticmethod
    def of_days(days: int) -> "Duration":
        """Whole days of 24 hours."""
        return Duration(_whole(days, "Duration.of_days") * 86_400_000 * _NANOSECONDS)

    @staticmethod
    def of_hours(hours: int) -> "Duration":
        """Whole hours."""
        return Duration(_whole(hours, "Duration.of_hours") * 3_600_000 * _NANOSECONDS)

    @staticmethod
    def of_minutes(minutes: int) -> "Duration":
        """Whole minutes."""
        return Duration(_whole(minutes, "Duration.of_minutes") * 60_000 * _NANOSECONDS)

    @staticmethod
    def of_seconds(seconds: int) -> "Duration":
        """Whole seconds."""
        return Duration(_whole(seconds, "Duration.of_seconds") * 1_000 * _NANOSECONDS)

    @staticmethod
    def of_millis(millis: int) -> "Duration":
        """Whole milliseconds, the finest that streams know."""
        return Duration(_whole(millis, "Duration.of_millis") * _NANOSECONDS)

    @staticmethod
    def of_nanos(nanos: int) -> "Duration":
        """Nanoseconds; where the span is used they must make whole milliseconds."""
        return Duration(_whole(nanos, "Duration.of_nanos"))


@dataclass(frozen=True, slots=True, order=True, init=False)
class Time:
    """A span of time for windows, PyFlink's `pyflink.common.Time`: `Time.seconds(5)`. No point in time."""

    milliseconds_count: int

    def __init__(self, milliseconds: int) -> None:
        """Whole milliseconds; the field has another name, since `Time.milliseconds` makes one too."""
        object.__setattr__(self, "milliseconds_count", _whole(milliseconds, "Time"))

    @staticmethod
    def milliseconds(milliseconds: int) -> "Time":
        """Whole milliseconds."""
        return Time(_whole(milliseconds, "Time.milliseconds"))

    @staticmethod
    def seconds(seconds: int) -> "Time":
        """Whole seconds."""
        return Time(_whole(seconds, "Time.seconds") * 1_000)

    @staticmethod
    def minutes(minutes: int) -> "Time":
        """Whole minutes."""
        return Time(_whole(minutes, "Time.minutes") * 60_000)

    @staticmethod
    def hours(hours: int) -> "Time":
        """Whole hours."""
        return Time(_whole(hours, "Time.hours") * 3_600_000)

    @staticmethod
    def days(days: int) -> "Time":
        """Whole days of 24 hours."""
        return Time(_whole(days, "Time.days") * 86_400_000)

    def to_milliseconds(self) -> int:
        """The span in milliseconds."""
        return self.milliseconds_count


Span: TypeAlias = timedelta | Time | Duration | int
"""Whatever says how long: an int is milliseconds."""


def to_milliseconds(value: Span) -> int:
    """The span in milliseconds. ValueError when it isn't a whole number of them, TypeError for anything else."""
    match cast("object", value):
        case bool():
            pass
        case int(milliseconds):
            return milliseconds
        case Time(milliseconds_count=milliseconds):
            return milliseconds
        case timedelta() as span:
            return _quotient(span // _MICROSECOND, 1_000, value)
        case Duration(nanoseconds=nanoseconds):
            return _quotient(nanoseconds, _NANOSECONDS, value)
        case _:
            pass
    raise TypeError(f"a span of time is a timedelta, Duration, Time or int of milliseconds, but got {value!r}")


def _quotient(amount: int, per_millisecond: int, value: Span) -> int:
    milliseconds, rest = divmod(amount, per_millisecond)
    if rest:
        raise ValueError(f"time is counted in whole milliseconds, so {value!r} can't be expressed")
    return milliseconds


def _whole(value: int, constructor: str) -> int:
    if not isinstance(cast("object", value), int) or isinstance(value, bool):
        raise TypeError(f"{constructor} takes a whole number, but got {value!r}; use a smaller unit or a timedelta")
    return value
