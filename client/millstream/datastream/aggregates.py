"""Built-in aggregates in the place of an AggregateFunction: one, several, with the key and the window as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from millstream.datastream.call_site import call_site
from millstream.datastream.columns import checked
from millstream.errors import ArgumentError
from millstream_dataflow.aggregates import Aggregate, Combined, Key, WindowColumn, WithWindow
from millstream_dataflow.expressions import ColumnKey, Schema
from millstream_dataflow.expressions.nodes import Column
from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.operators.specifications import Function, KeySelection
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.types.composites import RowType

AnyType = TypeInformation[Any] | None
BuiltIn = Aggregate[Any, Any] | WindowColumn
"""An aggregate of ours, or a column of the window beside some."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What a window is told."""

    aggregate: AggregateFunction[Any, Any, Any]
    process: Function
    type: AnyType


def is_built_in(function: object) -> bool:
    """Whether it is an aggregate of ours, or a column of the window beside some."""
    return isinstance(function, Aggregate | WindowColumn)


def aggregation_of(given: Sequence[object], key: KeySelection, type_: AnyType) -> Aggregation:
    """What `aggregate(Count(), Sum("x"))` asks for, of records of that type.

    One aggregate gives its value, several a Row of theirs. Behind them may stand a window function, which gets that,
    and its output type.
    """
    parts: list[BuiltIn] = [one for one in given if isinstance(one, Aggregate | WindowColumn)]
    process, output_type = _others([one for one in given if not is_built_in(one) and one is not None])
    aggregates = [part for part in parts if isinstance(part, Aggregate)]
    in_window = [part for part in parts if isinstance(part, WindowColumn)]
    if not aggregates:
        _refuse(f"aggregate takes at least one aggregate, such as Count(), but got {parts!r:.80}")
    if in_window and process is not None:
        _refuse(f"aggregate got {in_window[0]} and a window function, which knows key and window by itself")
    schema = Schema.of_type(type_)
    if len(parts) == 1:
        result = checked("aggregate", lambda: aggregates[0].type(schema))
        return Aggregation(
            aggregates[0], process, output_type if process is not None else output_type or _known(result)
        )
    row = checked("aggregate", lambda: _row_type(parts, key, schema))
    made = Combined(aggregates)
    if in_window:
        columns = [part.name if isinstance(part, Aggregate) else part for part in parts]
        return Aggregation(made, WithWindow(columns), output_type or row)
    return Aggregation(made, process, output_type if process is not None else output_type or row)


def _known(type_: TypeInformation[Any]) -> AnyType:
    return None if type_ == Types.ANY() else type_


def _others(rest: Sequence[object]) -> tuple[Function, AnyType]:
    """A window function and its output type; PyFlink has the accumulator's type between them."""
    types = [one for one in rest if isinstance(one, TypeInformation)]
    functions = [one for one in rest if not isinstance(one, TypeInformation)]
    if len(functions) > 1:
        _refuse(f"aggregate takes aggregates and one window function, but got {functions[1]!r:.80} as well")
    return (functions[0] if functions else None), (types[-1] if types else None)


def _row_type(parts: Sequence[BuiltIn], key: KeySelection, schema: Schema | None) -> RowType:
    names = [part.name for part in parts]
    twins = [name for name in names if names.count(name) > 1]
    if twins:
        raise ValueError(f"there are two columns {twins[0]!r}; give one of them another name by alias")
    types = [_type_of(part, key, schema) for part in parts]
    return RowType(tuple(types), tuple(names))


def _type_of(part: BuiltIn, key: KeySelection, schema: Schema | None) -> TypeInformation[Any]:
    if isinstance(part, Aggregate):
        return part.type(schema)
    if isinstance(part, Key):
        _refuse_other_field(part, key, schema)
    return (key.type or Types.ANY()) if isinstance(part, Key) else Types.LONG()


def _refuse_other_field(part: Key, key: KeySelection, schema: Schema | None) -> None:
    """`Key(name)` only names the key, so it must not be called as another field of the records."""
    expression = key.selector.expression if isinstance(key.selector, ColumnKey) else None
    if schema is None or not isinstance(expression, Column) or part.name not in schema.names:
        return
    if schema.place(part.name) != schema.place(expression.field):
        what = f"Key({part.name!r}) would give the key, {expression}, under the name of another field"
        _refuse(f"aggregate: {what}; call it otherwise, or take the field by Min({part.name!r})")


def _refuse(what: str) -> NoReturn:
    raise ArgumentError(what, "", defined_at=call_site())
