"""From a graph to tasks: ranks, settings, and subtasks that share no object."""

from datetime import timedelta

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import CheckpointingMode
from millstream_dataflow.configuration.options import checkpointing, execution
from millstream_dataflow.functions import MapFunction
from millstream_dataflow.identity import VertexId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import MapSpecification
from millstream_dataflow.plan import Plan
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.task.alignment import Guarantee
from millstream_taskmanager.worker.deployment import ranks
from millstream_taskmanager.worker.settings import task_settings
from tests.support.tasks import Drawing, ListSource, VirtualJob


def test_a_rank_is_the_longest_path_from_a_source_and_enumerators_come_before_all() -> None:
    """Readers that always have records would starve them, and barriers come through them."""
    drawing = Drawing()
    short = drawing.source("short", ListSource(()))
    long = drawing.source("long", ListSource((), has_enumerator=True))
    middle = drawing.vertex("middle", MapSpecification(lambda value: value))
    sink = drawing.collect("sink")
    drawing.edge(long, middle)
    drawing.edge(middle, sink)
    drawing.edge(short, sink)
    found = ranks(Plan(drawing.graph()[0]))
    names = {"short": 0, "long-splits": 4, "long": 1, "middle": 2, "sink": 3}
    assert found == {VertexId(name): rank for name, rank in names.items()}


class Counter(MapFunction[int, tuple[int, int]]):
    """Counts its own calls."""

    def __init__(self) -> None:
        self.calls = 0

    def map(self, value: int) -> tuple[int, int]:
        self.calls += 1
        return value, self.calls


def test_subtasks_have_functions_of_their_own() -> None:
    drawing = Drawing()
    source = drawing.source("source", ListSource((tuple(range(4)),)))
    count = drawing.vertex("count", MapSpecification(Counter()), parallelism=2)
    drawing.edge(source, count, Partitioning.REBALANCE)
    drawing.edge(count, drawing.collect("out"), Partitioning.REBALANCE)
    job = VirtualJob(drawing)
    job.finish()
    assert sorted(job.collected("out")) == [(0, 1), (1, 1), (2, 2), (3, 2)]


def test_settings_come_from_the_configuration() -> None:
    configuration = (
        Configuration()
        .with_(execution.BATCH_MAX_RECORDS, 10)
        .with_(execution.BUFFER_TIMEOUT, timedelta(milliseconds=7))
        .with_(execution.AUTO_WATERMARK_INTERVAL, timedelta(seconds=1))
        .with_(checkpointing.MODE, CheckpointingMode.AT_LEAST_ONCE)
        .with_(execution.OBJECT_REUSE, True)
    )
    settings = task_settings(configuration, seed=3)
    assert settings.flush == FlushRules(10, configuration.get(execution.BATCH_MAX_SIZE), 7)
    assert settings.guarantee is Guarantee.AT_LEAST_ONCE
    assert (settings.operators.watermark_interval, settings.seed) == (1_000, 3)
    assert settings.operators.object_reuse


def test_a_busy_task_sends_after_the_timeout() -> None:
    """A batch waits for companions while its task has input, but not longer than the timeout."""
    drawing = Drawing()
    source = drawing.source("source", ListSource((tuple(range(1_000)),), batch=1))
    drawing.edge(source, drawing.collect("out"), Partitioning.REBALANCE)
    job = VirtualJob(drawing)
    task = job.task("source")
    job.task("out").step()
    for _ in range(10):
        task.step()
    job.scheduler.run_timers(job.now)
    assert job.collected("out") == []
    job.now = 150
    task.step()
    for _ in range(4):  # its first turns are short
        job.task("out").step()
    assert len(job.collected("out")) == pytest.approx(10, abs=1)
