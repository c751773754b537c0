"""The columns of a declared type: their names, and the type of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.types import scalars as of_scalars
from millstream_dataflow.types.classes import ClassType
from millstream_dataflow.types.composites import OptionalType, RowType, TupleType
from millstream_dataflow.words import counted


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of records before there are any."""

    of: TypeInformation[Any]
    """Their type, for errors."""
    names: tuple[str, ...]
    types: tuple[TypeInformation[Any], ...]
    optional: bool = False
    """Whether each may be None, whatever its type says: so it is in a Row."""
    scalar: bool = False
    """The records have no fields; the only column, at position 0, is the record itself."""

    @staticmethod
    def of_type(type_: TypeInformation[Any] | None) -> "Schema | None":
        """The columns of such records; None where the type says nothing of them."""
        match type_:
            case RowType(fields=fields, names=names):
                return Schema(type_, names or positions(len(fields)), fields, optional=True)
            case TupleType(fields=fields):
                return Schema(type_, positions(len(fields)), fields)
            case ClassType(fields=fields, names=names):
                return Schema(type_, names, fields)
            case of_scalars.Scalar() if type_ != of_scalars.ANY:
                return Schema(type_, (), (type_,), scalar=True)
            case _:
                return None

    def find(self, field: str | int) -> TypeInformation[Any]:
        """The type of a column; InvalidProgramError names those that there are."""
        place = self.place(field)
        type_ = self.types[place]
        nullable = self.optional and not isinstance(type_, OptionalType) and type_ != of_scalars.ANY
        return OptionalType(type_) if nullable else type_

    def place(self, field: str | int) -> int:
        """The position of a column; InvalidProgramError as above."""
        if isinstance(field, str) and field in self.names:
            return self.names.index(field)
        if isinstance(field, int) and -len(self.types) <= field < len(self.types):
            return field % len(self.types)
        raise no_column(field, self.names, f"records of {self.of}")


def positions(count: int) -> tuple[str, ...]:
    """The names of fields that have none: f0, f1, ... as in Flink."""
    return tuple(f"f{number}" for number in range(count))


def no_column(field: str | int, names: Sequence[str], owner: str, word: str = "column") -> InvalidProgramError:
    """The error for a column that isn't there. `owner` is what should have it, `word` what the call names it."""
    what = f"there is no {word} {field!r} in {owner}" if isinstance(field, str) else f"{owner} have no {word} {field}"
    known = f"the {word}s are {', '.join(map(repr, names[:_SHOWN]))}" if names else f"no {word} has a name"
    more = f" and {counted(len(names) - _SHOWN, 'more', 'more')}" if len(names) > _SHOWN else ""
    return InvalidProgramError(f"{what}; {known}{more}")


_SHOWN = 50
