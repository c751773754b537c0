"""Expressions record by record: one Python function for each part, calling those of its parts.

This form is the judge: it says what an expression means, and why a record can't be computed.
"""

from collections.abc import Callable
from typing import Any

from millstream_dataflow.expressions.casts import cast_value
from millstream_dataflow.expressions.inference import infer
from millstream_dataflow.expressions.kinds import Kind, refused, shown_values
from millstream_dataflow.expressions.nodes import Alias, Call, Cast, Column, Expression, IfElse, Literal
from millstream_dataflow.expressions.records import FieldReader
from millstream_dataflow.expressions.row_functions import ROW_FUNCTIONS
from millstream_dataflow.expressions.schema import Schema

RowFunction = Callable[[Any], Any]
"""From a record to a value."""


def row_function(expression: Expression, schema: Schema | None = None) -> RowFunction:
    """What computes the expression of a record. `schema`: the columns, where their types are known.

    What it raises for a record: InvalidProgramError for a column that isn't there, InvalidTypesError for a value of a
    kind that isn't taken, and those of `errors`.
    """
    match expression:
        case Alias(value=value):
            return row_function(value, schema)
        case Column(field=field):
            return FieldReader(field)
        case Literal(value=value):
            return lambda _: value
        case Cast(value=value, target=target):
            inner = row_function(value, schema)
            return lambda record: cast_value(inner(record), target)
        case IfElse():
            return _branches(expression, schema)
        case Call():
            return _call(expression, schema)
        case _:
            raise TypeError(f"{type(expression).__name__} is no expression of ours")


def row_condition(expression: Expression, schema: Schema | None, call: str) -> RowFunction:
    """The same of a condition: True or not. InvalidTypesError for a value that is no truth value."""
    value_of = row_function(expression, schema)

    def condition(record: Any) -> bool:  # noqa: ANN401  # any record
        value = value_of(record)
        if value is True:
            return True
        if value is False or value is None:
            return False
        raise refused(call, "a condition", f"{shown_values((value,))} from {expression!r}")

    return condition


def _branches(expression: IfElse, schema: Schema | None) -> RowFunction:
    condition = row_condition(expression.condition, schema, "if_else")
    then, otherwise = row_function(expression.then, schema), row_function(expression.otherwise, schema)
    if infer(expression, schema).kind is Kind.FLOAT:  # whichever branch it is

        def as_floats(record: Any) -> Any:  # noqa: ANN401  # as above
            value = then(record) if condition(record) else otherwise(record)
            return float(value) if type(value) is int else value

        return as_floats
    return lambda record: then(record) if condition(record) else otherwise(record)


def _call(expression: Call, schema: Schema | None) -> RowFunction:
    apply = ROW_FUNCTIONS[expression.function]
    options = expression.options
    arguments = [row_function(argument, schema) for argument in expression.arguments]
    if len(arguments) == 1:
        [one] = arguments
        return (lambda record: apply(one(record), *options)) if options else (lambda record: apply(one(record)))
    left, right = arguments
    if options:
        return lambda record: apply(left(record), right(record), *options)
    constant = expression.arguments[1]
    if isinstance(constant, Literal):  # a call less for the commonest form
        value = constant.value
        return lambda record: apply(left(record), value)
    return lambda record: apply(left(record), right(record))
