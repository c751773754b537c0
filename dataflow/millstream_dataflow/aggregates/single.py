"""The built-in aggregates, one class each."""

from typing import Any

from millstream_dataflow.aggregates.aggregate import Aggregate
from millstream_dataflow.expressions import Expression, Schema, infer, lit
from millstream_dataflow.expressions.functions import FUNCTIONS
from millstream_dataflow.expressions.kinds import NUMBERS, Kind, kind_of, plain, refused, shown_values, whole
from millstream_dataflow.expressions.row_functions import ROW_FUNCTIONS
from millstream_dataflow.types import TypeInformation, Types

_LESS = ROW_FUNCTIONS["less"]

Number = int | float


class Count(Aggregate[int, int]):
    """How many records there are, or how many of them have a value in a column."""

    def __init__(self, column: Expression | str | int | None = None) -> None:
        """Without a column all records count."""
        super().__init__(lit(True) if column is None else column)
        self._all = column is None

    @property
    def counts_all(self) -> bool:
        """Whether it counts records, whatever is in them."""
        return self._all

    @property
    def name(self) -> str:
        """See Aggregate. `count` where all records count."""
        return "count" if self._all and not self.has_alias else super().name

    def type(self, schema: Schema | None) -> TypeInformation[Any]:
        """A whole number."""
        infer(self.column, schema)
        return Types.LONG()

    def create_accumulator(self) -> int:
        """None."""
        return 0

    def add(self, value: Any, accumulator: int) -> int:  # noqa: ANN401  # any record
        """One more."""
        return accumulator + (self._all or self.reader(value) is not None)

    def get_result(self, accumulator: int) -> int:
        """The number."""
        return accumulator

    def merge(self, acc_a: int, acc_b: int) -> int:
        """Those of both."""
        return acc_a + acc_b

    def __repr__(self) -> str:
        if not self._all:
            return super().__repr__()
        return f"Count().alias({self.name!r})" if self.has_alias else "Count()"


class _OfNumbers:
    """What is added up."""

    @staticmethod
    def number(call: str, value: Any) -> Number:  # noqa: ANN401  # any field
        """The value as a number of Python's."""
        if type(value) is int or type(value) is float:
            return value
        number: Number = plain(value)
        if kind_of(number) not in NUMBERS:
            raise refused(call, "numbers", shown_values((value,)))
        return number

    @staticmethod
    def check(call: str, column: Expression, schema: Schema | None) -> Kind | None:
        """The kind of a column of numbers, if it is known."""
        kind = infer(column, schema).kind
        if kind is not None and kind is not Kind.NULL and kind not in NUMBERS:
            raise refused(call, "numbers", f"{column!r}, which is {kind.value}")
        return kind


class Sum(Aggregate[Number | None, Number | None]):
    """The sum of a column: a whole number of whole numbers, else a float; None of nothing but None."""

    def type(self, schema: Schema | None) -> TypeInformation[Any]:
        """As the column's kind."""
        kind = _OfNumbers.check("Sum", self.column, schema)
        if kind is Kind.INTEGER:
            return Types.OPTIONAL(Types.LONG())
        return Types.OPTIONAL(Types.DOUBLE()) if kind is Kind.FLOAT else Types.ANY()

    def create_accumulator(self) -> Number | None:
        """None: nothing has come."""
        return None

    def add(self, value: Any, accumulator: Number | None) -> Number | None:  # noqa: ANN401  # any record
        """The sum with that record's."""
        given = self.reader(value)
        if given is None:
            return accumulator
        number = _OfNumbers.number("Sum", given)
        return number if accumulator is None else accumulator + number

    def get_result(self, accumulator: Number | None) -> Number | None:
        """The sum; OverflowError where it has more than 64 bits."""
        return whole(accumulator) if isinstance(accumulator, int) else accumulator

    def merge(self, acc_a: Number | None, acc_b: Number | None) -> Number | None:
        """Both."""
        if acc_a is None or acc_b is None:
            return acc_b if acc_a is None else acc_a
        return acc_a + acc_b


class Mean(Aggregate[tuple[int, Number], float | None]):
    """The arithmetic mean of a column, a float; None of nothing but None."""

    def type(self, schema: Schema | None) -> TypeInformation[Any]:
        """A float."""
        _OfNumbers.check("Mean", self.column, schema)
        return Types.OPTIONAL(Types.DOUBLE())

    def create_accumulator(self) -> tuple[int, Number]:
        """How many, and their sum."""
        return 0, 0

    def add(self, value: Any, accumulator: tuple[int, Number]) -> tuple[int, Number]:  # noqa: ANN401  # any record
        """The same with that record's."""
        given = self.reader(value)
        if given is None:
            return accumulator
        return accumulator[0] + 1, accumulator[1] + _OfNumbers.number("Mean", given)

    def get_result(self, accumulator: tuple[int, Number]) -> float | None:
        """Sum by number; of whole numbers it is rounded once."""
        count, total = accumulator
        return total / count if count else None

    def merge(self, acc_a: tuple[int, Number], acc_b: tuple[int, Number]) -> tuple[int, Number]:
        """Both."""
        return acc_a[0] + acc_b[0], acc_a[1] + acc_b[1]


class _Extreme(Aggregate[Any, Any]):
    """One value of all."""

    def type(self, schema: Schema | None) -> TypeInformation[Any]:
        """That of the column."""
        inferred = infer(self.column, schema)
        FUNCTIONS["less"].result([inferred.kind, inferred.kind])
        return inferred.type if inferred.type == Types.ANY() else Types.OPTIONAL(inferred.type)

    def create_accumulator(self) -> Any:  # noqa: ANN401  # any value
        """None: nothing has come."""
        return None

    def add(self, value: Any, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        """The one or the other."""
        return self.merge(accumulator, self.reader(value))

    def get_result(self, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        """The value."""
        return accumulator


class Min(_Extreme):
    """The least value of a column: of numbers, texts, dates, times; None of nothing but None."""

    def merge(self, acc_a: Any, acc_b: Any) -> Any:  # noqa: ANN401  # as above
        """The lesser of both; of equal ones the first."""
        if acc_a is None or acc_b is None:
            return acc_b if acc_a is None else acc_a
        return acc_b if _LESS(acc_b, acc_a) or _is_nan(acc_a) else acc_a


class Max(_Extreme):
    """The greatest value of a column: of numbers, texts, dates, times; None of nothing but None."""

    def merge(self, acc_a: Any, acc_b: Any) -> Any:  # noqa: ANN401  # as above
        """The greater of both; of equal ones the first."""
        if acc_a is None or acc_b is None:
            return acc_b if acc_a is None else acc_a
        return acc_b if _LESS(acc_a, acc_b) or _is_nan(acc_b) else acc_a


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124  # NaN differs from itself
