"""What a declared type completes, and what it leaves to be refused."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from millstream_dataflow.types import Row, RowKind, TypeInformation, Types
from millstream_dataflow.types.completion import completer

PERSON = Types.ROW_NAMED(["name", "age"], [Types.STRING(), Types.DOUBLE()])


def completed(value: object, type_: TypeInformation[Any]) -> Any:  # noqa: ANN401  # any value
    complete = completer(type_)
    return value if complete is None else complete(value)


@pytest.mark.parametrize(
    ("value", "type_", "wanted"),
    [
        (3, Types.DOUBLE(), 3.0),
        (3, Types.FLOAT(), 3.0),
        (np.float32(0.5), Types.DOUBLE(), 0.5),
        (np.int64(3), Types.DOUBLE(), 3.0),
        (np.int64(3), Types.INT(), 3),
        (np.uint8(3), Types.BYTE(), 3),
        (("a", np.int32(3)), Types.TUPLE([Types.STRING(), Types.LONG()]), ("a", 3)),
        (("a", 3), Types.TUPLE([Types.STRING(), Types.DOUBLE()]), ("a", 3.0)),
        ([1, 2.5], Types.LIST(Types.DOUBLE()), [1.0, 2.5]),
        ({"a": 1}, Types.MAP(Types.STRING(), Types.DOUBLE()), {"a": 1.0}),
        (7, Types.OPTIONAL(Types.DOUBLE()), 7.0),
        (Row("Ann", 31), PERSON, Row(name="Ann", age=31.0)),
        (Row(None, None), PERSON, Row(name=None, age=None)),
        (Row(age=31.5, name="Ann"), PERSON, Row(name="Ann", age=31.5)),
        (Row(name="Ann", age=31), Types.ROW([Types.STRING(), Types.DOUBLE()]), Row(name="Ann", age=31.0)),
        ((Row("Ann", 1),), Types.TUPLE([PERSON]), (Row(name="Ann", age=1.0),)),
    ],
)
def test_it_is_as_pyflinks_coders_have_it(value: object, type_: TypeInformation[Any], wanted: object) -> None:
    made = completed(value, type_)
    assert (made, repr(made)) == (wanted, repr(wanted)), "equal, and of the same classes: 3 == 3.0"
    assert type_.check(made) is None


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, Types.DOUBLE()),
        (10**400, Types.DOUBLE()),
        (1.0, Types.INT()),
        (np.float64(1), Types.INT()),
        (True, Types.INT()),
        (Fraction(1, 3), Types.DOUBLE()),
        (Decimal("0.5"), Types.DOUBLE()),
        ("3", Types.DOUBLE()),
        (("a", 1), PERSON),
        (Row("Ann"), PERSON),
        (Row(first="Ann", age=1), PERSON),
        (None, Types.DOUBLE()),
    ],
)
def test_the_rest_stays_as_it_is_and_is_refused(value: object, type_: TypeInformation[Any]) -> None:
    assert completed(value, type_) is value
    assert type_.check(value) is not None


def test_the_value_itself_stays_and_a_row_keeps_its_kind() -> None:
    row = Row.of_kind(RowKind.DELETE, "Ann", 31)
    made = completed(row, PERSON)
    assert (row.get_field_names(), row[1]) == (None, 31)
    assert made.get_row_kind() is RowKind.DELETE


@pytest.mark.parametrize(
    "type_",
    [Types.STRING(), Types.BOOLEAN(), Types.TUPLE([Types.CHAR()]), Types.ROW([Types.BIG_DEC()]), Types.ANY()],
)
def test_most_types_complete_nothing(type_: TypeInformation[Any]) -> None:
    assert completer(type_) is None
