"""What expressions are made of. A user makes them by `col`, `lit` and `if_else`, and by operators and methods.

`==` makes an expression, as all operators do; whether two are the same one tells `same_as`.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeAlias, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.expressions.casts import target_of
from millstream_dataflow.expressions.functions import FUNCTIONS
from millstream_dataflow.expressions.kinds import GREATEST, LEAST, NUMBERS, Kind, kind_of, plain
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import TypeInformation, from_hint

Value: TypeAlias = "Expression | bool | int | float | str | bytes | datetime.date | datetime.time | None"
"""What an operator takes beside an expression: a value stands for itself."""


class Expression:
    """Something to be computed of each record; see the package for what it means. Immutable."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # `==` compares nothing, so no set or dict could tell two apart

    # ---------------------------------------------------------------------------------------------- operators

    def __add__(self, other: Value) -> "Expression":
        """Numbers added, texts one behind the other."""
        return _call("add", self, other)

    def __radd__(self, other: Value) -> "Expression":
        return _call("add", other, self)

    def __sub__(self, other: Value) -> "Expression":
        return _call("subtract", self, other)

    def __rsub__(self, other: Value) -> "Expression":
        return _call("subtract", other, self)

    def __mul__(self, other: Value) -> "Expression":
        return _call("multiply", self, other)

    def __rmul__(self, other: Value) -> "Expression":
        return _call("multiply", other, self)

    def __truediv__(self, other: Value) -> "Expression":
        return _call("divide", self, other)

    def __rtruediv__(self, other: Value) -> "Expression":
        return _call("divide", other, self)

    def __floordiv__(self, other: Value) -> "Expression":
        return _call("floor_divide", self, other)

    def __rfloordiv__(self, other: Value) -> "Expression":
        return _call("floor_divide", other, self)

    def __mod__(self, other: Value) -> "Expression":
        return _call("modulo", self, other)

    def __rmod__(self, other: Value) -> "Expression":
        return _call("modulo", other, self)

    def __neg__(self) -> "Expression":
        return _call("negate", self)

    def __abs__(self) -> "Expression":
        return _call("absolute", self)

    def __eq__(self, other: Value) -> "Expression":  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see the module
        return _call("equal", self, other)

    def __ne__(self, other: Value) -> "Expression":  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see the module
        return _call("not_equal", self, other)

    def __lt__(self, other: Value) -> "Expression":
        return _call("less", self, other)

    def __le__(self, other: Value) -> "Expression":
        return _call("less_equal", self, other)

    def __gt__(self, other: Value) -> "Expression":
        return _call("greater", self, other)

    def __ge__(self, other: Value) -> "Expression":
        return _call("greater_equal", self, other)

    def __and__(self, other: Value) -> "Expression":
        """Both are true; `and` can't be said, since Python asks for a truth value there."""
        return _call("and", self, other)

    def __rand__(self, other: Value) -> "Expression":
        return _call("and", other, self)

    def __or__(self, other: Value) -> "Expression":
        """One of both is true, or both are."""
        return _call("or", self, other)

    def __ror__(self, other: Value) -> "Expression":
        return _call("or", other, self)

    def __invert__(self) -> "Expression":
        """It isn't true."""
        return _call("not", self)

    def __bool__(self) -> NoReturn:
        """Refused: an expression has a value for each record, and none by itself."""
        raise InvalidTypesError(
            f"{self!r} has no truth value by itself; write & for and, | for or, ~ for not, each comparison in "
            "parentheses, and x.between(1, 5) for 1 <= x <= 5"
        )

    # ------------------------------------------------------------------------------------------ null and others

    def is_null(self) -> "Expression":
        """Whether it is None."""
        return _call("is_null", self)

    def is_not_null(self) -> "Expression":
        """Whether it isn't None."""
        return _call("is_not_null", self)

    def fill_null(self, value: Value) -> "Expression":
        """That value in the place of None."""
        return IfElse(self.is_not_null(), self, _operand(value))

    def is_nan(self) -> "Expression":
        """Whether a number is NaN."""
        return _call("is_nan", self)

    def between(self, lowest: Value, highest: Value) -> "Expression":
        """Whether it is at least the one and at most the other."""
        return (self >= lowest) & (self <= highest)

    def is_in(self, values: Iterable[Value]) -> "Expression":
        """Whether it equals one of these values, which are of one kind and not None; null of null."""
        if isinstance(values, str | bytes):
            raise InvalidTypesError(f"is_in takes a list of values, but got {short_repr(values)}")
        given = tuple(_constant(value) for value in values)
        if not given:
            raise InvalidProgramError("is_in takes at least one value, but got none")
        # One value stands for the kind of all; of numbers a float, since a whole one would become one beside it.
        first = next((value for value in given if isinstance(value, float)), given[0])
        kinds = {kind_of(value) for value in given}
        if len(kinds) > 1 and not kinds <= NUMBERS:
            raise InvalidTypesError(f"is_in takes values of one kind, but got {short_repr(list(given))}")
        return Call("is_in", (self, Literal(first)), (given,))

    # ----------------------------------------------------------------------------------------------------- text

    def lower(self) -> "Expression":
        """A text in lower case."""
        return _call("lower", self)

    def upper(self) -> "Expression":
        """A text in upper case."""
        return _call("upper", self)

    def strip(self) -> "Expression":
        """A text without white space at its ends."""
        return _call("strip", self)

    def length(self) -> "Expression":
        """How many characters a text has (or bytes)."""
        return _call("length", self)

    def starts_with(self, text: str) -> "Expression":
        """Whether a text begins so."""
        return _call("starts_with", self, _text("starts_with", text))

    def ends_with(self, text: str) -> "Expression":
        """Whether a text ends so."""
        return _call("ends_with", self, _text("ends_with", text))

    def contains(self, text: str) -> "Expression":
        """Whether that is a part of a text."""
        return _call("contains", self, _text("contains", text))

    def replace(self, old: str, new: str) -> "Expression":
        """A text with each `old` in it replaced."""
        if not _text("replace", old):
            raise InvalidProgramError("replace takes the text to be replaced, but got an empty one")
        return _call("replace", self, old, _text("replace", new))

    def slice(self, start: int, stop: int | None = None) -> "Expression":
        """The characters of a text from `start` to before `stop`, as `text[start:stop]` in Python."""
        for place in (start, stop):
            if not isinstance(cast("object", place), int | None) or isinstance(place, bool):
                raise InvalidTypesError(f"slice takes positions, but got {short_repr(place)}")
        return _call("slice", self, start, stop)

    # ----------------------------------------------------------------------------------------------------- time

    def year(self) -> "Expression":
        """Of a date or a time; as its own zone's clock shows, as are all parts."""
        return _call("year", self)

    def month(self) -> "Expression":
        """1 to 12."""
        return _call("month", self)

    def day(self) -> "Expression":
        """Of the month: 1 to 31."""
        return _call("day", self)

    def weekday(self) -> "Expression":
        """Monday is 0, Sunday 6, as in Python."""
        return _call("weekday", self)

    def hour(self) -> "Expression":
        """0 to 23."""
        return _call("hour", self)

    def minute(self) -> "Expression":
        """0 to 59."""
        return _call("minute", self)

    def second(self) -> "Expression":
        """0 to 59."""
        return _call("second", self)

    def epoch_millis(self) -> "Expression":
        """Milliseconds since the epoch, rounded down; a time without a zone counts as UTC."""
        return _call("epoch_millis", self)

    def floor(self, unit: str) -> "Expression":
        """A time without a zone at the beginning of its second, minute, hour or day."""
        if unit not in _UNITS:
            raise InvalidProgramError(f"floor takes {', '.join(_UNITS)}, but got {short_repr(unit)}")
        return _call("floor", self, unit)

    # ---------------------------------------------------------------------------------------------- type and name

    def cast(self, type_: TypeInformation[Any] | type) -> "Expression":
        """The value as one of another type: `cast(float)`, `cast(Types.INT())`. See `casts` for what can be."""
        information = type_ if isinstance(type_, TypeInformation) else from_hint(type_)
        return Cast(self, target_of(information, type_))

    def alias(self, name: str) -> "Expression":
        """The same by a name: that of the column which it becomes."""
        if not isinstance(cast("object", name), str) or not name:
            raise InvalidTypesError(f"alias takes a name, but got {short_repr(name)}")
        return Alias(self, name)

    def same_as(self, other: object) -> bool:
        """Whether that is the same expression: written alike, with values of the same types."""
        if not isinstance(other, Expression) or type(self) is not type(other):
            return False
        return all(map(_is_same, _parts_of(self), _parts_of(other)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Column(Expression):
    """The value of a field."""

    field: str | int

    def __repr__(self) -> str:
        return f"col({self.field!r})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Literal(Expression):
    """A value that is the same for all records."""

    value: Any

    def __repr__(self) -> str:
        return f"lit({self.value!r})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Expression):
    """A function of values. `options` are the same for all records."""

    function: str
    arguments: tuple[Expression, ...]
    options: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        shown = [_nested(argument) for argument in self.arguments]
        return FUNCTIONS[self.function].written(shown, self.options)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cast(Expression):
    """A value as one of another type."""

    value: Expression
    target: TypeInformation[Any]

    def __repr__(self) -> str:
        return f"{_nested(self.value)}.cast(Types.{self.target})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IfElse(Expression):
    """One of two values."""

    condition: Expression
    then: Expression
    otherwise: Expression

    def __repr__(self) -> str:
        return f"if_else({self.condition!r}, {self.then!r}, {self.otherwise!r})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Alias(Expression):
    """A value with a name."""

    value: Expression
    name: str

    def __repr__(self) -> str:
        return f"{_nested(self.value)}.alias({self.name!r})"


def col(field: str | int) -> Expression:
    """The value of a field of each record, by its name, or its position from 0; of a value that has no fields, such as
    a number, position 0 is the value itself.
    """
    if not isinstance(cast("object", field), str | int) or isinstance(field, bool):
        raise InvalidTypesError(f"col takes the name or the position of a field, but got {short_repr(field)}")
    return Column(field)


def lit(value: Value) -> Expression:
    """A value as an expression. Beside another one it need not be said: `col("n") + 1`."""
    return _operand(value)


def if_else(condition: Expression, then: Value, otherwise: Value) -> Expression:
    """`then` where the condition is true, `otherwise` where it is false or null. Each is computed only there."""
    return IfElse(_operand(condition), _operand(then), _operand(otherwise))


_UNITS = ("second", "minute", "hour", "day")


def _call(function: str, *given: Any) -> Expression:  # noqa: ANN401  # expressions, values and options
    definition = FUNCTIONS[function]
    count = definition.arguments
    return Call(function, tuple(map(_operand, given[:count])), given[count:])


def _operand(value: Any) -> Expression:  # noqa: ANN401  # what a user gives
    if isinstance(value, Expression):
        return value
    value = plain(value)
    kind = kind_of(value)
    if kind is Kind.OTHER:
        mend = "; for anything else use map() with a function"
        raise InvalidTypesError(f"an expression takes {_LITERALS}, but got {short_repr(value)}{mend}")
    if kind is Kind.INTEGER and not LEAST <= value <= GREATEST:
        raise InvalidProgramError(f"whole numbers of expressions have 64 bits, but {short_repr(value)} has more")
    return Literal(value.astimezone(datetime.UTC) if kind is Kind.INSTANT else value)


def _constant(value: Value) -> Any:  # noqa: ANN401  # any literal
    operand = _operand(value)
    if not isinstance(operand, Literal) or operand.value is None:
        raise InvalidTypesError(f"is_in takes values that are the same for all records, but got {short_repr(value)}")
    return operand.value


_LITERALS = "expressions, numbers, texts, bytes, truth values, dates, times and None"


def _text(function: str, text: object) -> str:
    if not isinstance(text, str):
        raise InvalidTypesError(f"{function} takes a str, but got {short_repr(text)}; patterns are the same for all")
    return text


def _nested(part: Expression) -> str:
    """As a part of another one."""
    text = repr(part)
    infix = isinstance(part, Call) and FUNCTIONS[part.function].infix
    return f"({text})" if infix else text


def _parts_of(expression: Expression) -> list[object]:
    return [getattr(expression, field.name) for field in fields(cast("Any", expression))]


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, Expression):
        return one.same_as(other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        ones, others = cast("tuple[object, ...]", one), cast("tuple[object, ...]", other)
        return len(ones) == len(others) and all(map(_is_same, ones, others))
    return type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124  # NaN differs from itself
