"""Operators that are told by expressions. What is known of the records' columns is held against them at once:
a column that isn't there is refused where the user named it.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from millstream.datastream.call_site import call_site
from millstream.errors import ArgumentError
from millstream_dataflow.expressions import Expression, Schema, Selection, col, infer
from millstream_dataflow.expressions.inference import condition
from millstream_dataflow.expressions.selection import Projection
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.specifications import OperatorSpecification
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types import scalars as of_scalars

R = TypeVar("R")

AnyType = TypeInformation[Any] | None
Operation = tuple[OperatorSpecification, AnyType]
"""An operator, and the type of what it gives."""


def filtered(expression: Expression, type_: AnyType) -> Operation:
    """A filter by an expression. ArgumentError for one that is no condition."""
    schema = Schema.of_type(type_)
    checked("filter", lambda: condition(expression, schema, "filter"))
    return FilterExpressionSpecification(expression, schema), type_


def mapped(expression: Expression, type_: AnyType, output_type: AnyType) -> Operation:
    """A map by an expression. ArgumentError for one that can't be computed of such records."""
    schema = Schema.of_type(type_)
    inferred = checked("map", lambda: infer(expression, schema))
    known = None if inferred.declared == of_scalars.ANY else inferred.declared
    return MapExpressionSpecification(expression, schema), output_type or known


def selected(
    call: str,
    columns: tuple[Expression | str, ...],
    named: dict[str, Expression | str],
    type_: AnyType,
    *,
    keeps: bool,
) -> Operation:
    """Rows of columns; `keeps`: behind what the records have. ArgumentError for what can't be computed of them."""
    schema = Schema.of_type(type_)
    selection = checked(call, lambda: _selection(call, columns, named, keeps=keeps))
    return SelectSpecification(selection, schema), checked(call, lambda: selection.type(schema))


def projected(fields: tuple[object, ...], type_: AnyType) -> Operation:
    """Some fields of each record. ArgumentError for what is no field."""
    chosen = tuple(field for field in fields if isinstance(field, int | str) and not isinstance(field, bool))
    if not fields or len(chosen) < len(fields):
        what = f"project takes positions or names of fields, such as project(0, 2), but got {fields!r:.80}"
        raise ArgumentError(what, "", defined_at=call_site())
    projection = Projection(chosen)
    return ProjectSpecification(projection), checked("project", lambda: projection.type(Schema.of_type(type_)))


def key_type_of(expression: Expression, type_: AnyType) -> AnyType:
    """The type of keys by an expression, where that of the records says it. ArgumentError as above."""
    inferred = checked("key_by", lambda: infer(expression, Schema.of_type(type_)))
    return None if inferred.declared == of_scalars.ANY else inferred.declared


def checked(call: str, check: Callable[[], R]) -> R:
    """What the check gives; ArgumentError, with the place of the call, in the place of what it raises."""
    try:
        return check()
    except (ValueError, TypeError, ArithmeticError) as problem:
        raise ArgumentError(f"{call}: {problem}", "", defined_at=call_site()) from None


def _selection(
    call: str, columns: tuple[Expression | str, ...], named: dict[str, Expression | str], *, keeps: bool
) -> Selection:
    for one in (*columns, *named.values()):
        if not isinstance(cast("object", one), Expression | str):
            example = f"{call}('a', b=col('c'))"
            raise TypeError(f"it takes names of fields and expressions, such as {example}, but got {one!r:.80}")
    if not columns and not named:
        raise ValueError(f"it takes at least one column, such as {call}('a')")
    by_name = {name: col(one) if isinstance(one, str) else one for name, one in named.items()}
    return Selection.of(columns, by_name, keeps=keeps)
