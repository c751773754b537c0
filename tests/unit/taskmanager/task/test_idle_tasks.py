"""Idleness where one thread serves all tasks: what waits for a turn isn't idle."""

from typing import Any

import pytest

from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import MapSpecification, TimestampsSpecification
from millstream_dataflow.time import WatermarkStrategy
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.operators.timestamps import TimestampsOperator
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.tasks import Drawing, ListSource, VirtualJob

STRATEGY: WatermarkStrategy[Any] = (
    WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(int).with_idleness(200)
)
BY_ONE = TaskSettings(operators=OperatorSettings(batch=1))


class Sleeper:
    """A map that blocks the thread."""

    job: VirtualJob

    def __call__(self, value: int) -> int:
        Sleeper.job.now += 1_000
        Sleeper.job.worked += 1_000
        return value


def started(in_a_row: int) -> VirtualJob:
    """A live source, and another whose records pass so many tasks that block the thread for a second each."""
    drawing = Drawing()
    ranks = {"slow": 0, "live": 0, "stamped": 20, "behind": 21}
    last = drawing.source("slow", ListSource(((1, 2, 3),)))
    for number in range(in_a_row):
        blocks = drawing.vertex(f"blocks-{number}", MapSpecification(Sleeper()))
        drawing.edge(last, blocks)
        ranks[blocks.name] = number + 1
        last = blocks
    stamped = drawing.vertex("stamped", TimestampsSpecification(STRATEGY))
    drawing.edge(drawing.source("live", ListSource((tuple(range(300)),))), stamped, Partitioning.REBALANCE)
    drawing.edge(stamped, drawing.vertex("behind", MapSpecification(abs)))
    Sleeper.job = VirtualJob(drawing, BY_ONE, rank=ranks)
    return Sleeper.job


def turn(job: VirtualJob) -> None:
    job.now += 1
    job.scheduler.run_timers(job.now)
    job.scheduler.step()
    assert not job.errors


@pytest.mark.parametrize("in_a_row", [1, 10])
def test_a_live_source_is_not_idle_while_other_tasks_block_the_thread(in_a_row: int) -> None:
    """Those downstream go first, so it may have no turn for long, while who waits for it has many."""
    job = started(in_a_row)
    while job.task("live").totals().records_out < 300:
        turn(job)
        assert not idle(job)
    assert job.now > 3_000 * in_a_row
    job.settle()
    assert job.task("behind").totals().records_in == 300
    job.pass_time(300)
    assert not job.errors


def idle(job: VirtualJob) -> bool:
    (operator,) = job.task("stamped").chain.operators
    assert isinstance(operator, TimestampsOperator)
    return operator._idle
