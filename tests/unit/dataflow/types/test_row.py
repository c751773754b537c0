"""Rows: made, read, compared and pickled as in PyFlink."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import canonical_bytes
from millstream_dataflow.types import Row, RowKind

names = st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), unique=True, max_size=4)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    fields = draw(names)
    values: list[Any] = draw(st.lists(st.integers() | st.text(), min_size=len(fields), max_size=len(fields)))
    row = Row(*fields)(*values) if draw(st.booleans()) else Row(*values)
    row.set_row_kind(draw(st.sampled_from(RowKind)))
    return row


def test_three_ways_to_make_one() -> None:
    assert repr(Row("Ann", 31)) == "Row('Ann', 31)"
    assert repr(Row(name="Ann", age=31)) == "Row(name='Ann', age=31)"
    person = Row("name", "age")
    assert "name" in person
    assert repr(person("Ann", 31)) == "Row(name='Ann', age=31)"


def test_access() -> None:
    row = Row("name", "age")("Ann", 31)
    assert (row.name, row["age"], row[0], row[-1], row[:1]) == ("Ann", 31, "Ann", 31, ("Ann",))
    assert (list(row), len(row), 31 in row, "age" in row) == (["Ann", 31], 2, False, True)
    assert row.get_field_names() == ("name", "age")


def test_values_of_some_fields() -> None:
    row = Row(name="Ann", age=31)
    assert row.get_fields_by_names(["age", "name"]) == [31, "Ann"]
    assert Row("Ann", 31).get_fields_by_names(["age"]) == ["Ann", 31]
    with pytest.raises(KeyError, match="no field 'size'; it has name, age"):
        row.get_fields_by_names(["size"])


def test_a_kind_from_the_start() -> None:
    row = Row.of_kind(RowKind.DELETE, name="Ann")
    assert (row.get_row_kind(), row.name) == (RowKind.DELETE, "Ann")
    with pytest.raises(AttributeError, match=r"to_j_row_kind of RowKind isn't there: no Java runs here"):
        _ = RowKind.DELETE.to_j_row_kind


def test_setting() -> None:
    row = Row("name", "age")("Ann", 31)
    row["age"] = 32
    row[0] = "Bob"
    assert row == Row("name", "age")("Bob", 32)
    row.set_field_names(["who", "years"])
    assert row.who == "Bob"


def test_as_dict() -> None:
    row = Row(key=1, value=[Row(a=2)])
    assert row.as_dict() == {"key": 1, "value": [Row(a=2)]}
    assert row.as_dict(recursive=True) == {"key": 1, "value": [{"a": 2}]}


def test_refusals() -> None:
    row = Row(a=1)
    with pytest.raises(AttributeError, match="no field 'b'; it has a"):
        _ = row.b
    with pytest.raises(AttributeError, match="it has no names"):
        _ = Row(1).a
    with pytest.raises(KeyError, match="no field 'b'"):
        _ = row["b"]
    with pytest.raises(AttributeError):
        row.a = 2  # type: ignore[attr-defined]  # what is tested
    with pytest.raises(TypeError, match="no field names"):
        Row(1).as_dict()
    with pytest.raises(ValueError, match="not of both"):
        Row(1, a=2)
    with pytest.raises(ValueError, match="names 2 fields, but got 1 values"):
        Row("a", "b")(1)
    with pytest.raises(ValueError, match="but got 2 names"):
        row.set_field_names(["a", "b"])


def test_equality_is_of_values_names_and_kind() -> None:
    assert Row(a=1) == Row(a=1)
    assert Row(a=1) != Row(b=1)
    assert Row(a=1) != Row(1)
    assert Row(1) != (1,)
    deleted = Row(1)
    deleted.set_row_kind(RowKind.DELETE)
    assert deleted != Row(1)
    assert repr(deleted) == "Row<DELETE>(1)"


@given(rows())
def test_copies_are_equal(row: Row) -> None:
    for other in (pickle.loads(pickle.dumps(row, 5)), copy.copy(row), copy.deepcopy(row)):
        assert other == row
        assert hash(other) == hash(row)
        assert other.get_row_kind() is row.get_row_kind()


@given(rows())
def test_as_keys_they_are_their_values(row: Row) -> None:
    assert canonical_bytes(row) == canonical_bytes(tuple(row))


def test_many_rows_pickle_small() -> None:
    """Names once for all rows, then little more than the values."""
    many = [Row(carrier="UA", delay=i) for i in range(1_000)]
    assert len(pickle.dumps(many, 5)) < 1_000 * (len(pickle.dumps(("UA", 7), 5)) + 6)
