"""Fields of records by position or name, and the functions made of them: `sum(1)`, `min("price")`.

What a field is says `millstream_dataflow.expressions.records`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, cast

from millstream_dataflow.expressions.records import Field, field_of
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
            raise TypeError(
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


@dataclass(frozen=True, slots=True)
class FieldSum:
    """The first record with the sum of all in one field."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # records and fields are the user's
        """Two records become one."""
        return with_field(one, self.field, field_of(one, self.field) + field_of(other, self.field))


@dataclass(frozen=True, slots=True)
class FieldMin:
    """The first record with the least of all in one field. Its other fields stay those of the first, as in Flink."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """Two records become one."""
        return with_field(one, self.field, min(field_of(one, self.field), field_of(other, self.field)))


@dataclass(frozen=True, slots=True)
class FieldMax:
    """The first record with the greatest of all in one field. Its other fields stay those of the first, as in Flink."""

    field: Field

    def __call__(self, one: Any, other: Any) -> Any:  # noqa: ANN401  # as above
        """Two records become one."""
        return with_field(one, self.field, max(field_of(one, self.field), field_of(other, self.field)))
