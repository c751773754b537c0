"""Kinds of Arrow columns, and the one form in which a kind is computed with: whole numbers of 64 bits, floats of 64
bits, texts as `string`, times in microseconds.
"""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from millstream_dataflow.expressions.kinds import Kind

Column: TypeAlias = "pa.Array[Any]"
Operand: TypeAlias = "pa.Array[Any] | pa.Scalar[Any]"
"""A column, or a value that is the same in each row."""


class _Functions(Protocol):
    def __getattr__(self, name: str) -> Callable[..., Column]: ...


compute = cast("_Functions", pc)
"""Its functions take columns and scalars alike, which the stubs don't say."""

arrow = cast("_Functions", pa)
"""Makes columns of types that are known only when it runs, which the stubs have no way to say."""

FORMS: Final[dict[Kind, pa.DataType]] = {
    Kind.NULL: pa.null(),
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TEXT: pa.string(),
    Kind.BYTES: pa.binary(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.DATETIME: pa.timestamp("us"),
    Kind.INSTANT: pa.timestamp("us", tz="UTC"),
}


def kind_of_arrow(type_: pa.DataType) -> Kind:
    """The kind of a column's values."""
    types = pa.types
    if isinstance(type_, pa.DictionaryType):
        return kind_of_arrow(type_.value_type)
    if types.is_timestamp(type_):
        return Kind.DATETIME if cast("Any", type_).tz is None else Kind.INSTANT
    for kind, tests in _TESTS.items():
        if any(test(type_) for test in tests):
            return kind
    return Kind.OTHER


_TESTS: Final = {
    Kind.NULL: (pa.types.is_null,),
    Kind.INTEGER: (pa.types.is_integer,),
    Kind.FLOAT: (pa.types.is_floating,),
    Kind.BOOLEAN: (pa.types.is_boolean,),
    Kind.TEXT: (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    Kind.BYTES: (
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
        pa.types.is_fixed_size_binary,
    ),
    Kind.DATE: (pa.types.is_date,),
    Kind.TIME: (pa.types.is_time,),
}


def normal(operand: Operand) -> Operand:
    """The operand in the form of its kind; one of another kind as it is. ArrowInvalid for a value that has none: an
    unsigned number of 64 bits, a nanosecond.
    """
    kind = kind_of_arrow(operand.type)
    form = FORMS.get(kind)
    if form is None or operand.type == form:
        return operand
    if kind is Kind.INSTANT:  # the zone is kept: parts of a time are those of its own clock
        form = pa.timestamp("us", tz=operand.type.tz)
        return operand if operand.type == form else compute.cast(operand, form)
    if isinstance(operand.type, pa.DictionaryType):
        return normal(compute.cast(operand, operand.type.value_type))
    return compute.cast(operand, form)


def as_column(operand: Operand, rows: int) -> Column:
    """The operand as a column of so many rows."""
    return operand if isinstance(operand, pa.Array) else arrow.repeat(operand, rows)


def all_true(column: Column) -> bool:
    """Whether no value is false; null isn't, and none at all are all true."""
    return cast("Any", compute.all(column, min_count=0)).as_py() is True


def by_values(function: Any, column: Column, form: pa.DataType) -> Column:  # noqa: ANN401  # any function of a value
    """A column computed value by value, where Arrow has no function of that meaning; null stays null."""
    return arrow.array([None if value is None else function(value) for value in column.to_pylist()], form)
