"""Every function of expressions: how it is written, what it takes, what it gives. `row_functions` and
`column_functions` have what it does, under the same names (a test compares).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from millstream_dataflow.expressions.kinds import NUMBERS, Kind, refused, shown_kinds

Kinds = Sequence[Kind | None]
"""None: not known before the values are there."""


@dataclass(frozen=True, slots=True)
class Function:
    """One of them."""

    name: str
    sign: str
    """As the user writes it: an operator, or a method's name."""
    arguments: int
    takes: str
    """In words, for errors."""
    rule: Callable[[Kinds], Kind | None]
    """The kind of the result; NotImplementedError for kinds that it doesn't take. Of NULL among them it isn't asked
    unless it `sees_null`.
    """
    sees_null: bool = False
    """Whether a null makes something else than null."""

    @property
    def infix(self) -> bool:
        """Whether it is written between its arguments, or before its only one."""
        return not self.sign.isidentifier()

    def written(self, arguments: Sequence[str], options: Sequence[Any] = ()) -> str:
        """The call as the user wrote it."""
        if self.sign == "abs":
            return f"abs({arguments[0]})"
        if self.infix:
            return f"{self.sign}{arguments[0]}" if self.arguments == 1 else f" {self.sign} ".join(arguments)
        if self.sign == "is_in":
            return f"{arguments[0]}.is_in({list(options[0])!r})"
        given = [*arguments[1:], *map(repr, options)]
        return f"{arguments[0]}.{self.sign}({', '.join(given)})"

    def result(self, kinds: Kinds) -> Kind | None:
        """The kind of what it gives for arguments of these; None if that isn't known. InvalidTypesError for such that
        it doesn't take.
        """
        try:
            if not self.sees_null and Kind.NULL in kinds:
                return self._of_null(kinds)
            return self.rule(kinds)
        except NotImplementedError:
            raise refused(self.sign, self.takes, shown_kinds(list(kinds))) from None

    def _of_null(self, kinds: Kinds) -> Kind | None:
        """What it would be of a value: taken for one of the kind of the others, else anything."""
        known = next((kind for kind in kinds if kind is not Kind.NULL), Kind.NULL)
        if known is Kind.NULL:
            return Kind.NULL
        return self.rule([known if kind is Kind.NULL else kind for kind in kinds])


def _sum(kinds: Kinds) -> Kind | None:
    if all(kind in {Kind.TEXT, None} for kind in kinds) and Kind.TEXT in kinds:
        return Kind.TEXT
    return _arithmetic(kinds)


def _arithmetic(kinds: Kinds) -> Kind | None:
    if any(kind is not None and kind not in NUMBERS for kind in kinds):
        raise NotImplementedError
    if Kind.FLOAT in kinds:
        return Kind.FLOAT
    return None if None in kinds else Kind.INTEGER


def _division(kinds: Kinds) -> Kind | None:
    _arithmetic(kinds)
    return Kind.FLOAT


def _comparison(kinds: Kinds) -> Kind | None:
    known = {kind for kind in kinds if kind is not None}
    if Kind.OTHER in known or (len(known) > 1 and not known <= NUMBERS):
        raise NotImplementedError
    return Kind.BOOLEAN


def _logic(kinds: Kinds) -> Kind | None:
    if any(kind not in {Kind.BOOLEAN, Kind.NULL, None} for kind in kinds):
        raise NotImplementedError
    return Kind.BOOLEAN


def _anything(_kinds: Kinds) -> Kind | None:
    return Kind.BOOLEAN


def common(kinds: Kinds) -> Kind | None:
    """The kind of one of several values: of a whole number and a float a float. NotImplementedError where there is
    none.
    """
    known = {kind for kind in kinds if kind not in {None, Kind.NULL}}
    if known >= NUMBERS and len(known) == len(NUMBERS):
        return Kind.FLOAT
    if len(known) > 1:
        raise NotImplementedError
    if known:
        return None if None in kinds and known == {Kind.INTEGER} else next(iter(known))
    return None if None in kinds else Kind.NULL


def _of(takes: frozenset[Kind], gives: Kind | None = None) -> Callable[[Kinds], Kind | None]:
    """One argument of these kinds; what it gives is the same kind, or that."""

    def rule(kinds: Kinds) -> Kind | None:
        [kind] = kinds
        if kind is not None and kind not in takes:
            raise NotImplementedError
        return gives or (next(iter(takes)) if len(takes) == 1 else kind)

    return rule


