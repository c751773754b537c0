"""Columns by key into windows of built-in aggregates, with real tasks: crash anywhere, go on at any parallelism."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.aggregates import Combined, Count, Key, Sum, WindowStart, WithWindow
from millstream_dataflow.expressions import ColumnKey, Selection, col
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.columns import FilterExpressionSpecification, SelectSpecification
from millstream_dataflow.operators.specifications import (
    KeySelection,
    MapBatchesSpecification,
    SinkSpecification,
    WindowSpecification,
)
from millstream_dataflow.time import WatermarkStrategy
from millstream_dataflow.types import Row
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.ledgers import LEDGERS, LedgerSink, empty_ledgers
from tests.support.tasks import Drawing, ListSource, VirtualJob

KEYS = "abcde"


@dataclass(frozen=True)
class Event:
    """What comes; as columns key and number."""

    key: str
    number: int


EVENTS = [Event(KEYS[number * 3 % 5], number) for number in range(60)]
SPLITS = tuple(tuple((event, event.number * 10) for event in EVENTS[start : start + 20]) for start in (0, 20, 40))
SETTINGS = TaskSettings(FlushRules(8, 60, 100), 100, 100)


def drawn(parallelism: int) -> Drawing:
    drawing = Drawing()
    strategy = WatermarkStrategy[Event].for_monotonous_timestamps()
    source = drawing.source("source", ListSource(SPLITS, timed=True, batch=4), strategy, parallelism=1)
    source.add(MapBatchesSpecification(lambda columns: columns))
    source.add(FilterExpressionSpecification(col("number") % 7 != 0))
    source.add(SelectSpecification(Selection.of(["key"], {"n": col("number") * 2})))
    key = ColumnKey(col("key"))
    window = WindowSpecification(
        KeySelection(key),
        TumblingEventTimeWindows.of(100),
        aggregate=Combined([Count(), Sum("n")]),
        process=WithWindow([Key(), WindowStart(), "count", "sum_n"]),
    )
    vertex = drawing.vertex("window", window, SinkSpecification(LedgerSink("out")), parallelism=parallelism)
    drawing.edge(source, vertex, Partitioning.HASH, key=key)
    return drawing


def expected() -> Counter[Row]:
    counts, sums = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for event in EVENTS:
        if event.number % 7:
            counts[event.key, event.number // 10 * 100] += 1
            sums[event.key, event.number // 10 * 100] += event.number * 2
    named = Row("key", "window_start", "count", "sum_n")
    return Counter(named(key, start, count, sums[key, start]) for (key, start), count in counts.items())


@given(st.integers(0, 40), st.integers(0, 60), st.integers(1, 3), st.integers(1, 3))
def test_each_record_is_counted_once(before: int, after: int, first: int, then: int) -> None:
    empty_ledgers()
    job = VirtualJob(drawn(first), SETTINGS)
    steps(job, before)
    job.trigger(1)
    for _ in range(1_000):
        if len(job.parts.get(CheckpointId(1), ())) == len(job.tasks):
            break
        steps(job, 1)
    job.complete(1)
    steps(job, after)
    drawing = drawn(then)
    again = VirtualJob(drawing, SETTINGS, job.restored_from(1, drawing))
    again.finish(2)
    assert Counter(LEDGERS["out"]) == expected()


def steps(job: VirtualJob, count: int) -> None:
    for _ in range(count):
        job.scheduler.step()
        job.do_blocking()
