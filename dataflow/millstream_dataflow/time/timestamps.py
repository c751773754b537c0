"""Where a record's event time comes from: a function of its value."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.reprs import bounded_repr

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

NO_TIMESTAMP = MIN_TIME
"""What an assigner is given as the record's former time when it has none, as in Flink."""


class TimestampAssigner(ABC, Generic[T_contra]):
    """Gives records their event times (Flink, "Generating Watermarks"). A plain function will do as well."""

    @abstractmethod
    def extract_timestamp(self, value: T_contra, record_timestamp: int) -> int:
        """The event time in milliseconds since the epoch; `record_timestamp` is the former one, or NO_TIMESTAMP."""


AssignerFunction: TypeAlias = TimestampAssigner[T] | Callable[[T, int], int] | Callable[[T], int]
"""An assigner, a function of value and former time, or a function of the value alone."""


def resolve_assigner(assigner: AssignerFunction[T]) -> Callable[[T, int], int]:
    """The function of value and former time that an assigner stands for; TypeError if it stands for none."""
    if isinstance(assigner, TimestampAssigner):
        return assigner.extract_timestamp
    given = cast("object", assigner)
    if not callable(given) or (isinstance(given, type) and issubclass(given, TimestampAssigner)):
        mend = "write it with parentheses" if callable(given) else "give a function of the value"
        raise TypeError(f"a timestamp assigner is a TimestampAssigner or a function, but got {given!r}; {mend}")
    if accepts(assigner, 1):  # first, since a second parameter with a default is the function's own affair
        return _OfValue(cast("Callable[[T], int]", assigner))
    if accepts(assigner, 2):
        return cast("Callable[[T, int], int]", assigner)
    raise TypeError(
        f"a timestamp assigner takes (value, timestamp) or (value), but got {assigner!r}{signature_text(assigner)}"
    )


def assign_all(
    assigner: Callable[[T, int], int], values: Sequence[T], timestamps: Sequence[int] | None = None
) -> list[int]:
    """The times of a batch; `timestamps` are the former ones. InvalidTypesError or InvalidProgramError for what is no
    time.
    """
    if isinstance(assigner, _OfValue):
        times = list(map(assigner.function, values))
    elif timestamps is None:
        times = [assigner(value, NO_TIMESTAMP) for value in values]
    else:
        times = [assigner(value, former) for value, former in zip(values, timestamps, strict=True)]
    if not {int}.issuperset(map(type, times)) or (times and (min(times) < MIN_TIME or max(times) > MAX_TIME)):
        _refuse_first(values, times)
    return times


_NO_VALUE: Final = object()


def checked_time(time: object, what: str, value: object = _NO_VALUE) -> int:
    """A time that user code gave: whole milliseconds in 64 bits. Else InvalidTypesError or InvalidProgramError, about
    `what`, which came of `value` if there is one.
    """
    if isinstance(time, int) and not isinstance(time, bool) and MIN_TIME <= time <= MAX_TIME:
        return time
    of = "" if value is _NO_VALUE else f" for {bounded_repr(value)}"
    if isinstance(time, int) and not isinstance(time, bool):
        raise InvalidProgramError(f"{what} must not be beyond 64 bits, but is {bounded_repr(time)}{of}")
    mend = "int(...)" if isinstance(time, float) else "milliseconds since the epoch as an int"
    given = f"{type(time).__qualname__} {bounded_repr(time)}{of}"
    raise InvalidTypesError(f"{what} must be an int of milliseconds, but is {given}; give {mend}")


@dataclass(frozen=True)
class _OfValue(Generic[T]):
    """A function of the value alone, called as one of value and former time."""

    function: Callable[[T], int]

    def __call__(self, value: T, _record_timestamp: int) -> int:
        return self.function(value)


def accepts(function: Callable[..., Any], count: int) -> bool:
    """Whether a function may be called with that many positional arguments."""
    try:
        signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin that doesn't tell: taken for a function of the value, as int and float are
        return count == 1
    return True


def signature_text(function: Callable[..., Any]) -> str:
    """Its parameters as they are written, or nothing where that isn't known."""
    try:
        return str(signature(function))
    except (TypeError, ValueError):
        return ""


def _refuse_first(values: Sequence[object], times: Sequence[object]) -> None:
    for value, time in zip(values, times, strict=True):
        checked_time(time, "what a timestamp assigner returns", value)