_TEXT: Final = frozenset({Kind.TEXT})
_DATES: Final = frozenset({Kind.DATE, Kind.DATETIME, Kind.INSTANT})
_CLOCKS: Final = frozenset({Kind.TIME, Kind.DATETIME, Kind.INSTANT})
_TIMES: Final = frozenset({Kind.DATETIME, Kind.INSTANT})
_ALIKE: Final = "two values of one kind (numbers, texts, bytes, truth values, dates, times)"
_NUMBER, _TWO = "a number", "two numbers"
_TRUTH: Final = "truth values, such as comparisons in parentheses"

_ALL: Final = (
    Function("add", "+", 2, "two numbers or two texts", _sum),
    Function("subtract", "-", 2, _TWO, _arithmetic),
    Function("multiply", "*", 2, _TWO, _arithmetic),
    Function("divide", "/", 2, _TWO, _division),
    Function("floor_divide", "//", 2, _TWO, _arithmetic),
    Function("modulo", "%", 2, _TWO, _arithmetic),
    Function("negate", "-", 1, _NUMBER, _arithmetic),
    Function("absolute", "abs", 1, _NUMBER, _arithmetic),
    Function("equal", "==", 2, _ALIKE, _comparison),
    Function("not_equal", "!=", 2, _ALIKE, _comparison),
    Function("less", "<", 2, _ALIKE, _comparison),
    Function("less_equal", "<=", 2, _ALIKE, _comparison),
    Function("greater", ">", 2, _ALIKE, _comparison),
    Function("greater_equal", ">=", 2, _ALIKE, _comparison),
    Function("and", "&", 2, _TRUTH, _logic, sees_null=True),
    Function("or", "|", 2, _TRUTH, _logic, sees_null=True),
    Function("not", "~", 1, _TRUTH, _logic),
    Function("is_null", "is_null", 1, "anything", _anything, sees_null=True),
    Function("is_not_null", "is_not_null", 1, "anything", _anything, sees_null=True),
    Function("is_in", "is_in", 2, _ALIKE, _comparison),
    Function("is_nan", "is_nan", 1, _NUMBER, _of(NUMBERS, Kind.BOOLEAN)),
    Function("lower", "lower", 1, "a text", _of(_TEXT)),
    Function("upper", "upper", 1, "a text", _of(_TEXT)),
    Function("strip", "strip", 1, "a text", _of(_TEXT)),
    Function("length", "length", 1, "a text or bytes", _of(frozenset({Kind.TEXT, Kind.BYTES}), Kind.INTEGER)),
    Function("starts_with", "starts_with", 1, "a text", _of(_TEXT, Kind.BOOLEAN)),
    Function("ends_with", "ends_with", 1, "a text", _of(_TEXT, Kind.BOOLEAN)),
    Function("contains", "contains", 1, "a text", _of(_TEXT, Kind.BOOLEAN)),
    Function("replace", "replace", 1, "a text", _of(_TEXT)),
    Function("slice", "slice", 1, "a text", _of(_TEXT)),
    Function("year", "year", 1, "a date or a time", _of(_DATES, Kind.INTEGER)),
    Function("month", "month", 1, "a date or a time", _of(_DATES, Kind.INTEGER)),
    Function("day", "day", 1, "a date or a time", _of(_DATES, Kind.INTEGER)),
    Function("weekday", "weekday", 1, "a date or a time", _of(_DATES, Kind.INTEGER)),
    Function("hour", "hour", 1, "a time", _of(_CLOCKS, Kind.INTEGER)),
    Function("minute", "minute", 1, "a time", _of(_CLOCKS, Kind.INTEGER)),
    Function("second", "second", 1, "a time", _of(_CLOCKS, Kind.INTEGER)),
    Function("epoch_millis", "epoch_millis", 1, "a date and time", _of(_TIMES, Kind.INTEGER)),
    Function("floor", "floor", 1, "a date and time without a zone", _of(frozenset({Kind.DATETIME}))),
)

FUNCTIONS: Final[Mapping[str, Function]] = {function.name: function for function in _ALL}
