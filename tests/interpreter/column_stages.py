"""Pairs as rows with names, told by expressions; whether they are columns meanwhile makes no difference."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.aggregates import Count, Key, Max, Mean, Min, Sum, WindowStart
from millstream_dataflow.expressions import col, if_else
from millstream_dataflow.types import Row, Types
from tests.interpreter.keyed_stages import OfKeys
from tests.interpreter.stages import Pair, Stage

NAMED = Types.ROW_NAMED(["key", "number"], [Types.STRING(), Types.LONG()])
NUMBER = col("number")


@dataclass(frozen=True)
class Told(Stage):
    """Rows of two, with the numbers that are left. `as_columns`: a function of batches doubles them."""

    how: str
    as_columns: bool

    def on(self, stream: DataStream[Pair]) -> DataStream[Any]:
        named = Row("key", "number")
        rows: DataStream[Any] = stream.map(lambda pair: named(*pair), NAMED)
        if self.as_columns:
            rows = rows.map_batches(doubled, NAMED)
        match self.how:
            case "filter":
                return rows.filter(NUMBER % 3 != 0)
            case "select":
                return rows.select("key", number=if_else(NUMBER > 4, NUMBER * 2, NUMBER + 1))
            case "with_columns":
                return rows.with_columns(number=NUMBER // 2, more=NUMBER % 2).filter(col("more") > 0)
            case _:
                return rows.with_columns(more=NUMBER + 7).project("key", "more").select("key", number=col("more"))


TELLINGS = ["filter", "select", "with_columns", "project"]


def doubled(columns: pa.RecordBatch) -> pa.RecordBatch:
    return columns.set_column(1, "number", pc.multiply(columns["number"], 2))


@dataclass(frozen=True)
class Paired(Stage):
    """Rows as pairs again."""

    def on(self, stream: DataStream[Any]) -> DataStream[Pair]:
        return stream.map(lambda row: (row["key"], row["number"]))


@dataclass(frozen=True)
class Counted(OfKeys):
    """Windows of rows by an expression, of built-in aggregates."""

    assigner: Any
    lateness: int = 0
    plain: bool = False
    """Whether one aggregate is all."""

    def on(self, stream: DataStream[Any]) -> DataStream[Pair]:
        windows = stream.key_by(col("key")).window(self.assigner)
        windows = windows.allowed_lateness(self.lateness) if self.lateness else windows
        if self.plain:
            sums: DataStream[Any] = windows.aggregate(Sum("number"))
            return sums.map(lambda number: ("all", number))
        several: DataStream[Any] = windows.aggregate(
            Key(), Count(), Sum("number"), Min("number"), Max(NUMBER % 7).alias("most"), Mean("number"), WindowStart()
        )
        return several.map(mixed)


def mixed(row: Row) -> Pair:
    """All of a window's columns, as a number."""
    assert row["mean_number"] == row["sum_number"] / row["count"]
    digits = row["count"], row["min_number"], row["most"], row["window_start"] + 100
    total = row["sum_number"]
    for digit in digits:
        total = total * 1000 + digit
    return row["key"], total
