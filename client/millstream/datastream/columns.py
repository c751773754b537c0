"""Calls of a stream that are told by expressions. What is known of the records' columns is held against them at once:
a column that isn't there is refused where the user named it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

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
from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.types import scalars as of_scalars

if TYPE_CHECKING:
    from millstream.datastream.data_stream import DataStream
    from millstream_dataflow.transformations import Transformation

R = TypeVar("R")

AnyType = TypeInformation[Any] | None
Operation = tuple[OperatorSpecification, AnyType]
"""An operator, and the type of what it gives."""


class ColumnOperations:
    """What a stream can do by expressions, such as `col("price") * 2`. Rows stay rows, and columns stay columns, which
    are computed at once.

    Records may be Rows, tuples, NamedTuples, dataclasses, dicts or other objects with attributes.
    """

    if TYPE_CHECKING:
        _transformation: Transformation

        def _operate(self, specification: OperatorSpecification, type_: AnyType) -> DataStream[Any]: ...

    def select(self, *columns: Expression | str, **named: Expression | str) -> DataStream[Row]:
        """A Row of these columns for each record: names of fields, and expressions that have a name, by `alias` or as
        keyword: `select("a", (col("b") * 2).alias("c"), d=col("a") + 1)`.
        """
        selection = checked("select", lambda: _selection("select", columns, named, keeps=False))
        return self._selected("select", selection)

    def with_columns(self, *columns: Expression | str, **named: Expression | str) -> DataStream[Row]:
        """A Row of all fields of each record and these columns; one of the same name takes the field's place."""
        selection = checked("with_columns", lambda: _selection("with_columns", columns, named, keeps=True))
        return self._selected("with_columns", selection)

    def project(self, *field_indexes: int | str) -> DataStream[Any]:
        """Some fields of each record, by position or name, in that order: of a tuple a tuple, as in PyFlink; of records
        whose fields have names a Row with these.
        """
        given: tuple[object, ...] = field_indexes
        if not given or not all(map(_is_field, given)):
            what = f"project takes positions or names of fields, such as project(0, 2), but got {field_indexes!r:.80}"
            raise ArgumentError(what, "", defined_at=call_site())
        projection = Projection(field_indexes)
        type_ = checked("project", lambda: projection.type(Schema.of_type(self._transformation.type)))
        return self._operate(ProjectSpecification(projection), type_)

    def _selected(self, call: str, selection: Selection) -> DataStream[Row]:
        schema = Schema.of_type(self._transformation.type)
        type_ = checked(call, lambda: selection.type(schema))
        return self._operate(SelectSpecification(selection, schema), type_)


def _is_field(given: object) -> bool:
    return isinstance(given, int | str) and not isinstance(given, bool)


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
