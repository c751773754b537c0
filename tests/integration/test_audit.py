"""Law 10: a record that the data plane loses or doubles is found at the next checkpoint, and the edge is named.

The fault is planted by user code, which shares the worker's process: it makes the next batch that goes to another
worker one record shorter or longer, behind the back of everything that counts.
"""

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from millstream import MapFunction, RuntimeContext, WatermarkStrategy
from millstream_dataflow.records import RowBatch
from millstream_proto import client_pb2
from millstream_runtime.states import JobState
from tests.support.clusters import Cluster, running_cluster
from tests.support.jobs import PacedEvents


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("audit"), taskmanagers=1, slots=2) as running:
        yield running


def shorter(batch: RowBatch) -> RowBatch:
    return RowBatch(batch.values[:-1], None if batch.timestamps is None else batch.timestamps[:-1])


def longer(batch: RowBatch) -> RowBatch:
    times = batch.timestamps
    return RowBatch([*batch.values, batch.values[-1]], None if times is None else [*times, times[-1]])


class Saboteur(MapFunction[Any, Any]):
    """Lets everything pass, and changes one batch on its way to the other worker."""

    def __init__(self, change: Callable[[RowBatch], RowBatch]) -> None:
        self.change = change

    def open(self, runtime_context: RuntimeContext) -> None:
        from millstream_taskmanager.exchange.remote import RemoteSendingEnd

        change, send_batch, done = self.change, RemoteSendingEnd._send_batch, set[int]()

        def sabotaged(end: RemoteSendingEnd, batch: RowBatch, *, more: bool) -> None:
            if not done and len(batch) > 1:
                done.add(1)
                batch = change(batch)
            send_batch(end, batch, more=more)

        RemoteSendingEnd._send_batch = sabotaged  # type: ignore[method-assign,assignment]  # that is the crime

    def map(self, value: Any) -> Any:  # noqa: ANN401  # any record
        return value


def start(cluster: Cluster, tmp_path: Path, change: Callable[[RowBatch], RowBatch], **options: object) -> Any:  # noqa: ANN401  # a job client
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2, **options)
    (tmp_path / "held").touch()
    source = PacedEvents(400_000, splits=2, rate=5_000, held=str(tmp_path / "held"))
    stream = env.from_source(source, WatermarkStrategy.no_watermarks(), "events").map(Saboteur(change)).name("sender")
    stream.rebalance().map(lambda value: value).name("receiver").print()
    return env.execute_async("sabotaged").get_job_id()


@pytest.mark.parametrize(("change", "difference"), [(shorter, -1), (longer, 1)])
def test_the_job_fails_and_the_edge_is_named(
    cluster: Cluster, tmp_path: Path, change: Callable[[RowBatch], RowBatch], difference: int
) -> None:
    job = start(cluster, tmp_path, change)
    details = cluster.wait_for_state(job, JobState.FAILED)
    text = str(details.status.failure)
    assert "the record audit of checkpoint" in text
    assert "sender -> receiver" in text
    counts = re.search(r"sent (\d+), received (\d+)", text)
    assert counts is not None
    assert int(counts[2]) - int(counts[1]) == difference
    assert {task.attempt for task in details.tasks} == {1}, "such a job isn't tried again"


def test_a_job_that_was_told_to_go_on_says_so_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path, shorter, **{"audit.on-imbalance": "warn"})

    def warned() -> bool:
        counts = cluster.details(job).counts
        return counts is not None and "doesn't balance" in counts.last_failure

    cluster.until(warned, 20, "the imbalance is told")
    assert cluster.details(job).status.state is JobState.RUNNING
    cluster.stub.Cancel(client_pb2.CancelJob(job=job), timeout=5)
    cluster.wait_for_state(job, JobState.CANCELED, 10)
