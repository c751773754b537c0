"""Columns become Rows with names; rows become columns where their type says how, and a misfit is named."""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_dataflow.types import Row, TypeInformation, Types
from millstream_taskmanager.operators.conversion import ToColumns, to_rows
from millstream_taskmanager.user_code.errors import UserCodeError


@dataclass
class Flight:
    """A record."""

    origin: str
    delay: float | None


class Pair(NamedTuple):
    """A record."""

    left: int
    right: str


@dataclass
class Single:
    """One field."""

    only: int


NAMED = Types.ROW_NAMED(["left", "right"], [Types.LONG(), Types.STRING()])


def test_columns_become_rows() -> None:
    columns = pa.RecordBatch.from_pydict(
        {"n": [1, 2], "s": ["a", None], "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))}
    )
    rows = to_rows(ColumnBatch(columns, np.array([5, 6], np.int64)))
    assert rows == RowBatch([Row("n", "s", "m")(1, "a", {"k": 1}), Row("n", "s", "m")(2, None, None)], [5, 6])
    assert rows.values[0].s == "a"
    assert type(rows.timestamps[0]) is int  # type: ignore[index]  # there are some


def test_columns_without_a_column_become_empty_rows() -> None:
    empty = pa.RecordBatch.from_struct_array(cast("pa.StructArray", pa.array([{}, {}], pa.struct([]))))
    assert to_rows(ColumnBatch(empty)) == RowBatch([Row(), Row()])


@pytest.mark.parametrize(
    ("type_", "values", "columns"),
    [
        (NAMED, [Row("left", "right")(1, "a"), Row("left", "right")(2, None)], {"left": [1, 2], "right": ["a", None]}),
        (None, [Flight("JFK", 1.5), Flight("LGA", None)], {"origin": ["JFK", "LGA"], "delay": [1.5, None]}),
        (None, [Pair(1, "a")], {"left": [1], "right": ["a"]}),
        (None, [Single(1), Single(2)], {"only": [1, 2]}),
        (NAMED, [], {"left": [], "right": []}),
    ],
    ids=["row", "dataclass", "named tuple", "one field", "no rows"],
)
def test_rows_become_columns(type_: TypeInformation[Any] | None, values: list[Any], columns: dict[str, Any]) -> None:
    batch = ToColumns(type_, "op")(RowBatch(values, list(range(len(values)))))
    assert batch.columns.to_pydict() == columns
    assert batch.timestamps is not None
    assert batch.timestamps.tolist() == list(range(len(values)))


def test_there_and_back() -> None:
    rows = RowBatch([Row("left", "right")(1, "a")], [3])
    assert to_rows(ToColumns(NAMED, "op")(rows)) == rows


@pytest.mark.parametrize(
    ("type_", "value"), [(None, 5), (None, {"a": 1}), (Types.LONG(), 5), (Types.PICKLED_BYTE_ARRAY(), 5)]
)
def test_rows_of_no_known_type_are_refused(type_: TypeInformation[Any] | None, value: object) -> None:
    with pytest.raises(UserCodeError, match=r"Types\.ROW_NAMED") as raised:
        ToColumns(type_, "Map Batches")(RowBatch([value]))
    assert raised.value.operator == "Map Batches"


@pytest.mark.parametrize("misfit", [Row("left", "right")("x", "a"), Row("left", "right")(1, 2), 7, Row(1)])
def test_a_misfit_is_named(misfit: object) -> None:
    good = Row("left", "right")(1, "a")
    with pytest.raises(UserCodeError) as raised:
        ToColumns(NAMED, "op")(RowBatch([good, misfit, good]))
    assert raised.value.record == repr(misfit)
