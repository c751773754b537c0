"""Columns are dealt out by the hash of a column, to whom the same records go as rows."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.expressions import ColumnKey, Expression, col
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.exchange.partitioners import Hash
from millstream_taskmanager.operators.conversion import to_rows
from millstream_taskmanager.user_code.errors import UserCodeError

COLUMNS = pa.RecordBatch.from_pydict(
    {
        "text": [f"key {number % 17}" for number in range(50)],
        "number": [None if number % 7 == 0 else number for number in range(50)],
        "real": [number / 4 for number in range(50)],
        "list": [[number] for number in range(50)],
    }
)
BATCH = ColumnBatch(COLUMNS, np.arange(50))


def hashed(key: Any, channels: int = 3) -> Hash:  # noqa: ANN401  # any selector
    return Hash(channels, 128, KeySelection(key), "Map")


@pytest.mark.parametrize(
    "key", [col("text"), col("number"), col("real"), col("number") % 5, col("text").upper(), col(0)]
)
def test_columns_go_where_their_rows_go(key: Expression) -> None:
    partitioner = hashed(ColumnKey(key))
    assert not partitioner.rows_only
    of_columns = dict(partitioner.deal(BATCH))
    of_rows = dict(partitioner.deal(to_rows(BATCH)))
    assert all(isinstance(part, ColumnBatch) for part in of_columns.values())
    assert {target: to_rows(part) for target, part in of_columns.items() if isinstance(part, ColumnBatch)} == of_rows
    assert sum(map(len, of_columns.values())) == 50


def test_one_channel_gets_the_batch_itself() -> None:
    assert list(hashed(ColumnKey(col("text")), 1).deal(BATCH)) == [(0, BATCH)]


def test_functions_see_rows() -> None:
    assert hashed(lambda record: record[0]).rows_only
    with pytest.raises(TypeError, match="columns came"):
        list(hashed(lambda record: record[0]).deal(BATCH))


@pytest.mark.parametrize(
    ("key", "words"),
    [(col("list"), "list"), (col("x"), "no column 'x'"), (1 // col("real"), "division by zero")],
)
def test_a_key_that_can_be_none_names_its_record(key: Expression, words: str) -> None:
    for batch in (BATCH, to_rows(BATCH)):
        with pytest.raises(UserCodeError, match=words) as raised:
            list(hashed(ColumnKey(key)).deal(batch))
        assert raised.value.record.startswith("Row(text='key 0', ")
        assert isinstance(batch, ColumnBatch | RowBatch)
