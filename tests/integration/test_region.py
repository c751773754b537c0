"""A lost TaskManager restarts only what must be: the regions that had workers there."""

from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId, TaskManagerId
from millstream_runtime.messages.client import JobDetails, TaskView
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import Cluster, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

COUNT = 60_000
KEYS = 10
LEFT, RIGHT = "left", "right"


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    with running_cluster(tmp_path, taskmanagers=2, slots=1) as running:
        yield running


def submitted(cluster: Cluster, directory: Path) -> JobId:
    """A job of two regions, each with a slot of its own."""
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=1)
    for group in (LEFT, RIGHT):
        source = PacedEvents(COUNT, splits=1, rate=1_000, keys=KEYS, held=str(directory / "held"))
        windows(env, source, directory / group, group)
    return env.execute_async("two regions").get_job_id()


def tasks(details: JobDetails, group: str) -> list[TaskView]:
    """Of one of the two regions: its vertices come one after the other."""
    half = len(details.tasks) // 2
    return [*(details.tasks[:half] if group == LEFT else details.tasks[half:])]


def read(details: JobDetails, group: str) -> int:
    """Records that the source of a region has read in its present attempt."""
    return sum(task.totals.records_read for task in tasks(details, group) if task.totals is not None)


def attempts(details: JobDetails, group: str) -> set[int]:
    return {task.attempt for task in tasks(details, group)}


def home(cluster: Cluster, details: JobDetails, group: str) -> int:
    """The number of the TaskManager on which a region runs."""
    [name] = {task.taskmanager for task in tasks(details, group)}
    return number_of(cluster, name)


def number_of(cluster: Cluster, name: TaskManagerId) -> int:
    [number] = [number for number, process in cluster.taskmanagers.items() if f"TaskManager {name} (" in process.tail()]
    return number


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    (directory / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    for group in (LEFT, RIGHT):
        assert window_rows(directory / group) == truth(COUNT, KEYS, WINDOW)
        assert hidden_files(directory / group) == []


def test_the_other_region_goes_on_and_slots_are_used_again(cluster: Cluster, tmp_path: Path) -> None:
    """First a spare slot is there, then the one of the TaskManager that has come back."""
    job = submitted(cluster, tmp_path)
    before = cluster.wait_for_tasks(job)
    cluster.start_taskmanager(2, slots=1)
    cluster.wait_for_slots(3)
    lost, other = home(cluster, before, LEFT), home(cluster, before, RIGHT)
    workers = cluster.workers(other)
    cluster.taskmanagers[lost].kill()
    cluster.until(lambda: attempts(cluster.details(job), LEFT) == {2}, 20, "the region restarts")
    assert home(cluster, cluster.wait_for_tasks(job), LEFT) == 2
    cluster.start_taskmanager(lost, slots=1)
    cluster.wait_for_slots(3)
    cluster.taskmanagers[2].kill()
    cluster.until(lambda: attempts(cluster.details(job), LEFT) == {3}, 20, "it restarts again")
    after = cluster.wait_for_tasks(job)
    assert home(cluster, after, LEFT) == lost
    assert attempts(after, RIGHT) == {1}
    assert cluster.workers(other) == workers
    cluster.until(lambda: read(cluster.details(job), RIGHT) > read(after, RIGHT) > 0, 10, "the other's counters go on")
    assert len(cluster.details(job).restarts) == 2
    finish(cluster, job, tmp_path)


def test_with_too_few_slots_it_waits_and_says_so(cluster: Cluster, tmp_path: Path) -> None:
    """For its first start and for a restart. It starts when the slot is there, and the other region runs meanwhile."""
    assert cluster.taskmanagers[1].stop() == 0
    job = submitted(cluster, tmp_path)
    waits = ("waiting for 1 of 1 slot", JobState.CREATED)
    cluster.until(lambda: _waits(cluster, job) == waits, 10, "the job waits for its first start")
    cluster.start_taskmanager(1, slots=1)
    before = cluster.wait_for_tasks(job)
    lost, other = home(cluster, before, LEFT), home(cluster, before, RIGHT)
    workers = cluster.workers(other)
    cluster.taskmanagers[lost].kill()
    waits = ("waiting for 1 of 1 slot", JobState.RESTARTING)
    cluster.until(lambda: _waits(cluster, job) == waits, 10, "the job waits for its restart")
    meanwhile = cluster.details(job)
    cluster.until(lambda: read(cluster.details(job), RIGHT) > read(meanwhile, RIGHT), 10, "the other's counters go on")
    cluster.start_taskmanager(lost, slots=1)
    after = cluster.wait_for_tasks(job)
    assert (attempts(after, LEFT), attempts(after, RIGHT)) == ({2}, {1})
    assert cluster.workers(other) == workers
    finish(cluster, job, tmp_path)


def _waits(cluster: Cluster, job: JobId) -> tuple[str, JobState]:
    """What `list` and `info` say of it."""
    view = cluster.view()
    assert view is not None
    [status] = view.jobs
    assert status.job == job
    return status.note, status.state
