"""Fields of records by position or name, and the functions made of them: `sum(1)`, `min("price")`.

What a field is says `millstream_dataflow.expressions.records`.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Any, cast

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.expressions.records import Field, field_of
from millstream_dataflow.reprs import bounded_repr
from millstream_dataflow.types import Row


def with_field(record: Any, field: Field, value: Any) -> Any:  # noqa: ANN401  # as above
    """A copy of the record with another value in one field."""
    match record:
        case Row():
            return _row_with(record, field, value)
        case dict():
            return {**record, field: value}
        case list():
            copy = list(record)
            copy[cast("int", field)] = value
            return copy
        case tuple():
            return _tuple_with(record, field, value)
        case _ if dataclasses.is_dataclass(record) and isinstance(field, str):
            return dataclasses.replace(cast("Any", record), **{field: value})
        case _ if field == 0:
            return value
        case _:
            raise InvalidProgramError(
                f"a {type(record).__name__} can't be copied with another {field!r}; use reduce() with a function "
                "of your own, or records that are tuples, Rows, dicts or dataclasses"
            )


def _row_with(record: Row, field: Field, value: object) -> Row:
    copy = Row(*record)
    copy.set_row_kind(record.get_row_kind())
    names = record.get_field_names()
    if names is not None:
        copy.set_field_names(names)
    copy[field] = value
    return copy


def _tuple_with(record: tuple[Any, ...], field: Field, value: object) -> tuple[Any, ...]:
    names: tuple[str, ...] = getattr(record, "_fields", ())
    position = names.index(field) if isinstance(field, str) else field % len(record)
    items = (*record[:position], value, *record[position + 1 :])
    return cast("Any", type(record))(*items) if names else items


def least(former: Any, new: Any) -> Any:  # noqa: ANN401  # values are the user's
    """The lesser of two values, of equal ones the former. NaN is greater than every number, as in Flink: so it doesn't
    matter which comes first.
    """
    return new if new < former or (former != former and new == new) else former  # noqa: PLR0124  # NaN isn't itself


def greatest(former: Any, new: Any) -> Any:  # noqa: ANN401  # as above
    """The greater of two values, of equal ones the former; NaN as above."""
    return new if new > former or (new != new and former == former) else former  # noqa: PLR0124  # as above


def _of_both(call: str, combine: Callable[[Any, Any], Any], one: object, other: object, field: Field) -> Any:  # noqa: ANN401  # as above
    """A value of the two in a field; InvalidProgramError for what has none in common, such as a number and a text."""
    former, new = field_of(one, field), field_of(other, field)
    try:
        return combine(former, new)
    except TypeError as problem:
        raise not_combined(call, field, former, new, problem) from None


def not_combined(call: str, field: Field, former: object, new: object, problem: TypeError) -> InvalidProgramError:
    """The error for values of a field that `call` can't make one of. `problem`: what Python says."""
    values = f"{bounded_repr(former)} and {bounded_repr(new)}"
    what = f"{call}({field!r}) can't take {values} together: {problem}"
    return InvalidProgramError(f"{what}; use another field, or reduce() with a function of your own")


@dataclass(frozen=True, slots=True)
class FieldSum:
    """The first record with the sum of all in one field."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # records and fields are the user's
        """Two records become one."""
        return with_field(one, self.field, _of_both("sum", add, one, other, self.field))


@dataclass(frozen=True, slots=True)
class FieldMin:
    """The first record with the least of all in one field. Its other fields stay those of the first, as in Flink."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """Two records become one."""
        return with_field(one, self.field, _of_both("min", least, one, other, self.field))


@dataclass(frozen=True, slots=True)
class FieldMax:
    """The first record with the greatest of all in one field. Its other fields stay those of the first, as in Flink."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """Two records become one."""
        return with_field(one, self.field, _of_both("max", greatest, one, other, self.field))
