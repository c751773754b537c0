"""Fault 2: the JobManager dies and comes back; then everything does."""

import os
import signal
import sys
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

# One that fetches nothing before it may; the file that says so is its last argument.
HINDERED = """
import asyncio, pathlib, sys
from millstream_taskmanager.service.fetching import LeaderBlobs
gate, fetch = pathlib.Path(sys.argv.pop(1)), LeaderBlobs.fetch
async def hindered(blobs, digest, take):
    gate.with_suffix(".reached").touch()
    while not gate.exists():
        await asyncio.sleep(0.01)
    await fetch(blobs, digest, take)
LeaderBlobs.fetch = hindered
from millstream.cli.main import main
main()
"""


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
    assert [edge for edge in details.edges if not edge.balances] == []


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


@pytest.mark.parametrize("away", [True, False], ids=["in between", "from the next one"])
def test_what_was_deployed_and_had_not_begun_begins_anew(tmp_path: Path, *, away: bool) -> None:
    """The JobManager dies while a worker fetches what it alone has. That is nobody's failure: no restart is allowed and
    none is counted. `away`: the worker asks while nobody is there, for several times the limit of an answer.
    """
    gate, options = tmp_path / "gate", {"rpc.call-timeout": "100 ms"}
    cluster = Cluster(tmp_path)
    try:
        cluster.start_jobmanager()
        cluster.start_taskmanager(0, 1, options, (sys.executable, "-c", HINDERED, str(gate)))
        cluster.wait_for_slots(1)
        env = cluster.environment(**{"restart-strategy.type": "none"})
        windows(env, PacedEvents(1_000, splits=1, rate=3_000, keys=KEYS, held=""), tmp_path / "out")
        job = env.execute_async("begins while its JobManager dies").get_job_id()
        cluster.until(gate.with_suffix(".reached").exists, 20, "the worker begins to fetch")
        cluster.kill_jobmanager()
        if away:
            gate.touch()
        cluster.start_jobmanager()
        cluster.wait_for_slots(1)
        gate.touch()
        details = cluster.wait_for_state(job, JobState.FINISHED, 30)
        assert {task.attempt for task in details.tasks} == {2}
        assert window_rows(tmp_path / "out") == truth(1_000, KEYS, WINDOW)
    finally:
        cluster.close()
