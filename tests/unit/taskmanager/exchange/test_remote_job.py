"""A job whose tasks are in several workers gives what it gives in one: over real sockets, by real tasks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from millstream_dataflow.identity import RegionAttempt, RegionId, SubtaskId, TaskId, VertexId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.chain import ChainInput, ChainOutput
from millstream_dataflow.operators.specifications import MapBatchesSpecification, MapSpecification
from millstream_dataflow.types import Row, TypeInformation, Types
from millstream_runtime.states import TaskState
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.task import Task
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.worker.deployment import deploy
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.settings import TaskSettings
from tests.support.tasks import JOB, Draft, Drawing, ListSource, VirtualDoors, VirtualJob
from tests.support.wire import WireLoop, WireWorker, deployment

ATTEMPT = RegionAttempt(JOB, RegionId(0), 1)


class WiredJob(VirtualJob):
    """A virtual job whose slots are workers with data connections of their own."""

    def __init__(self, drawing: Drawing, directory: Path, settings: TaskSettings | None = None) -> None:
        self.loop = WireLoop()
        self.workers: list[WireWorker] = []
        self.directory = directory
        super().__init__(drawing, settings)

    def deploy(self, orders: Orders, doors_of: Callable[[TaskId], TaskDoors]) -> list[Task]:
        [region] = orders.plan.regions
        placed = deployment(self.directory, len(region.workers), attempt=ATTEMPT)
        tasks: list[Task] = []
        for plan in region.workers:
            worker = WireWorker(self.loop, placed, plan.ordinal)
            self.workers.append(worker)
            own = replace(orders, attempts=dict.fromkeys(plan.subtasks, ATTEMPT), peers=worker.peers)
            tasks += deploy(own, doors_of)
        for worker in self.workers:
            worker.begin()
        links = [link for worker in self.workers for link in worker.peers._links.values()]
        self.loop.until(lambda: not any(link.waits for link in links))
        return tasks

    def settle(self) -> None:
        """Until nothing is on its way: what one end has sent is readable at once at the other."""
        quiet = 0
        while quiet < 3:
            super().settle()
            self.loop.turn(0)
            quiet = 0 if self._runnable() or self.pool else quiet + 1


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Callable[[Drawing], WiredJob]]:
    jobs: list[WiredJob] = []

    def make(drawing: Drawing, settings: TaskSettings | None = None) -> WiredJob:
        jobs.append(WiredJob(drawing, tmp_path, settings))
        return jobs[-1]

    yield make
    for job in jobs:
        for task in job.tasks.values():
            task.cancel()
        job.loop.close()


def declare(source: Draft, target: Draft, type_: TypeInformation[Any]) -> None:
    """The type of the records on the last edge between two vertices."""
    out: ChainOutput = source.outputs[-1]
    source.outputs[-1] = replace(out, type=type_)
    into: ChainInput = target.inputs[-1]
    target.inputs[-1] = replace(into, type=type_)


def words(count: int) -> tuple[tuple[str, int], ...]:
    return tuple((f"k{number % 17}", number) for number in range(count))


def keyed(type_: TypeInformation[Any] | None) -> Drawing:
    """Two sources whose splits are given out, a hash exchange, two maps, two collectors."""
    drawing = Drawing()
    splits = tuple(words(1_000 + extra) for extra in range(5))
    source = drawing.source("source", ListSource(splits, has_enumerator=True, batch=100), parallelism=2)
    mapped = drawing.vertex("map", MapSpecification(lambda pair: (pair[0], pair[1] + 1)), parallelism=2)
    drawing.edge(source, mapped, Partitioning.HASH, key=lambda pair: pair[0])
    if type_ is not None:
        declare(source, mapped, type_)
    drawing.edge(mapped, drawing.collect("out", parallelism=2), Partitioning.REBALANCE)
    return drawing


EXPECTED = sorted((key, number + 1) for extra in range(5) for key, number in words(1_000 + extra))


@pytest.mark.parametrize("type_", [None, Types.TUPLE([Types.STRING(), Types.LONG()])], ids=["pickle", "msgpack"])
@pytest.mark.parametrize("window", [1_000, 64 << 10])
def test_every_record_arrives_once_whatever_the_credit(
    wired: Callable[..., WiredJob], type_: TypeInformation[Any] | None, window: int
) -> None:
    job = wired(keyed(type_), TaskSettings(window=window, floating=window))
    assert len(job.workers) == 2
    job.finish()
    assert sorted(job.collected("out")) == EXPECTED
    assert all(worker.losses == [] for worker in job.workers)


def test_checkpoints_go_through_all_workers_and_their_counts_balance(wired: Callable[..., WiredJob]) -> None:
    job = wired(keyed(None))
    for checkpoint in range(1, 4):
        for _ in range(5):
            job.scheduler.step()
        job.trigger(checkpoint)
        job.settle()
        assert len(job.parts) == checkpoint
        job.complete(checkpoint)
    job.finish()
    assert sorted(job.collected("out")) == EXPECTED


def test_when_all_have_ended_workers_leave_without_a_loss(wired: Callable[..., WiredJob]) -> None:
    job = wired(keyed(None))
    job.finish()
    for worker in job.workers:
        worker.peers.close()
        job.loop.turn(0)
    assert [worker.losses for worker in job.workers] == [[], []]


def test_columns_cross_workers(wired: Callable[..., WiredJob]) -> None:
    drawing = Drawing()
    rows = tuple(Row("n")(number) for number in range(1_000))
    source = drawing.source("source", ListSource((rows, rows), batch=100), parallelism=2)
    doubled = drawing.vertex("double", MapBatchesSpecification(_double), parallelism=2)
    drawing.edge(source, doubled, Partitioning.FORWARD)
    declare(source, doubled, Types.ROW_NAMED(["n"], [Types.LONG()]))
    summed = drawing.vertex("sum", MapBatchesSpecification(_double), parallelism=2)
    drawing.edge(doubled, summed, Partitioning.REBALANCE)
    drawing.edge(summed, drawing.collect("out", parallelism=2))
    job = wired(drawing)
    job.finish()
    assert sorted(row.n for row in job.collected("out")) == sorted(4 * number for number in [*range(1_000)] * 2)


def _double(columns: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch({"n": 2 * columns.column(0).to_numpy()})


def test_a_record_that_is_not_of_its_declared_type_fails_its_task(wired: Callable[..., WiredJob]) -> None:
    job = wired(keyed(Types.TUPLE([Types.STRING(), Types.STRING()])))
    job.settle()
    error = job.errors[0]
    assert isinstance(error, UserCodeError)
    assert "value[1] is int" in str(error)
    assert "but STRING() was declared" in str(error)
    assert error.record.startswith("('k")
    assert error.operator == "Reader 0"
    assert job.task("source").state is TaskState.FAILED or job.task("source", 1).state is TaskState.FAILED


def test_a_channel_to_another_process_needs_a_way_there() -> None:
    _, blobs = keyed(None).graph()
    job = VirtualJob(keyed(None))
    one = {SubtaskId(VertexId("map"), 0): ATTEMPT}
    orders = Orders(job.plan, one, TaskSettings(), lambda blob: blobs[blob.digest])
    with pytest.raises(ValueError, match="there is no way to one"):
        deploy(orders, lambda _: VirtualDoors(job))
