"""Fault 7: what is slow is waited for without memory, and what is stuck is ended in time."""

import re
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from millstream import DataStream, WatermarkStrategy
from millstream_dataflow.identity import JobId
from millstream_proto import client_pb2
from millstream_runtime.states import JobState
from tests.integration.programs import windows
from tests.support.clusters import Cluster, alive, running_cluster
from tests.support.jobs import PacedEvents, compute_for_ever, sleep_for_ever


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("slow"), taskmanagers=1, slots=2) as running:
        yield running


def rss_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found.group(1)) / 1_024


def cancel(cluster: Cluster, job: JobId) -> None:
    cluster.stub.Cancel(client_pb2.CancelJob(job=job), timeout=5)


def slowly(value: Any) -> Any:  # noqa: ANN401  # any record
    end = time.perf_counter() + 50e-6
    while time.perf_counter() < end:
        pass
    return value


BARRIER_MS = 500


def very_slowly(value: Any) -> Any:  # noqa: ANN401  # as above
    time.sleep(0.001)
    return value


def chained(flood: DataStream[Any]) -> DataStream[Any]:
    return flood.map(very_slowly)


def exchanged(flood: DataStream[Any]) -> DataStream[Any]:
    return flood.key_by(repr).map(very_slowly)


def exchanged_twice(flood: DataStream[Any]) -> DataStream[Any]:
    return flood.rebalance().map(repr).rebalance().map(very_slowly)


@pytest.mark.parametrize("shape", [chained, exchanged, exchanged_twice])
def test_no_barrier_waits_long_for_a_slow_function(
    cluster: Cluster, shape: Callable[[DataStream[Any]], DataStream[Any]]
) -> None:
    """A usual batch of 8,192 records takes 8 s at a millisecond each, and some of them are under way by size."""
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2)
    source = PacedEvents(50_000_000, splits=2, rate=0)
    flood = env.from_source(source, WatermarkStrategy.no_watermarks(), "flood")
    shape(flood).filter(lambda value: value is None).print()
    job = env.execute_async("slow function").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)

    durations: dict[int, int] = {}

    def completed() -> int:
        durations.update({point.checkpoint: point.duration for point in cluster.details(job).checkpoints})
        return len(durations)

    cluster.until(lambda: completed() >= 4, 20, "four checkpoints are complete")
    assert max(durations.values()) < 3 * BARRIER_MS, durations
    cancel(cluster, job)
    cluster.wait_for_state(job, JobState.CANCELED, 10)


FLOOD_S = 6


def test_a_flood_behind_a_trickle_is_taken_in_whole_batches(cluster: Cluster, tmp_path: Path) -> None:
    """Turns begin with a few records; who pays for each frame but not for its records must not stay with that."""
    held = tmp_path / "held"
    held.touch()
    env = cluster.environment(parallelism__default=2)
    windows(env, PacedEvents(600_000, splits=2, rate=1_000, held=str(held)), tmp_path / "out")
    job = env.execute_async("flood").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)

    def taken() -> int:
        return sum(task.totals.records_in for task in cluster.details(job).tasks if task.totals is not None)

    cluster.until(lambda: taken() > 1_000, 20, "it trickles")
    started = time.monotonic()
    held.unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 60)
    assert time.monotonic() - started < 3 * FLOOD_S


def test_sources_wait_for_a_slow_sink_and_barriers_pass(cluster: Cluster, tmp_path: Path) -> None:
    """A hundred times more than the sink can take within the test; every record before a barrier is taken first."""
    env = cluster.environment(execution__checkpointing__interval="200 ms", parallelism__default=2)
    source = PacedEvents(50_000_000, splits=2, rate=0)
    stream = env.from_source(source, WatermarkStrategy.no_watermarks(), "flood")
    stream.rebalance().map(slowly).print()
    job = env.execute_async("slow sink").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)

    def completed() -> int:
        counts = cluster.details(job).counts
        return 0 if counts is None else counts.completed

    cluster.until(lambda: completed() >= 1, 30, "the first checkpoint is complete")
    workers = cluster.all_workers()
    before = sum(map(rss_mb, workers))
    cluster.until(lambda: completed() >= 4, 50, "three more checkpoints are complete")
    assert sum(map(rss_mb, workers)) - before < 30, "memory grows while the sink is slow"
    cancel(cluster, job)
    cluster.wait_for_state(job, JobState.CANCELED, 10)
    cluster.until(lambda: not any(map(alive, workers)), 10, "the workers are gone")


@pytest.mark.parametrize("stuck", [sleep_for_ever, compute_for_ever])
def test_a_stuck_map_is_ended_when_its_time_is_over(cluster: Cluster, stuck: Callable[[Any], Any]) -> None:
    env = cluster.environment(task__cancellation__timeout="1 s", parallelism__default=1)
    env.from_collection([1, 2, 3]).map(stuck).print()
    job = env.execute_async("stuck").get_job_id()
    cluster.wait_for_tasks(job, 10)
    workers = cluster.all_workers()
    started = time.monotonic()
    cancel(cluster, job)
    cluster.wait_for_state(job, JobState.CANCELED, 10)
    assert time.monotonic() - started < 3
    cluster.until(lambda: not any(map(alive, workers)), 5, "the worker is gone")
