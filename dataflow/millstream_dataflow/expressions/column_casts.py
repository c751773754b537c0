"""Casts of whole columns: by Arrow where it says what `casts` says, else value by value."""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from typing import Any, cast

import pyarrow as pa

from millstream_dataflow.expressions.arrow_kinds import (
    FORMS,
    Column,
    Operand,
    all_true,
    arrow,
    by_values,
    compute,
    kind_of_arrow,
    normal,
)
from millstream_dataflow.expressions.casts import cast_value, check_cast
from millstream_dataflow.expressions.kinds import GREATEST, LEAST, Kind, kind_of_type
from millstream_dataflow.types import TypeInformation, arrow_type


def cast_column(column: Column, target: TypeInformation[Any]) -> Column:
    """The column as one of the target's type. ArrowInvalid, ValueError or OverflowError where a value can't be."""
    kind, wanted, form = kind_of_arrow(column.type), kind_of_type(target), arrow_type(target)
    if form is None or wanted is None:
        raise TypeError(f"{target} has no column")
    if kind is Kind.NULL:
        return arrow.nulls(len(column), form)
    check_cast(kind, target)
    given = cast("Column", normal(column))
    match kind, wanted:
        case Kind.FLOAT, Kind.INTEGER:
            given = _truncated(given)
        case Kind.INTEGER, Kind.FLOAT:
            return compute.cast(given, form, safe=False)
        case Kind.INSTANT, Kind.DATETIME:
            given = compute.cast(given, FORMS[Kind.INSTANT])
        case Kind.DATETIME, Kind.INSTANT:
            given = compute.cast(given, pa.int64())
        case (Kind.BOOLEAN, Kind.INTEGER) | (Kind.DATE, Kind.DATETIME):
            pass
        case _ if kind is not wanted:
            return by_values(lambda value: cast_value(value, target), given, form)
        case _:
            pass
    return compute.cast(given, form)


def _truncated(column: Operand) -> Column:
    """Floats as whole numbers. Arrow's own check lets the float 2^63 pass on some machines."""
    whole = compute.trunc(column)
    fits = compute.and_(compute.greater_equal(whole, float(LEAST)), compute.less(whole, float(GREATEST)))
    if not all_true(fits):
        raise OverflowError("a float has more than 64 bits as a whole number")
    return compute.cast(whole, pa.int64())
