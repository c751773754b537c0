"""Tuples and dicts become Rows where a type of rows was declared, as PyFlink's `from_collection` does it."""

from collections.abc import Sequence
from typing import Any, cast

from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.types.composites import ListType, MapType, OptionalType, RowType, TupleType


def with_rows(value: Any, type_: TypeInformation[Any]) -> Any:  # noqa: ANN401  # any record
    """The value, its tuples, lists and dicts made Rows where `type_` has rows, and its Rows named where they have no
    names. A field that a dict hasn't is None.

    What has no rows in its type, and what doesn't fit, stays as it is.
    """
    return _converted(value, type_) if _has_rows(type_) else value


def _has_rows(type_: TypeInformation[Any]) -> bool:
    match type_:
        case RowType():
            return True
        case TupleType(fields=fields):
            return any(map(_has_rows, fields))
        case ListType(element=part) | MapType(value=part) | OptionalType(inner=part):
            return _has_rows(part)
        case _:
            return False


def _converted(value: Any, type_: TypeInformation[Any]) -> Any:  # noqa: ANN401  # any record
    kind: type = type(value)
    match type_:
        case RowType() if issubclass(kind, Row | tuple | list):
            return _row(value, type_)
        case RowType(names=tuple(names)) if kind is dict and set(names).issuperset(value):
            return _row([value.get(name) for name in names], type_)
        case TupleType(fields=fields) if kind is tuple and len(value) == len(fields):
            return tuple(map(with_rows, value, fields))
        case ListType(element=element) if kind is list:
            return [with_rows(item, element) for item in value]
        case MapType(value=part) if kind is dict:
            return {key: with_rows(item, part) for key, item in value.items()}
        case OptionalType(inner=inner):
            return with_rows(value, inner)
        case _:
            return value


def _row(value: Sequence[Any] | Row, type_: RowType) -> Any:  # noqa: ANN401  # what doesn't fit stays as it is
    if len(value) != len(type_.fields):
        return value
    row = Row(*map(with_rows, value, type_.fields))
    names = value.get_field_names() if isinstance(value, Row) else None
    if (names or type_.names) is not None:
        row.set_field_names(cast("tuple[str, ...]", names or type_.names))
    if isinstance(value, Row):
        row.set_row_kind(value.get_row_kind())
    return row
