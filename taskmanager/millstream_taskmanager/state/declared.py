"""Whether what a function puts into a state is of the type that its descriptor declares (law 9.4).

Where it isn't, the function hears so, at the record that it comes from. (In Flink the serializer of the type fails, in
PyFlink its coder.) An int becomes the float that is declared, and a Row gets the declared names, as they do on streams
(`types.completion`).

State of keys is written for each record, so no more than the class of a value is looked at: not the range of a number,
nor what has parts, for to go through a tuple or a list costs more than the update. Operator state and broadcast state
are looked at wholly, for so they are when they are restored.

Measured on Python 3.11 on a busy machine: a count in a ValueState 1.06 M records/s undeclared, 1.03 as an INT; to look
at a tuple of three wholly would take 3 us.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.types import Row, TypeInformation, Types
from millstream_dataflow.types.classes import ClassType, EnumType
from millstream_dataflow.types.completion import completer
from millstream_dataflow.types.composites import OptionalType, RowType
from millstream_dataflow.types.scalars import HINT_FLOAT, HINT_INT, Scalar

_EXACT: Final[dict[TypeInformation[Any], type]] = {
    **dict.fromkeys((Types.BYTE(), Types.SHORT(), Types.INT(), Types.LONG(), Types.BIG_INT(), HINT_INT), int),
    **dict.fromkeys((Types.FLOAT(), Types.DOUBLE(), HINT_FLOAT), float),
    Types.STRING(): str,
    Types.BOOLEAN(): bool,
}


@dataclass(frozen=True, slots=True)
class Check:
    """What looks at values."""

    exact: type | None
    """Values of just this class needn't be looked at. A call would take three times as long as to ask for it, so
    whoever writes a state asks at once.
    """
    fitting: Callable[[Any], Any]
    """The value as it is kept, which is most often itself. InvalidTypesError for one that doesn't fit."""
    all_fit: Callable[[Sequence[Any]], bool]
    """Of many at once: a tenth of the time."""


def flat_check(type_: TypeInformation[Any], state: str, part: str = "value") -> Check | None:
    """Of values of a state of keys; None where nothing is looked at. `part`: what an error calls a value."""
    inner: TypeInformation[Any] = type_.inner if isinstance(type_, OptionalType) else type_
    if isinstance(inner, RowType):
        return _naming(inner)
    whole = whole_check(type_, state, part)
    if whole is None or not isinstance(inner, Scalar | ClassType | EnumType):
        return None
    if isinstance(inner, Scalar):
        exact = _EXACT.get(inner)
        return Check(exact, whole.fitting, whole.all_fit if exact is None else _all_of(exact))
    classes = (inner.cls, type(None)) if isinstance(type_, OptionalType) else (inner.cls,)

    def fitting(value: object) -> object:
        return value if isinstance(value, classes) else whole.fitting(value)

    return Check(inner.cls, fitting, _all_of(inner.cls))


def whole_check(type_: TypeInformation[Any], state: str, part: str = "value") -> Check | None:
    """The same of all that a value holds. None where nothing was declared."""
    if type_ == Types.ANY():
        return None

    complete = completer(type_)

    def fitting(value: object) -> object:
        made = value if complete is None else complete(value)
        if (problem := type_.misfit(made, part)) is not None:
            mend = "declare the type of what is kept, or none where it may be anything"
            raise InvalidTypesError(f"state {state!r}: {problem}; {mend}")
        return made

    return Check(None, fitting, type_.all_fit)


def checked(values: Iterable[Any], check: Check | None) -> list[Any]:
    """All of them as they are kept, when each fits."""
    items = list(values)
    if check is None or check.all_fit(items):
        return items
    return [item if type(item) is check.exact else check.fitting(item) for item in items]


def _naming(type_: RowType) -> Check | None:
    """A Row gets the names of a ROW_NAMED, as on streams; else Rows are kept as they are given."""
    names, complete = type_.names, completer(type_)
    if names is None or complete is None:
        return None

    def fitting(value: object) -> object:
        return complete(value) if type(value) is Row and value.get_field_names() != names else value

    return Check(None, fitting, lambda _: False)


def _all_of(cls: type) -> Callable[[Sequence[Any]], bool]:
    return lambda values: {cls}.issuperset(map(type, values))
