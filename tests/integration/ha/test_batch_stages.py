"""Batch mode: a new leader takes over finished stages as they are (law 3.4, law 5.2)."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.integration.held_stages import (
    TRUTH,
    attempts_of,
    last_runs,
    results_left,
    rows_written,
    stages_of,
    submitted,
)
from tests.support.elected import ElectedCluster, elected_cluster
from tests.support.jobs import hidden_files
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


@pytest.fixture
def cluster(ensemble: Ensemble, tmp_path: Path) -> Generator[ElectedCluster]:
    with elected_cluster(tmp_path, ensemble.hosts, jobmanagers=2, slots=1) as running:
        yield running


def last_stage(cluster: ElectedCluster, job: JobId, attempt: int) -> JobDetails:
    """Until all tasks of the last stage run, in that attempt."""

    def there() -> JobDetails | None:
        details = cluster.details_or_none(job)
        if details is None or not last_runs(details):
            return None
        return details if set(attempts_of(details, stages_of(details)[-1])) == {attempt} else None

    found = cluster.until(there, 40, f"the last stage runs in attempt {attempt}")
    assert found is not None
    return found


def finish(cluster: ElectedCluster, job: JobId, directory: Path) -> JobDetails:
    """Let it end: all is written, once."""
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert rows_written(directory) == TRUTH
    assert hidden_files(directory / "out") == []
    cluster.until(lambda: results_left(directory) == [], 10, "the results go with the job")
    return details


def test_a_new_leader_runs_no_finished_stage_again(cluster: ElectedCluster, tmp_path: Path) -> None:
    """Nor the one that runs: its workers are those of before."""
    job = submitted(cluster, tmp_path)
    last_stage(cluster, job, 1)
    workers, leader = cluster.all_workers(), cluster.leader()
    cluster.jobmanagers[leader].kill()
    last_stage(cluster, job, 1)
    assert cluster.leader() != leader
    assert cluster.all_workers() == workers
    details = finish(cluster, job, tmp_path)
    assert {task.attempt for task in details.tasks} == {1}


def test_a_new_leader_misses_what_has_gone_meanwhile(cluster: ElectedCluster, tmp_path: Path) -> None:
    """A TaskManager with its results, and another one takes its place: what is missing runs again, and what was made
    of it. The other half of the first stage stands.
    """
    job = submitted(cluster, tmp_path)
    before = last_stage(cluster, job, 1)
    cluster.jobmanagers[cluster.leader()].kill()
    cluster.taskmanagers[0].kill()
    for results in tmp_path.glob("taskmanager-0/*/results"):
        shutil.rmtree(results)
    cluster.start_taskmanager(2, 1)
    last_stage(cluster, job, 2)
    details = finish(cluster, job, tmp_path)
    first, middle, last = stages_of(before)
    assert sorted(attempts_of(details, first)) == [1, 2]
    assert attempts_of(details, middle) == attempts_of(details, last) == [2, 2]
