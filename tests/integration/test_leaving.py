"""A TaskManager is told to end (SIGTERM): its tasks go on elsewhere from a checkpoint, and it goes."""

import signal
import time
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import Cluster, Process, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows

pytestmark = pytest.mark.may_leak(reason="processes that come in the place of others belong to the cluster")

COUNT = 150_000
KEYS = 10
RATE = 3_000
LONGEST_PAUSE_S = 2.0
SHORT_GRACE = {"taskmanager.shutdown-timeout": "1500 ms"}


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    with running_cluster(tmp_path, taskmanagers=2, slots=1) as running:
        yield running


def started(cluster: Cluster, directory: Path, interval: str = "100 ms") -> JobId:
    """The job, running on both TaskManagers, with output."""
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval=interval, parallelism__default=2)
    source = PacedEvents(COUNT, splits=2, rate=RATE, keys=KEYS, held=str(directory / "held"))
    windows(env, source, directory / "out")
    job = env.execute_async("a TaskManager leaves").get_job_id()
    cluster.wait_for_tasks(job)
    return job


def attempts(cluster: Cluster, job: JobId) -> set[int]:
    return {task.attempt for task in cluster.details(job).tasks}


def published(directory: Path) -> list[int]:
    """When the files that readers see appeared there, nanoseconds."""
    return sorted(path.stat().st_ctime_ns for path in (directory / "out").glob("part-*"))


def until_published_again(cluster: Cluster, directory: Path, since: int) -> None:
    """Until the three newest files are of a later time (ns)."""
    cluster.until(lambda: published(directory)[-3:][0] > since, 20, "files are published again")


def longest_pause(times: list[int], since: int) -> float:
    """Seconds between two files, of which the second came after `since`."""
    return max(after - before for before, after in pairwise(times) if after >= since) / 1e9


def told_to_end(process: Process) -> int:
    """SIGTERM; the time at which it was sent."""
    now = time.time_ns()
    process.popen.send_signal(signal.SIGTERM)
    return now


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(directory / "out") == []
    assert [edge for edge in details.edges if not edge.balances] == []


def test_its_tasks_go_on_elsewhere_with_hardly_a_pause(cluster: Cluster, tmp_path: Path) -> None:
    """One after the other, as when an orchestrator renews them. The first time two slots are free elsewhere; the second
    time one is, and the other is had when the old worker there has gone.
    """
    job = started(cluster, tmp_path)
    for number in range(2, 4):
        cluster.start_taskmanager(number, slots=1)
    cluster.wait_for_slots(4)
    cluster.until(lambda: len(published(tmp_path)) > 3, 20, "files are published")
    for attempt, number in ((2, 0), (3, 2)):
        assert len(cluster.workers(number)) == 1
        since = told_to_end(cluster.taskmanagers[number])
        assert cluster.taskmanagers[number].popen.wait(10) == 0
        until_published_again(cluster, tmp_path, since)
        pause = longest_pause(published(tmp_path), since)
        assert pause < LONGEST_PAUSE_S, cluster.tail()
        assert attempts(cluster, job) == {attempt}
        [*_, because] = [restart.failure.message for restart in cluster.details(job).restarts]
        assert because.endswith("is leaving")
    finish(cluster, job, tmp_path)


def test_an_interval_that_is_long_is_not_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    """The source goes on behind what it had read, not from the start: a checkpoint was taken."""
    job = started(cluster, tmp_path, interval="10 min")
    cluster.start_taskmanager(2, slots=1)
    cluster.wait_for_slots(3)
    told_to_end(cluster.taskmanagers[0])
    assert cluster.taskmanagers[0].popen.wait(10) == 0
    details = cluster.wait_for_state(job, JobState.RUNNING)
    assert details.counts is not None
    assert details.counts.completed == 1
    assert attempts(cluster, job) == {2}
    finish(cluster, job, tmp_path)


def test_without_room_elsewhere_it_ends_with_its_grace(cluster: Cluster, tmp_path: Path) -> None:
    """And the job goes on from its last checkpoint when there is room again."""
    cluster.start_taskmanager(2, slots=2, options=SHORT_GRACE)
    cluster.wait_for_slots(4)
    for number in range(2):
        assert cluster.taskmanagers[number].stop() == 0
    job = started(cluster, tmp_path)
    process = cluster.taskmanagers[2]
    since = time.monotonic()
    told_to_end(process)
    cluster.until(
        lambda: "is leaving: waiting for 2 more slots" in cluster.details(job).status.note, 5, "the job says so"
    )
    view = cluster.view()
    assert view is not None
    assert [taskmanager.leaving for taskmanager in view.taskmanagers] == [True]
    assert attempts(cluster, job) == {1}
    assert process.popen.wait(10) == 0
    assert 1.5 <= time.monotonic() - since < 5
    cluster.until(lambda: cluster.details(job).status.note == "waiting for 2 of 2 slots", 10, "it waits for slots")
    cluster.start_taskmanager(2, slots=2)
    cluster.until(lambda: attempts(cluster, job) == {2}, 20, "it runs again")
    finish(cluster, job, tmp_path)


def test_one_on_which_nothing_runs_leaves_at_once(cluster: Cluster) -> None:
    """With or without a JobManager, which finds nothing to warn of."""
    for number, away in enumerate((False, True)):
        if away:
            cluster.until(lambda: "its TaskManager ended it" in cluster.tail(), 5, "the JobManager has seen it go")
            assert "WARNING" not in cluster.tail()
            cluster.kill_jobmanager()
        since = time.monotonic()
        assert cluster.taskmanagers[number].stop() == 0
        assert time.monotonic() - since < 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(cluster: Cluster, tmp_path: Path, second: signal.Signals) -> None:
    started(cluster, tmp_path)
    process = cluster.taskmanagers[0]
    told_to_end(process)
    cluster.until(lambda: "told to end" in process.tail(), 5, "it has heard the first")
    process.popen.send_signal(second)
    assert process.popen.wait(3) == 0


def test_ctrl_c_waits_for_nobody(cluster: Cluster, tmp_path: Path) -> None:
    started(cluster, tmp_path)
    cluster.taskmanagers[0].popen.send_signal(signal.SIGINT)
    assert cluster.taskmanagers[0].popen.wait(3) == 0
