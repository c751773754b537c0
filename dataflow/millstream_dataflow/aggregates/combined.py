"""Several aggregates at once, as a Row; and what else a row of a window may have: its key, its beginning, its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.aggregates.aggregate import Aggregate
from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.functions import AggregateFunction, ProcessWindowFunction
from millstream_dataflow.types import Row
from millstream_dataflow.windows import Window


class Combined(AggregateFunction[Any, tuple[Any, ...], Row]):
    """Several aggregates of the same records. The accumulator is a tuple of theirs."""

    def __init__(self, aggregates: Sequence[Aggregate[Any, Any]]) -> None:
        self.aggregates = tuple(aggregates)
        self._named = Row(*(aggregate.name for aggregate in aggregates))
        self.__name__ = ", ".join(map(repr, aggregates))  # what plans and errors call it

    def create_accumulator(self) -> tuple[Any, ...]:
        """That of each."""
        return tuple([aggregate.create_accumulator() for aggregate in self.aggregates])

    def add(self, value: Any, accumulator: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ANN401  # any record
        """To each."""
        return tuple([one.add(value, kept) for one, kept in zip(self.aggregates, accumulator, strict=True)])

    def get_result(self, accumulator: tuple[Any, ...]) -> Row:
        """Theirs, by their names."""
        return self._named(*[one.get_result(kept) for one, kept in zip(self.aggregates, accumulator, strict=True)])

    def merge(self, acc_a: tuple[Any, ...], acc_b: tuple[Any, ...]) -> tuple[Any, ...]:
        """Each with each."""
        return tuple([one.merge(a, b) for one, a, b in zip(self.aggregates, acc_a, acc_b, strict=True)])


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """A column of a window's result that isn't made of its records. Among aggregates: `aggregate(Key(), Count())`."""

    name: str

    def alias(self, name: str) -> "WindowColumn":
        """The same by another name."""
        return type(self)(name)


@dataclass(frozen=True, slots=True)
class Key(WindowColumn):
    """The key."""

    name: str = "key"


@dataclass(frozen=True, slots=True)
class WindowStart(WindowColumn):
    """The first millisecond of the window."""

    name: str = "window_start"


@dataclass(frozen=True, slots=True)
class WindowEnd(WindowColumn):
    """The first millisecond behind the window."""

    name: str = "window_end"


class WithWindow(ProcessWindowFunction[Row, Row, Any, Window]):
    """Puts the columns of the window beside those of its aggregates, in the order that the user gave."""

    def __init__(self, columns: Sequence[WindowColumn | str]) -> None:
        """Names are those of aggregates."""
        self._columns = tuple(columns)
        self._named = Row(*(column if isinstance(column, str) else column.name for column in columns))

    def process(
        self,
        key: Any,  # noqa: ANN401  # any key
        context: ProcessWindowFunction.Context[Window],
        elements: Iterable[Row],
    ) -> Iterable[Row]:
        """The one row of the window."""
        for row in elements:
            values = [
                row[column] if isinstance(column, str) else _value(column, key, context) for column in self._columns
            ]
            yield self._named(*values)


def _value(column: WindowColumn, key: object, context: ProcessWindowFunction.Context[Window]) -> object:
    if isinstance(column, Key):
        return key
    window = context.window()
    place = getattr(window, "start" if isinstance(column, WindowStart) else "end", None)
    if place is None:
        raise InvalidProgramError(f"a {type(window).__name__} has no {column.name}; leave the column out")
    return place
