"""What the built-in aggregates have in common: a column, a name, a type."""

from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, Generic, Self, TypeVar, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.expressions import Expression, Schema, col, row_function
from millstream_dataflow.expressions.nodes import Alias, Column
from millstream_dataflow.functions import AggregateFunction
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import TypeInformation

Acc = TypeVar("Acc")
Out = TypeVar("Out")


class Aggregate(AggregateFunction[Any, Acc, Out], Generic[Acc, Out]):
    """An aggregate of a column, named by its field or by an expression."""

    def __init__(self, column: Expression | str | int) -> None:
        """InvalidTypesError for what names no column."""
        self.column = _expression(type(self).__name__, column)
        self._own_name = ""
        self.reader: Callable[[Any], Any] = row_function(self.column)
        """What reads its column of a record."""

    def alias(self, name: str) -> Self:
        """The same, its result by that name."""
        if not isinstance(cast("object", name), str) or not name:
            raise InvalidTypesError(f"alias takes a name, but got {short_repr(name)}")
        named = copy(self)
        named._own_name = name  # noqa: SLF001  # of the same class
        return named

    @property
    def has_alias(self) -> bool:
        """Whether it was given a name."""
        return bool(self._own_name)

    @property
    def name(self) -> str:
        """The name of its result among others: `sum_x`. InvalidProgramError where there is none."""
        if self._own_name:
            return self._own_name
        if (field := _name_of(self.column)) is None:
            raise InvalidProgramError(f"{self!r} has no name of its own; write {self!r}.alias('name')")
        return f"{type(self).__name__.lower()}_{field}"

    @abstractmethod
    def type(self, schema: Schema | None) -> TypeInformation[Any]:
        """The type of its result over such columns. Refuses a column that isn't there, or can't be aggregated so."""

    def __repr__(self) -> str:
        field = self.column.field if isinstance(self.column, Column) else self.column
        shown = f"{type(self).__name__}({field!r})"
        return f"{shown}.alias({self._own_name!r})" if self._own_name else shown

    def __getstate__(self) -> dict[str, Any]:
        """Without what reads records, which is made anew."""
        return {name: value for name, value in vars(self).items() if name != "reader"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.reader = row_function(self.column)


def _expression(call: str, column: object) -> Expression:
    if isinstance(column, Expression):
        return column
    if isinstance(column, str | int) and not isinstance(column, bool):
        return col(column)
    raise InvalidTypesError(f"{call} takes a column, by its name, its position or col(...), but got {column!r:.80}")


def _name_of(column: Expression) -> str | None:
    match column:
        case Alias(name=name):
            return name
        case Column(field=str(name)):
            return name
        case Column(field=place):
            return str(place)
        case _:
            return None
