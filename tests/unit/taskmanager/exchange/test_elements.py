"""Sizes are about what a wire would carry, never nothing, and cost no call of the user's code."""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.exchange.elements import SizeEstimator


class Grumpy:
    """Minds being pickled or shown."""

    def __init__(self) -> None:
        self.text = "x" * 100

    def __reduce__(self) -> NoReturn:
        raise AssertionError

    def __repr__(self) -> NoReturn:
        raise AssertionError


@dataclass(slots=True)
class Slotted:
    """No `__dict__`."""

    number: int


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (1, 5, 10),
        (None, 1, 1),
        ("a" * 50, 50, 60),
        (("ab", 1.5), 15, 30),
        ({"k": [1, 2, 3]}, 25, 60),
        (list(range(1000)), 8_000, 10_000),
        (Grumpy(), 100, 120),
        (Slotted(1), 8, 100),
        (np.zeros(1000), 8_000, 8_200),
        ([[[[[[[1]]]]]]], 20, 200),
        ((), 1, 10),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows(value: object, least: int, most: int) -> None:
    assert least * 100 <= SizeEstimator().size(RowBatch([value] * 100)) <= most * 100


def test_times_count() -> None:
    sizes = SizeEstimator()
    assert sizes.size(RowBatch([1] * 10, list(range(10)))) - sizes.size(RowBatch([1] * 10)) == 80


def test_never_nothing() -> None:
    assert SizeEstimator().size(RowBatch([])) == 1
    assert SizeEstimator().size(ColumnBatch(pa.RecordBatch.from_pydict({}))) == 1


def test_columns() -> None:
    columns = pa.RecordBatch.from_pydict({"n": pa.array(range(1000), pa.int64())})
    assert SizeEstimator().size(ColumnBatch(columns, np.arange(1000))) == 16_000
    assert SizeEstimator().size(ColumnBatch(columns.slice(0, 10))) == 80


def test_renewed_every_64_batches() -> None:
    sizes = SizeEstimator()
    sizes.size(RowBatch([1]))
    long = RowBatch(["x" * 1000])
    seen = [sizes.size(long) for _ in range(64)]
    assert seen[:63] == [9] * 63
    assert seen[63] > 1000
