"""Rows to columns and back, where an operator takes the other form.

Columns become `Row`s with the columns' names. Rows become columns only where their type says how: `Types.ROW_NAMED`, a
dataclass or a NamedTuple with annotations, declared by the user or seen in the first record. Times go along.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_dataflow.records.batches import times_list
from millstream_dataflow.types import Row, TypeInformation, arrow_type, from_hint
from millstream_dataflow.types.classes import ClassType
from millstream_taskmanager.user_code.errors import NO_RECORD, UserCodeError


def to_rows(batch: ColumnBatch) -> RowBatch:
    """A Row for each row. A column of structs holds dicts, one of maps as well."""
    names = batch.columns.schema.names
    if not names:
        return RowBatch([Row() for _ in range(len(batch))], times_list(batch.timestamps))
    named = Row(*names)
    columns = [column.to_pylist(maps_as_pydicts="strict") for column in batch.columns.columns]
    return RowBatch(list(map(named, *columns)), times_list(batch.timestamps))


class ToColumns:
    """Rows of one edge as columns, for an operator that takes them."""

    def __init__(self, type_: TypeInformation[Any] | None, operator: str) -> None:
        """`operator` is named when a record doesn't fit."""
        self._operator = operator
        self._type = type_
        self._schema: pa.Schema | None = None
        self._fields: Callable[[Any], Sequence[Any]] = tuple

    def __call__(self, batch: RowBatch) -> ColumnBatch:
        """UserCodeError for rows of no known type, and for a record that doesn't fit."""
        schema = self._schema or self._resolve(batch.values)
        times = None if batch.timestamps is None else np.array(batch.timestamps, np.int64)
        try:
            columns = list(zip(*map(self._fields, batch.values), strict=True)) or [()] * len(schema)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        except Exception as error:  # Arrow and the user's class raise what they like
            raise self._misfit(error, batch.values) from error
        return ColumnBatch(pa.RecordBatch.from_arrays(arrays, schema=schema), times)

    def _resolve(self, values: Sequence[Any]) -> pa.Schema:
        first = values[0] if values else None
        type_ = self._type or _type_of_class(first)
        struct = None if type_ is None else arrow_type(type_)
        if type_ is None or struct is None or not pa.types.is_struct(struct):
            raise UserCodeError(_untyped(type_, first), self._operator, NO_RECORD if first is None else first)
        self._type = type_
        if isinstance(type_, ClassType):
            self._fields = _attributes(type_.names)
        self._schema = pa.schema(list(struct))
        return self._schema

    def _misfit(self, error: Exception, values: Sequence[Any]) -> UserCodeError:
        """Names the first record that isn't of the type."""
        if self._type is not None:
            for value in values:
                if (sentence := self._type.check(value)) is not None:
                    return UserCodeError(InvalidTypesError(sentence), self._operator, value)
        return UserCodeError(error, self._operator)


def _type_of_class(value: object) -> TypeInformation[Any] | None:
    """The type that a record's own class declares."""
    type_ = from_hint(type(value))
    return type_ if isinstance(type_, ClassType) else None


def _attributes(names: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _untyped(type_: TypeInformation[Any] | None, first: object) -> InvalidTypesError:
    what = (
        f"rows of type {type_}"
        if type_ is not None
        else f"rows whose type isn't declared (here {type(first).__name__})"
    )
    return InvalidTypesError(
        f"it takes columns, and {what} can't become columns; declare the output type of the operator before it as "
        "Types.ROW_NAMED(...), or let it give a dataclass or a NamedTuple with annotations"
    )
