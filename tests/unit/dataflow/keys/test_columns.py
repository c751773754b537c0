"""The hash of an Arrow column is the hash of each of its Python values, sliced or not, with nulls or without."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import arrays, hash_array, key_hash

NAIVE = st.datetimes()
AWARE = st.datetimes(min_value=datetime.datetime(2, 1, 1), timezones=st.just(datetime.UTC))  # noqa: DTZ001  # only a bound
SECONDS = NAIVE.map(lambda moment: moment.replace(microsecond=0))
MILLIS = NAIVE.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    *((kind, st.integers(-(2**7), 2**7 - 1)) for kind in (pa.int8(), pa.int16(), pa.int32())),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    *((kind, st.integers(0, 2**8 - 1)) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float16(), st.floats(width=16).map(np.float16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats() | st.integers(-(2**70), 2**70).map(float)),
    (pa.bool_(), st.booleans()),
    *((kind, TEXT) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *((kind, st.binary(max_size=40)) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    *((kind, st.dates()) for kind in (pa.date32(), pa.date64())),
    (pa.timestamp("s"), SECONDS),
    (pa.timestamp("ms"), MILLIS),
    (pa.timestamp("us"), NAIVE),
    (pa.timestamp("us", "UTC"), AWARE),
    (pa.decimal128(20, 2), st.integers(-(10**17), 10**17)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "", "a longer one"])),
    (pa.null(), st.none()),
]


def scalar_hashes(values: Sequence[object]) -> list[int]:
    return [key_hash(value) for value in values]


def as_key(value: object) -> object:
    """The Python value of a slot; of a struct's, the tuple of its fields."""
    return tuple(map(as_key, value.values())) if isinstance(value, dict) else value


def check(column: "pa.Array[Any]") -> None:
    for part in (column, column.slice(1), column.slice(2, 3), column.slice(len(column))):
        assert hash_array(part).tolist() == scalar_hashes([as_key(value) for value in part.to_pylist()])


@pytest.mark.parametrize(("kind", "values"), COLUMNS, ids=[str(kind) for kind, _ in COLUMNS])
def test_each_slot_hashes_as_its_value(kind: pa.DataType, values: st.SearchStrategy[Any]) -> None:
    @given(st.lists(st.none() | values, max_size=12))
    def holds(drawn: list[Any]) -> None:
        check(pa.array(drawn, kind, from_pandas=False))

    holds()


@given(st.lists(st.none() | st.tuples(st.none() | TEXT, st.none() | st.floats()), max_size=8))
def test_a_struct_is_the_tuple_of_its_fields(rows: list[tuple[str | None, float | None] | None]) -> None:
    inner = pa.struct([("name", pa.string()), ("number", pa.float64())])
    values = [None if row is None else {"name": row[0], "number": row[1]} for row in rows]
    column = pa.array(values, inner)
    check(column)
    check(pa.StructArray.from_arrays([column, pa.array(range(len(rows)), pa.int16())], ["inner", "place"]))


def test_encodings_of_the_same_column_hash_alike() -> None:
    plain = pa.array(["a", "a", None, "b", "a longer one", "b"])
    expected = hash_array(plain).tolist()
    assert hash_array(plain.dictionary_encode()).tolist() == expected
    assert hash_array(plain.dictionary_encode(null_encoding="encode")).tolist() == expected
    assert hash_array(pc.run_end_encode(plain)).tolist() == expected  # type: ignore[attr-defined]  # not in the stubs
    assert hash_array(pa.chunked_array([plain.slice(0, 2), plain.slice(2)])).tolist() == expected


def test_a_zone_doesnt_change_the_moment() -> None:
    moment = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    column = pa.array([moment], pa.timestamp("us", "Europe/Berlin"))
    assert hash_array(column).tolist() == [key_hash(moment)] == [key_hash(moment.astimezone(datetime.UTC))]


def test_uuids() -> None:
    values = [uuid.UUID(int=7), None, uuid.UUID(int=2**100)]
    storage = pa.array([value and value.bytes for value in values], pa.binary(16))
    column = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    assert hash_array(column.slice(1)).tolist() == scalar_hashes(values[1:])


def test_signalling_nans_are_nans() -> None:
    """Their bits come from files, and numpy warns of them."""
    wide = np.array([0x7FF0000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    narrow = np.array([0x7F800001], np.uint32).view(np.float32)
    assert {*hash_array(pa.array(wide)).tolist(), *hash_array(pa.array(narrow)).tolist()} == {key_hash(float("nan"))}


def test_empty_columns() -> None:
    for column in (pa.array([], pa.string()), pa.array([], pa.struct([])), pa.chunked_array([], pa.int8())):
        assert hash_array(column).tolist() == []
    assert hash_array(pa.array(["", ""])).tolist() == [key_hash("")] * 2
    assert hash_array(pa.array([{}, None], pa.struct([]))).tolist() == [key_hash(()), 0]


def test_strings_without_padding_behind_them() -> None:
    """Buffers of other producers end with the last byte, and may begin at any."""
    data = b"?abcdefghij"
    offsets = np.array([1, 4, 11, 11], np.int32)
    column = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)])
    assert hash_array(column).tolist() == scalar_hashes(["abc", "defghij", ""])


def test_long_strings_among_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way through the blocks: full ones, the last one, many long strings, a few very long ones."""
    monkeypatch.setattr(arrays, "BLOCK", 64)
    values = ["x" * (place * 7 % 90) for place in range(200)] + ["y" * 5_000, "z" * 4_999]
    assert hash_array(pa.array(values)).tolist() == scalar_hashes(values)
    numbers = [place * 0.5 for place in range(200)]
    assert hash_array(pa.array(numbers)).tolist() == scalar_hashes(numbers)
