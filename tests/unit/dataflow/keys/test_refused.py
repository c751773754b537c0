"""What can't be a key, and the sentence that says what to use instead."""

import dataclasses
import datetime
import enum
import fractions
import pickle
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.keys import (
    UnstableKeyError,
    canonical_bytes,
    check_key_type,
    hash_array,
    hash_batch,
    key_hash,
    key_identity,
)


class Colour(enum.Enum):
    RED = 1


class Thing:
    pass


class BadRow:
    def __canonical_fields__(self) -> list[object]:
        return [1]


class Nanoseconds(datetime.datetime):
    """As pandas' Timestamp: a datetime with three more digits."""

    nanosecond = 7


@dataclasses.dataclass
class Open:
    value: int


REFUSED = [
    ([1], "list", "a tuple of its items"),
    ({"a": 1}, "dict", "a tuple of the values"),
    ({1}, "set", "tuple(sorted(value))"),
    (frozenset({1}), "frozenset", "tuple(sorted(value))"),
    (bytearray(b"a"), "bytearray", "bytes(value)"),
    (memoryview(b"a"), "memoryview", "bytes(value)"),
    (1j, "complex", "value.real"),
    (np.complex64(1), "numpy.complex64", "value.real"),
    (fractions.Fraction(1, 2), "fractions.Fraction", "value.numerator"),
    (datetime.timedelta(1), "datetime.timedelta", "timedelta(microseconds=1)"),
    (datetime.time(1), "datetime.time", "value.isoformat()"),
    (np.array([1]), "numpy.ndarray", "tuple(value.tolist())"),
    (np.longdouble(1), "numpy.longdouble", "float(value)"),
    (np.datetime64("2026-03-01"), "numpy.datetime64", "astype"),
    (np.timedelta64(1, "s"), "numpy.timedelta64", "microseconds"),
    (pa.scalar(1), "pyarrow.lib.Int64Scalar", "value.as_py()"),
    (Decimal("0.5"), "decimal.Decimal", "str(value.normalize())"),
    (Decimal("NaN"), "decimal.Decimal", "finite"),
    (Decimal("sNaN"), "decimal.Decimal", "finite"),
    (Decimal("-Infinity"), "decimal.Decimal", "finite"),
    (Decimal("1E+4300"), "decimal.Decimal", "4300 digits"),
    (Nanoseconds(2026, 3, 1), f"{__name__}.Nanoseconds", "cut to microseconds"),
    (Open(1), f"{__name__}.Open", "@dataclass(frozen=True)"),
    (Thing(), f"{__name__}.Thing", "a frozen dataclass"),
    (BadRow(), f"{__name__}.BadRow", "returned list, not a tuple"),
    (BadRow, "type", "module and qualified name"),
    (Colour, "enum.EnumType", "one of its members"),
    (len, "builtin_function_or_method", "one of its fields"),
]


@pytest.mark.parametrize("function", [key_hash, canonical_bytes, key_identity], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("key", "name", "mend"), REFUSED, ids=[name for _, name, _ in REFUSED])
def test_the_error_names_the_type_and_the_mend(
    function: Callable[[object], object], key: object, name: str, mend: str
) -> None:
    for nested in (key, (1, (key,))):
        with pytest.raises(UnstableKeyError) as caught:
            function(nested)
        assert caught.value.type_name == name
        assert str(caught.value).startswith(f"{name} can't be a key or a part of one: ")
        assert mend in str(caught.value)


@pytest.mark.parametrize("keys", [[[1]] * 40, ["a"] * 40 + [[1]], [(1, [2])] * 40], ids=["all", "one", "inside"])
def test_a_batch_is_refused_as_its_key_is(keys: list[object]) -> None:
    with pytest.raises(UnstableKeyError, match=r"^list can't be a key"):
        hash_batch(keys)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnstableKeyError("list", "it can change", "a tuple")))
    assert (error.type_name, error.why, error.instead) == ("list", "it can change", "a tuple")
    assert str(error) == "list can't be a key or a part of one: it can change; use a tuple instead"


def test_a_declared_type_is_refused_before_the_first_record() -> None:
    for cls in (str, bool, np.int8, Decimal, tuple, Colour, datetime.datetime, type(None)):
        check_key_type(cls)
    for refused in (list, np.timedelta64, Open, Thing, object):
        with pytest.raises(UnstableKeyError):
            check_key_type(refused)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.int8()), pa.map_(pa.string(), pa.int8()), pa.time32("s"), pa.duration("us")],
    ids=str,
)
def test_a_column_is_refused_by_its_type_even_when_it_is_empty(kind: pa.DataType) -> None:
    with pytest.raises(UnstableKeyError, match=r"^a column of "):
        hash_array(pa.array([], kind))
    with pytest.raises(UnstableKeyError, match=r"^a column of "):
        hash_array(pa.array([], pa.struct([("field", kind)])))


def test_an_unknown_extension_is_not_taken_for_its_storage() -> None:
    with pytest.raises(UnstableKeyError, match=r"^a column of extension<arrow.bool8>"):
        hash_array(pa.array([], pa.bool8()))


def test_nanoseconds_in_a_column_are_not_cut_off() -> None:
    assert len(hash_array(pa.array([1000, None], pa.timestamp("ns")))) == 2
    with pytest.raises(UnstableKeyError, match=r"a column of timestamp\[ns\].*whole microseconds"):
        hash_array(pa.array([1001], pa.timestamp("ns")))
