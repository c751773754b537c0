"""What functions do with whole columns. Under the same names as in `functions`.

Arguments come in the form of their kind, one of them as a column at least, none of them of kind NULL; whole numbers
beside floats have become floats. Where Arrow means something else than Python, numpy computes, or each value by itself
as in a record.
"""

from __future__ import annotations  # pyarrow's classes are generic to a type checker only

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from millstream_dataflow.expressions.arrow_kinds import (
    FORMS,
    Column,
    Operand,
    all_true,
    arrow,
    as_column,
    by_values,
    compute,
    kind_of_arrow,
)
from millstream_dataflow.expressions.kinds import LEAST, Kind
from millstream_dataflow.expressions.row_functions import ROW_FUNCTIONS

ColumnFunction = Callable[..., Column]
"""From operands and options to a column."""

Numbers = npt.NDArray[Any]

# What `str.strip` takes away: Arrow's own idea of white space is another.
_BLANKS: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


def _checked(name: str) -> ColumnFunction:
    """Arrow's function that raises where a result has too many bits; floats have none that are too many."""

    def apply(one: Operand, other: Operand) -> Column:
        suffix = "_checked" if pa.types.is_integer(one.type) else ""
        return compute.call_function(f"{name}{suffix}", [one, other])

    return apply


def _add(one: Operand, other: Operand) -> Column:
    if pa.types.is_string(one.type):
        return compute.binary_join_element_wise(one, other, "")
    return _checked("add")(one, other)


def _divide(one: Operand, other: Operand) -> Column:
    return compute.divide_checked(compute.cast(one, pa.float64(), safe=False), _real(other))


def _real(operand: Operand) -> Operand:
    return compute.cast(operand, pa.float64(), safe=False)


def _by_numpy(function: Callable[[Numbers, Numbers], Numbers], *, may_grow: bool = False) -> ColumnFunction:
    """Python's `//` and `%`, which numpy has and Arrow hasn't. `may_grow`: the least number by -1 has 65 bits."""

    def apply(one: Operand, other: Operand) -> Column:
        rows = max(len(operand) for operand in (one, other) if isinstance(operand, pa.Array))
        left, right = as_column(one, rows), as_column(other, rows)
        known = compute.and_(left.is_valid(), right.is_valid())
        dividends, divisors = _numbers(left, 0), _numbers(right, 1)
        valid: Numbers = known.to_numpy(zero_copy_only=False)
        if np.any((divisors == 0) & valid):
            raise ZeroDivisionError("division by zero")
        if may_grow and divisors.dtype == np.int64 and np.any((dividends == LEAST) & (divisors == -1) & valid):
            raise OverflowError("the result has more than 64 bits")
        with np.errstate(all="ignore"):
            return arrow.array(function(dividends, np.where(divisors == 0, 1, divisors)), mask=~valid)

    return apply


def _numbers(column: Column, fill: int) -> Numbers:
    filled = column.fill_null(fill) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False)


def _negate(value: Operand) -> Column:
    return compute.negate_checked(value) if pa.types.is_integer(value.type) else compute.negate(value)


def _absolute(value: Operand) -> Column:
    return compute.abs_checked(value) if pa.types.is_integer(value.type) else compute.abs(value)


def _comparison(name: str) -> ColumnFunction:
    def apply(one: Operand, other: Operand) -> Column:
        if kind_of_arrow(one.type) is Kind.INSTANT:  # two zones have one order
            one, other = (compute.cast(operand, FORMS[Kind.INSTANT]) for operand in (one, other))
        return compute.call_function(name, [one, other])

    return apply


def _is_in(value: Operand, _first: Operand, values: tuple[Any, ...]) -> Column:
    form = value.type
    if pa.types.is_floating(form):  # Arrow's set holds NaN, and two zeros
        known = sorted({float(one) + 0.0 for one in values if one == one})  # noqa: PLR0124  # NaN differs from itself
        value = compute.add(value, 0.0)
        return _null_where_null(compute.is_in(value, value_set=pa.array(known, pa.float64())), value)
    if kind_of_arrow(form) is Kind.INSTANT:
        value = compute.cast(value, FORMS[Kind.INSTANT])
    return _null_where_null(compute.is_in(value, value_set=pa.array(values, value.type)), value)


