"""Calls that are told by expressions, or take columns: record by record, each a Row with names."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from millstream_dataflow.expressions.nodes import Alias, Call, Column, Expression, IfElse, Literal
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.specifications import MapBatchesSpecification
from millstream_dataflow.types import Row
from tests.interpreter.stream import Record, Rule

CALLS: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "multiply": operator.mul,
    "modulo": operator.mod,
    "floor_divide": operator.floordiv,
    "greater": operator.gt,
    "not_equal": operator.ne,
}


def value_of(expression: Expression, record: Any) -> Any:  # noqa: ANN401  # a Row, and a field's value
    """What an expression is of a record without nulls."""
    match expression:
        case Alias(value=inner):
            return value_of(inner, record)
        case Column(field=field):
            return record[field]
        case Literal(value=value):
            return value
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return value_of(then if value_of(condition, record) else otherwise, record)
        case Call(function=function, arguments=arguments):
            return CALLS[function](*(value_of(argument, record) for argument in arguments))
        case _:
            raise NotImplementedError(f"no pipeline has {expression!r}")


class FilterExpressionRule(Rule):
    """The records for which it is true."""

    def __init__(self, specification: FilterExpressionSpecification) -> None:
        self.condition = specification.condition

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return [record] if value_of(self.condition, record.value) else []


class MapExpressionRule(Rule):
    """Its value."""

    def __init__(self, specification: MapExpressionSpecification) -> None:
        self.expression = specification.expression

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return [replace(record, value=value_of(self.expression, record.value))]


class SelectRule(Rule):
    """A Row of their values, behind the fields that there are, if those are kept; one of the same name is replaced."""

    def __init__(self, specification: SelectSpecification) -> None:
        self.selection = specification.selection

    def element(self, number: int, record: Record) -> Iterable[Record]:
        chosen = self.selection
        fields: dict[str, Any] = record.value.as_dict() if chosen.keeps else {}
        for name, expression in zip(chosen.names, chosen.expressions, strict=True):
            fields[name] = value_of(expression, record.value)
        return [replace(record, value=Row(*fields)(*fields.values()))]


class ProjectRule(Rule):
    """A Row of some fields."""

    def __init__(self, specification: ProjectSpecification) -> None:
        self.fields = specification.projection.fields

    def element(self, number: int, record: Record) -> Iterable[Record]:
        named = record.value.as_dict()
        names = [list(named)[field] if isinstance(field, int) else field for field in self.fields]
        return [replace(record, value=Row(*names)(*(named[name] for name in names)))]


class MapBatchesRule(Rule):
    """The function of a batch, for a batch of one."""

    def __init__(self, specification: MapBatchesSpecification) -> None:
        self.function: Any = specification.function

    def element(self, number: int, record: Record) -> Iterable[Record]:
        given = self.function(pa.RecordBatch.from_pylist([record.value.as_dict()]))
        return [replace(record, value=Row(*row)(*row.values())) for row in given.to_pylist()]
