"""What type an expression has, as far as that is known before there are records: from the declared type of the stream
and from literals. What can't be computed of any record is refused here, where the user wrote it.
"""

from dataclasses import dataclass
from typing import Any

from millstream_dataflow.expressions.casts import check_cast
from millstream_dataflow.expressions.functions import FUNCTIONS, common
from millstream_dataflow.expressions.kinds import Kind, kind_of, kind_of_type, refused, shown_kinds, type_of_kind
from millstream_dataflow.expressions.nodes import Alias, Call, Cast, Column, Expression, IfElse, Literal
from millstream_dataflow.expressions.schema import Schema
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types import scalars as of_scalars
from millstream_dataflow.types.composites import OptionalType, optional


@dataclass(frozen=True, slots=True)
class Inferred:
    """A type, as far as it is known."""

    kind: Kind | None
    type: TypeInformation[Any]
    """Without null; ANY where it isn't known."""
    nullable: bool

    @property
    def declared(self) -> TypeInformation[Any]:
        """What is declared of a stream or a field of such values."""
        if not self.nullable or self.type == of_scalars.ANY:
            return self.type
        return optional(self.type)


def infer(expression: Expression, schema: Schema | None) -> Inferred:
    """The type of an expression over records of these columns; None: nothing is known of them.

    InvalidProgramError for a column that isn't there, InvalidTypesError for a function that doesn't take what it gets.
    """
    match expression:
        case Alias(value=value):
            return infer(value, schema)
        case Column(field=field):
            return _of_column(None if schema is None else schema.find(field))
        case Literal(value=value):
            kind = kind_of(value)
            return Inferred(kind, type_of_kind(kind), kind is Kind.NULL)
        case Cast(value=value, target=target):
            origin = infer(value, schema)
            check_cast(origin.kind, target)
            return Inferred(kind_of_type(target), target, origin.nullable)
        case IfElse():
            return _of_branches(expression, schema)
        case Call():
            return _of_call(expression, schema)
        case _:
            raise TypeError(f"{type(expression).__name__} is no expression of ours")


def condition(expression: Expression, schema: Schema | None, call: str) -> None:
    """InvalidTypesError where it can't be a condition."""
    inferred = infer(expression, schema)
    if inferred.kind is not None and inferred.kind not in {Kind.BOOLEAN, Kind.NULL}:
        raise refused(call, "a condition", f"{expression!r}, which is {inferred.kind.value}")


def _of_column(type_: TypeInformation[Any] | None) -> Inferred:
    if type_ is None:
        return Inferred(None, of_scalars.ANY, nullable=True)
    inner: TypeInformation[Any] = type_.inner if isinstance(type_, OptionalType) else type_
    return Inferred(kind_of_type(inner), inner, inner is not type_ or inner == of_scalars.ANY)


def _of_branches(expression: IfElse, schema: Schema | None) -> Inferred:
    condition(expression.condition, schema, "if_else")
    branches = [infer(branch, schema) for branch in (expression.then, expression.otherwise)]
    try:
        kind = common([branch.kind for branch in branches])
    except NotImplementedError:
        got = shown_kinds([branch.kind for branch in branches])
        raise refused("if_else", "two values of one kind", got) from None
    types = {branch.type for branch in branches if branch.kind is not Kind.NULL}
    type_ = types.pop() if len(types) == 1 else type_of_kind(kind)
    then, otherwise = branches
    return Inferred(kind, type_, (then.nullable and not _asks_for_null(expression)) or otherwise.nullable)


def _asks_for_null(expression: IfElse) -> bool:
    """Whether the first branch is taken where it isn't null: `fill_null`."""
    asked = expression.condition
    return isinstance(asked, Call) and asked.function == "is_not_null" and asked.arguments[0].same_as(expression.then)


def _of_call(expression: Call, schema: Schema | None) -> Inferred:
    function = FUNCTIONS[expression.function]
    given = [infer(argument, schema) for argument in expression.arguments]
    kind = function.result([argument.kind for argument in given])
    nullable = expression.function not in _NEVER_NULL and any(argument.nullable for argument in given)
    return Inferred(kind, type_of_kind(kind), nullable)


_NEVER_NULL = frozenset({"is_null", "is_not_null"})
