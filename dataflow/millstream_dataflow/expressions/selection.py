"""Several expressions as a new record: what `select`, `with_columns` and `project` make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.expressions.inference import infer
from millstream_dataflow.expressions.nodes import Alias, Column, Expression
from millstream_dataflow.expressions.records import columns_of, names_of
from millstream_dataflow.expressions.rows import RowFunction, row_function
from millstream_dataflow.expressions.schema import Schema
from millstream_dataflow.types import Row, TypeInformation
from millstream_dataflow.types.classes import ClassType
from millstream_dataflow.types.composites import RowType, TupleType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """New columns by name. `keeps`: all columns that there are come first; one of the same name is replaced."""

    names: tuple[str, ...]
    expressions: tuple[Expression, ...]
    keeps: bool = False

    @staticmethod
    def of(
        expressions: Sequence[Expression | str], named: Mapping[str, Expression], *, keeps: bool = False
    ) -> Selection:
        """From what a user gave: names of columns, expressions that have a name, and others by keyword.

        InvalidProgramError for an expression without a name, and for a name that comes twice.
        """
        given = [Column(one) if isinstance(one, str) else one for one in expressions]
        names = [*map(_name, given), *named]
        _refuse_twins(names)
        return Selection(tuple(names), (*given, *named.values()), keeps)

    def type(self, schema: Schema | None) -> RowType | None:
        """The type of the new records; None where the kept columns aren't known. Refuses as `infer` does."""
        types = [infer(expression, schema).declared for expression in self.expressions]
        new = dict(zip(self.names, types, strict=True))
        if not self.keeps:
            return RowType(tuple(new.values()), tuple(new))
        if schema is None or schema.scalar:
            return None
        kept = {name: schema.find(name) for name in schema.names}
        merged = kept | new
        return RowType(tuple(merged.values()), tuple(merged))

    def row_function(self, schema: Schema | None) -> Callable[[Any], Row]:
        """What makes a new Row of a record."""
        functions = [row_function(expression, schema) for expression in self.expressions]
        if self.keeps:
            return _Merged(self.names, functions)
        named = Row(*self.names)
        return lambda record: named(*[function(record) for function in functions])

    def columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The new columns of a batch."""
        import pyarrow as pa  # noqa: PLC0415  # heavy, and a program needs none

        from millstream_dataflow.expressions.columns import evaluated  # noqa: PLC0415  # as above

        new = {name: evaluated(one, batch) for name, one in zip(self.names, self.expressions, strict=True)}
        if self.keeps:
            new = dict(zip(batch.schema.names, batch.columns, strict=True)) | new
        return pa.RecordBatch.from_arrays(list(new.values()), list(new))


class _Merged:
    """Rows of a record's own fields and new ones."""

    def __init__(self, names: Sequence[str], functions: Sequence[RowFunction]) -> None:
        self._new = list(zip(names, functions, strict=True))

    def __call__(self, record: Any) -> Row:  # noqa: ANN401  # any record
        names = columns_of(record)
        if not names:
            raise InvalidProgramError(f"a {type(record).__name__} has no fields to be kept; use select or map")
        own: dict[str, Any] = dict(zip(names, _values(record, names), strict=True))
        for name, function in self._new:
            own[name] = function(record)
        return Row(*own)(*own.values())


def _values(record: Any, names: Sequence[str]) -> Sequence[Any]:  # noqa: ANN401  # as above
    if isinstance(record, Row | tuple | list):
        return tuple(record)
    if isinstance(record, Mapping):
        return tuple(record.values())
    return [getattr(record, name) for name in names]


def _refuse_twins(names: Sequence[str]) -> None:
    if twins := [name for name in names if names.count(name) > 1]:
        raise InvalidProgramError(f"there are two columns {twins[0]!r}; give one of them another name by alias")


def _name(expression: Expression) -> str:
    match expression:
        case Alias(name=name):
            return name
        case Column(field=str(name)):
            return name
        case _:
            raise InvalidProgramError(
                f"{expression!r} has no name of its own; write ({expression!r}).alias('name'), or name={expression!r}"
            )


@dataclass(frozen=True, slots=True)
class Projection:
    """Some fields of a record, in that order: of a tuple or an unnamed Row another one, else a Row with their names."""

    fields: tuple[int | str, ...]

    def type(self, schema: Schema | None) -> TypeInformation[Any] | None:
        """The type of the new records, where that of the old ones is known. Refuses as `infer` does."""
        if schema is None:
            return None
        places = [schema.place(field) for field in self.fields]
        parts = tuple(schema.types[place] for place in places)
        names = tuple(schema.names[place] for place in places) if not schema.scalar else ()
        if isinstance(schema.of, ClassType) or (isinstance(schema.of, RowType) and schema.of.names is not None):
            _refuse_twins(names)
        match schema.of:
            case TupleType():
                return TupleType(parts)
            case RowType(names=None):
                return RowType(parts)
            case _ if schema.scalar:
                return None
            case _:
                return RowType(parts, names)

    def row_function(self) -> Callable[[Any], Any]:
        """What takes the fields of a record."""
        functions = [row_function(Column(field)) for field in self.fields]

        def projected(record: Any) -> Any:  # noqa: ANN401  # as above
            values = [function(record) for function in functions]
            names = names_of(record)
            if names is None:
                return Row(*values) if isinstance(record, Row) else tuple(values)
            chosen = [names[field] if isinstance(field, int) else field for field in self.fields]
            _refuse_twins(chosen)
            return Row(*chosen)(*values)

        return projected

    def columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The chosen columns."""
        names = batch.schema.names
        schema = Schema(TupleType(()), tuple(names), (TupleType(()),) * len(names))
        places = [schema.place(field) for field in self.fields]
        _refuse_twins([names[place] for place in places])
        return batch.select(places)
