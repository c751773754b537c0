"""Fault 2: the JobManager dies and comes back; then everything does."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import Cluster, alive, descendants, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

COUNT = 60_000
KEYS = 10


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    with running_cluster(tmp_path, taskmanagers=2, slots=1) as running:
        yield running


def started(cluster: Cluster, directory: Path) -> JobId:
    """The job, running, with checkpoints."""
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2)
    source = PacedEvents(COUNT, splits=2, rate=3_000, keys=KEYS, held=str(directory / "held"))
    windows(env, source, directory / "out")
    job = env.execute_async("jobmanager dies").get_job_id()
    cluster.until(lambda: completed(cluster.details(job)) >= 2, 20, "two checkpoints are complete")
    return job


def completed(details: JobDetails) -> int:
    """Checkpoints that the present leader has completed."""
    return 0 if details.counts is None else details.counts.completed


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(directory / "out") == []
    assert [edge for edge in details.edges if edge.sent != edge.received] == []


def test_tasks_go_on_while_the_jobmanager_is_away(cluster: Cluster, tmp_path: Path) -> None:
    """Processes and attempts stay, checkpoints go on, nothing is lost, twice."""
    job = started(cluster, tmp_path)
    for _ in range(2):
        before, workers = cluster.wait_for_tasks(job), cluster.all_workers()
        cluster.kill_jobmanager()
        assert cluster.all_workers() == workers
        cluster.start_jobmanager()
        after = cluster.wait_for_tasks(job)
        assert cluster.all_workers() == workers
        assert {task.attempt for task in after.tasks} == {task.attempt for task in before.tasks} == {1}
        cluster.until(lambda: completed(cluster.details(job)) >= 2, 20, "the new leader's checkpoints are complete")
        newest = max(point.checkpoint for point in cluster.details(job).checkpoints)
        assert newest > max(point.checkpoint for point in before.checkpoints)
    finish(cluster, job, tmp_path)


def test_the_death_of_every_process_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    job = started(cluster, tmp_path)
    assert cluster.jobmanager is not None
    heads = [cluster.jobmanager.pid, *(process.pid for process in cluster.taskmanagers.values())]
    everybody = [*heads, *(pid for head in heads for pid in descendants(head))]
    for pid in everybody:
        os.kill(pid, signal.SIGKILL)
    for process in [cluster.jobmanager, *cluster.taskmanagers.values()]:
        process.popen.wait()
    cluster.until(lambda: not any(map(alive, everybody)), 5, "all are gone")
    cluster.start_jobmanager()
    for number in range(2):
        cluster.start_taskmanager(number, slots=1)
    assert {task.attempt for task in cluster.wait_for_tasks(job).tasks} == {2}
    finish(cluster, job, tmp_path)
