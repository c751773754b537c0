"""Specifications of operators that are told by expressions, and so take rows and columns alike."""

from dataclasses import dataclass

from millstream_dataflow.expressions import Expression, Schema, Selection
from millstream_dataflow.expressions.selection import Projection
from millstream_dataflow.operators.specifications import OperatorSpecification


@dataclass(frozen=True, slots=True, eq=False)
class FilterExpressionSpecification(OperatorSpecification):
    """The records for which an expression is true."""

    condition: Expression
    schema: Schema | None = None
    """The columns of the records, where they are declared."""


@dataclass(frozen=True, slots=True, eq=False)
class MapExpressionSpecification(OperatorSpecification):
    """The value of an expression for each record. Comes as rows: values without fields are no columns."""

    expression: Expression
    schema: Schema | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SelectSpecification(OperatorSpecification):
    """A new record of several expressions for each in."""

    selection: Selection
    schema: Schema | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ProjectSpecification(OperatorSpecification):
    """Some fields of each record."""

    projection: Projection
