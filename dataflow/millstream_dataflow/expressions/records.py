"""Fields of records of any class: an item of a tuple, a list or a Row, an entry of a dict, an attribute of a dataclass,
a NamedTuple or any other object. Position 0 of a value that has no fields, such as a number, is the value itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter, itemgetter
from typing import Any, cast

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.expressions.schema import no_column, positions
from millstream_dataflow.types import Row, from_hint
from millstream_dataflow.types import scalars as of_scalars
from millstream_dataflow.types.classes import ClassType
from millstream_dataflow.types.composites import OptionalType
from millstream_dataflow.types.information import type_name
from millstream_dataflow.types.row import names_and_values

Field = int | str
Getter = Callable[[Any], Any]


def field_of(record: Any, field: Field) -> Any:  # noqa: ANN401  # records and fields are the user's
    """The value of a field; InvalidProgramError names the fields that there are, when the record has none such."""
    try:
        return _way(type(record), field, record)(record)
    except (LookupError, AttributeError, TypeError) as problem:
        raise _missing(field, record, "field") from _of_their_own(problem)


def names_of(record: object) -> tuple[str, ...] | None:
    """The names of a record's fields, in order; None where it has none."""
    kind = type(record)
    if isinstance(record, Row):
        return record.get_field_names()
    if is_dataclass(record):
        return tuple(field.name for field in fields(cast("Any", kind)))
    if isinstance(record, Mapping):
        mapping = cast("Mapping[object, object]", record)
        return tuple(mapping) if all(isinstance(name, str) for name in mapping) else None  # type: ignore[arg-type]  # just looked
    return getattr(kind, "_fields", None)


def columns_of(record: object) -> tuple[str, ...]:
    """The names that the record's fields would have as columns; none where it has no fields."""
    names = names_of(record)
    if names is None and isinstance(record, Sequence | Row) and not isinstance(record, str | bytes):
        return positions(len(record))
    return names or ()


class FieldReader:
    """Reads one field of records, quickly where one class follows another: 0.1 us a record.

    An int where a dataclass or NamedTuple says float is read as the float that it is in a column.
    """

    __slots__ = ("_field", "_ways")

    def __init__(self, field: Field) -> None:
        self._field = field
        self._ways: dict[type, Getter] = {}

    def __call__(self, record: Any) -> Any:  # noqa: ANN401  # as above
        """InvalidProgramError names the fields that there are."""
        kind = type(record)
        way = self._ways.get(kind)
        try:
            if way is None:
                way = self._ways[kind] = self._found(record)
            return way(record)
        except (LookupError, AttributeError, TypeError) as problem:
            raise _missing(self._field, record, "column") from _of_their_own(problem)

    def _found(self, record: object) -> Getter:
        kind = type(record)
        way = _way(kind, self._field, record)
        if _is_float(kind, self._field):
            return lambda one: float(value) if type(value := way(one)) is int else value
        return way


def _missing(field: Field, record: object, word: str) -> InvalidProgramError:
    kind = "Row" if isinstance(record, Row) else type_name(type(record))
    return no_column(field, columns_of(record), f"{kind} records", word)


def _of_their_own(problem: Exception) -> Exception | None:
    """What a property or an item of a user's class raised; None where there is no such code, so that the error says all
    and none of our lines are shown.
    """
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return None if module.startswith("millstream_dataflow.") else problem


def _way(kind: type, field: Field, record: object) -> Getter:
    if isinstance(record, Mapping):
        return itemgetter(field)
    place = _place(field)
    if issubclass(kind, Row):
        return itemgetter(field) if isinstance(field, int) else _of_named(field, place)
    if place is not None and kind in {tuple, list}:
        return itemgetter(place)
    if isinstance(field, str):
        return attrgetter(field) if "." not in field else lambda record: getattr(record, field)
    if is_dataclass(kind):
        names = [one.name for one in fields(kind)]
        return attrgetter(names[field])
    if isinstance(record, Sequence) and not isinstance(record, str | bytes):
        return itemgetter(field)
    if field == 0:
        return lambda value: value
    raise IndexError(f"a {kind.__name__} has no field {field}; only position 0, the value itself, is there")


def _of_named(field: str, place: int | None) -> Getter:
    """A field of Rows that mostly have one tuple of names. `place`: where it is in one without names."""
    known: tuple[str, ...] | None = ()
    index = 0

    def read(row: Row) -> Any:  # noqa: ANN401  # as above
        nonlocal known, index
        names, values = names_and_values(row)
        if names is not known:
            index = _index(names, field, place)
            known = names
        return values[index]

    return read


def _index(names: tuple[str, ...] | None, field: str, place: int | None) -> int:
    if names is not None and field in names:
        return names.index(field)
    if names is None and place is not None:
        return place
    raise KeyError(field)


def _place(field: Field) -> int | None:
    """The position that a name such as f0 stands for, where fields have none."""
    is_position = isinstance(field, str) and field[:1] == "f" and field[1:].isdecimal()
    return int(field[1:]) if is_position and isinstance(field, str) else None


def _is_float(kind: type, field: Field) -> bool:
    """Whether a class says so in its annotations."""
    if not is_dataclass(kind) and not hasattr(kind, "_fields"):
        return False
    type_ = from_hint(kind)
    if not isinstance(type_, ClassType):
        return False
    names = type_.names
    place = names.index(field) if isinstance(field, str) and field in names else field
    if not isinstance(place, int) or not -len(names) <= place < len(names):
        return False
    part = type_.fields[place]
    inner = part.inner if isinstance(part, OptionalType) else part
    return inner == of_scalars.HINT_FLOAT
