"""What doesn't fit is told in one sentence: where, what it is, what was declared."""

import datetime
from typing import Any

import numpy as np
import pytest

from millstream_dataflow.types import Row, TypeInformation, Types, from_hint
from tests.unit.dataflow.types.examples import Color, Flight, Pair

NAIVE = datetime.datetime(2013, 1, 1)  # noqa: DTZ001  # what is tested


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("type_info", "value", "sentence"),
    [
        (Types.STRING(), 1, "value is int 1, but STRING() was declared (a str)"),
        (Types.LONG(), True, "value is bool True, but LONG() was declared (an int of 64 bits, "),
        (Types.LONG(), 2**63, "value is int 9223372036854775808, but LONG()"),
        (Types.INT(), -(2**31) - 1, "but INT() was declared (an int of 32 bits, -2147483648 to 2147483647)"),
        (Types.BYTE(), np.int8(1), "; value.item() gives Python's own number"),
        (Types.DOUBLE(), 1, "value is int 1, but DOUBLE() was declared (a float; an int is written float(value))"),
        (Types.BOOLEAN(), 0, "value is int 0, but BOOLEAN()"),
        (Types.CHAR(), "ab", "a str of one character"),
        (Types.SQL_DATE(), NAIVE, "a datetime.date without a time"),
        (Types.SQL_TIMESTAMP(), NAIVE.replace(tzinfo=datetime.UTC), "a datetime without a time zone"),
        (Types.INSTANT(), NAIVE, "a datetime with a time zone"),
        (Types.PRIMITIVE_ARRAY(Types.BYTE()), [1], "but PRIMITIVE_ARRAY(BYTE()) was declared (bytes)"),
        (Types.PRIMITIVE_ARRAY(Types.INT()), [1, None], "value[1] is NoneType None, but INT()"),
        (Types.TUPLE([Types.LONG()]), [1], "value is list [1], but TUPLE([LONG()]) was declared (a tuple of 1)"),
        (Types.TUPLE([Types.LONG()]), (1, 2), "(1 field, not 2)"),
        (Types.TUPLE([Types.CHAR(), Types.LIST(Types.LONG())]), ("a", [1, "b"]), "value[1][1] is str 'b', but LONG()"),
        (Types.TUPLE([Types.LONG()]), (None,), "value[0] is NoneType None"),
        (Types.MAP(Types.STRING(), Types.LONG()), {"a": "b"}, "value['a'] is str 'b', but LONG()"),
        (Types.MAP(Types.STRING(), Types.LONG()), {1: 1}, "the key of value[1] is int 1, but STRING()"),
        (Types.ROW_NAMED(["a"], [Types.LONG()]), Row(a="x"), "value.a is str 'x', but LONG()"),
        (Types.ROW_NAMED(["a"], [Types.LONG()]), Row(1), "make it by Row('a')(...)"),
        (Types.ROW([Types.LONG()]), (1,), "but ROW([LONG()]) was declared (a Row of 1)"),
        (Types.NAMED_TUPLE(Pair), ("a", 1), "(an instance of tests.unit.dataflow.types.examples.Pair)"),
        (Types.DATACLASS(Flight), Flight("a", None, [Pair("b", 1.5)]), "value.stops[0].number is float 1.5, but int"),  # type: ignore[arg-type]  # what is told
        (Types.ENUM(Color), "red", "(a member of tests.unit.dataflow.types.examples.Color)"),
        (Types.OPTIONAL(Types.LONG()), "a", "value is str 'a', but LONG()"),
        (Types.STRING(), Rude(), "test_check.Rude <unprintable Rude>"),
    ],
)  # fmt: skip
def test_misfits(type_info: TypeInformation[Any], value: object, sentence: str) -> None:
    problem = type_info.check(value)
    assert problem is not None
    assert sentence in problem


def test_a_sentence_is_short_whatever_the_value() -> None:
    problem = Types.LONG().check("x" * 1_000_000)
    assert problem is not None
    assert len(problem) < 200
    assert Types.STRING().check(10**5_000) is not None  # more digits than Python writes


def test_rows_may_have_nulls_as_in_flink() -> None:
    assert Types.ROW([Types.LONG()]).check(Row(None)) is None
    assert Types.BASIC_ARRAY(Types.LONG()).check([None, 1]) is None


def test_an_annotation_lets_pass_what_type_checkers_let_pass() -> None:
    hint = from_hint(tuple[int, float])
    assert hint is not None
    assert hint.check((True, 1)) is None
