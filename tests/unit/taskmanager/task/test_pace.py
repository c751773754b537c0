"""Laws 4 and 9: how long whatever waits behind records waits, in virtual milliseconds of work.

Functions say by themselves how long they work; the clock of work is the job's, so nothing here depends on a machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from millstream_dataflow.connectors import Sink, SinkContext, SinkWriter
from millstream_dataflow.functions import MapFunction
from millstream_dataflow.identity import CheckpointId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import MapSpecification, OperatorSpecification, SinkSpecification
from millstream_dataflow.records import Batch
from millstream_taskmanager.task.turns import TURN
from tests.support.tasks import Drawing, ListSource, VirtualJob

MANY = ListSource((tuple(range(40_000)),), batch=8_192)


@dataclass
class Clock:
    """Whose work is measured: the job that runs."""

    job: VirtualJob | None = None

    def work(self, milliseconds: float) -> None:
        assert self.job is not None
        self.job.worked += milliseconds


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    CLOCK.job = None


class Working(MapFunction[object, object]):
    """So many milliseconds a record."""

    def __init__(self, each: float) -> None:
        self.each = each

    def map(self, value: object) -> object:
        CLOCK.work(self.each)
        return value


@dataclass(frozen=True)
class SlowSink(Sink[Any]):
    """So many milliseconds a record, none of which comes of pulling: the sink is all that its task has."""

    each: float

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "SlowWriter":
        return SlowWriter(self.each)


class SlowWriter(SinkWriter[Any]):
    """See SlowSink."""

    def __init__(self, each: float) -> None:
        self.each = each

    def write(self, batch: Batch) -> None:
        CLOCK.work(self.each * len(batch))


def started(drawing: Drawing) -> VirtualJob:
    CLOCK.job = VirtualJob(drawing)
    return CLOCK.job


def until(job: VirtualJob, vertex: str, records: int, index: int = 0) -> None:
    """Step until a task has taken in so many."""
    while job.task(vertex, index).totals().records_in < records:
        job.scheduler.run_timers(job.now)
        if not job.scheduler.step():
            assert job.pool, "it has come to rest"
            job.do_blocking()
    assert not job.errors


def wait_of_a_barrier(job: VirtualJob) -> float:
    """Milliseconds of work from the trigger until the checkpoint has all its parts."""
    before = job.worked
    job.trigger(7)
    while len(job.parts.get(CheckpointId(7), ())) < len(job.tasks):
        job.scheduler.run_timers(job.now)
        if not job.scheduler.step():
            assert job.pool, "it has come to rest"
            job.do_blocking()
    return job.worked - before


def behind_a_reader(*operators: OperatorSpecification, partitioning: Partitioning = Partitioning.FORWARD) -> Drawing:
    drawing = Drawing()
    drawing.edge(drawing.source("source", MANY), drawing.vertex("slow", *operators), partitioning)
    return drawing


@pytest.mark.parametrize("partitioning", [Partitioning.FORWARD, Partitioning.REBALANCE])
def test_a_barrier_passes_slow_records_in_a_few_turns(partitioning: Partitioning) -> None:
    job = started(behind_a_reader(MapSpecification(Working(1.0)), partitioning=partitioning))
    until(job, "slow", 2_000)
    assert wait_of_a_barrier(job) <= 8 * TURN


def test_a_sink_at_the_head_of_its_task_is_timed() -> None:
    job = started(behind_a_reader(SinkSpecification(SlowSink(1.0))))
    until(job, "slow", 2_000)
    assert wait_of_a_barrier(job) <= 8 * TURN


def test_a_slow_function_in_the_readers_own_task() -> None:
    drawing = Drawing()
    source = drawing.source("source", MANY)
    source.add(MapSpecification(Working(1.0)))
    drawing.edge(source, drawing.collect("out"))
    job = started(drawing)
    until(job, "out", 2_000)
    assert wait_of_a_barrier(job) <= 8 * TURN


def _first(key: object, subtasks: int) -> int:
    return 0


def to_the_first_of_two(drawing: Drawing, each: float) -> None:
    work = drawing.vertex("work", MapSpecification(Working(each)), parallelism=2)
    drawing.edge(drawing.source("source", MANY), work, Partitioning.CUSTOM, key=lambda value: value, custom=_first)


def test_a_subtask_without_records_makes_nobody_slow() -> None:
    drawing = Drawing()
    to_the_first_of_two(drawing, 0.0)
    job = started(drawing)
    until(job, "work", 30_000)
    steps = 0
    while job.task("work").totals().records_in < 40_000:
        assert job.scheduler.step()
        steps += 1
    assert steps < 40, "ten thousand records come in batches"


def test_nor_one_that_is_idle_while_another_is_slow_longer_turns() -> None:
    drawing = Drawing()
    to_the_first_of_two(drawing, 1.0)
    job = started(drawing)
    until(job, "work", 2_000)
    assert wait_of_a_barrier(job) <= 8 * TURN


def test_inputs_of_unlike_rows_have_steady_turns() -> None:
    """A barrier waits for some turns of each, whatever a row of the other weighs."""
    drawing = Drawing()
    slow = drawing.vertex("slow", MapSpecification(Working(1.0)))
    small = drawing.source("small", MANY)
    large = drawing.source("large", ListSource((("x" * 1_000,) * 40_000,), batch=8_192))
    drawing.edge(small, slow, Partitioning.REBALANCE)
    drawing.edge(large, slow, Partitioning.REBALANCE)
    job = started(drawing)
    until(job, "slow", 3_000)
    told = {name: set[int]() for name in ("small", "large")}
    for records in range(3_000, 6_000, 50):
        until(job, "slow", records)
        for name, turns in told.items():
            turns |= {channel.turn or 0 for channel in job.task(name).channels}
    for turns in told.values():
        assert 0 < max(turns) <= 3 * min(turns)
    assert 50 < min(told["large"]) / min(told["small"]) < 200
    assert wait_of_a_barrier(job) <= 12 * TURN


@pytest.mark.parametrize("has_enumerator", [False, True], ids=["triggered itself", "by its enumerator"])
@pytest.mark.parametrize("milliseconds", [1.0, 100.0])
def test_a_trigger_waits_for_no_records_downstream(milliseconds: float, *, has_enumerator: bool) -> None:
    """Whatever is done first, the source's barrier stands behind the same records; but whoever else aligns it would
    wait for it meanwhile.
    """
    drawing = Drawing()
    source = drawing.source("source", replace(MANY, has_enumerator=has_enumerator))
    drawing.edge(source, drawing.vertex("slow", MapSpecification(Working(milliseconds))), Partitioning.REBALANCE)
    job = started(drawing)
    until(job, "slow", 500)
    while not job.task("slow").runnable:
        assert job.scheduler.step()
    before, steps = job.worked, 0
    job.trigger(7)
    while SubtaskId(VertexId("source"), 0) not in job.parts.get(CheckpointId(7), ()):
        assert job.scheduler.step()
        job.do_blocking()
        steps += 1
    assert (job.worked, job.task("source").urgent) == (before, False), "no record was worked at"
    assert steps <= 5


@pytest.mark.parametrize("size", [1, 100, 1_000])
def test_the_first_barrier_of_a_slow_task_waits_no_longer(size: int) -> None:
    """Before anybody knows how slow it is little is on its way, be records short or long."""
    drawing = Drawing()
    source = drawing.source(
        "source", ListSource((tuple("x" * size + str(number) for number in range(3_000)),), batch=8_192)
    )
    drawing.edge(source, drawing.vertex("slow", MapSpecification(Working(100.0))), Partitioning.REBALANCE)
    job = started(drawing)
    until(job, "slow", 1)
    assert job.worked <= 400, "its first turn"
    assert wait_of_a_barrier(job) <= 1_500