def _null_where_null(result: Column, value: Operand) -> Column:
    return compute.if_else(compute.is_valid(value), result, None)


def _like_python(name: str, at_once: Callable[..., Column]) -> ColumnFunction:
    """Arrow's function where all texts are ASCII, since beyond that Unicode's special cases are handled otherwise."""
    apply = ROW_FUNCTIONS[name]

    def by_form(value: Operand) -> Column:
        ascii_only = all_true(compute.string_is_ascii(value))
        return at_once(value) if ascii_only else by_values(apply, cast("Column", value), pa.string())

    return by_form


def _length(value: Operand) -> Column:
    length = compute.utf8_length if pa.types.is_string(value.type) else compute.binary_length
    return compute.cast(length(value), pa.int64())


def _slice(value: Operand, start: int, stop: int | None) -> Column:
    return by_values(lambda text: text[start:stop], cast("Column", value), pa.string())


def _part(name: str) -> ColumnFunction:
    """A part of a date or time as its own clock shows it."""
    apply = ROW_FUNCTIONS[name]

    def by_zone(value: Operand) -> Column:
        if pa.types.is_timestamp(value.type) and (zone := cast("Any", value.type).tz) is not None:
            if zone != "UTC":  # Arrow would need the machine's own tables of zones
                return by_values(apply, cast("Column", value), pa.int64())
            value = compute.cast(value, pa.timestamp("us"))
        return compute.cast(_PARTS[name](value), pa.int64())

    return by_zone


_PARTS: Final[Mapping[str, Callable[[Any], Column]]] = {
    "year": compute.year,
    "month": compute.month,
    "day": compute.day,
    "weekday": lambda value: compute.day_of_week(value, count_from_zero=True, week_start=1),
    "hour": compute.hour,
    "minute": compute.minute,
    "second": compute.second,
}


def _epoch_millis(value: Operand) -> Column:
    micros = compute.cast(value, pa.int64())
    millis = _numbers(micros, 0) // 1_000
    return arrow.array(millis, mask=micros.is_null().to_numpy(zero_copy_only=False))


def _floor(value: Operand, unit: str) -> Column:
    return compute.floor_temporal(value, unit=unit)


COLUMN_FUNCTIONS: Final[Mapping[str, ColumnFunction]] = {
    "add": _add,
    "subtract": _checked("subtract"),
    "multiply": _checked("multiply"),
    "divide": _divide,
    "floor_divide": _by_numpy(np.floor_divide, may_grow=True),
    "modulo": _by_numpy(np.remainder),
    "negate": _negate,
    "absolute": _absolute,
    **{name: _comparison(name) for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    "and": compute.and_kleene,
    "or": compute.or_kleene,
    "not": compute.invert,
    "is_null": compute.is_null,
    "is_not_null": compute.is_valid,
    "is_nan": lambda value: compute.is_nan(_real(value)),
    "is_in": _is_in,
    "lower": _like_python("lower", compute.utf8_lower),
    "upper": _like_python("upper", compute.utf8_upper),
    "strip": lambda value: compute.utf8_trim(value, characters=_BLANKS),
    "length": _length,
    "starts_with": lambda value, text: compute.starts_with(value, pattern=text),
    "ends_with": lambda value, text: compute.ends_with(value, pattern=text),
    "contains": lambda value, text: compute.match_substring(value, pattern=text),
    "replace": lambda value, old, new: compute.replace_substring(value, pattern=old, replacement=new),
    "slice": _slice,
    **{name: _part(name) for name in _PARTS},
    "epoch_millis": _epoch_millis,
    "floor": _floor,
}
