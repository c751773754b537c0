"""Checkpoints on an object store: a job restores from there, and outlives an outage of the way to it."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.checkpoint_files import latest_checkpoints, verify_checkpoint
from millstream_runtime.file_systems import locate
from millstream_runtime.messages.client import CheckpointCounts
from millstream_runtime.states import JobState, TaskState
from tests.integration.programs import WINDOW, windows
from tests.support.cables import Proxy
from tests.support.clusters import Cluster, free_port, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows
from tests.support.object_store import ObjectStore, object_store

__all__ = ["object_store"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.may_leak(reason="a TaskManager that takes a killed one's place belongs to the cluster"),
]

COUNT = 40_000
KEYS = 3_000
"""So many that their state takes more than the 20 KiB that travel inline."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("objects"), taskmanagers=1, slots=2) as running:
        yield running


def start(cluster: Cluster, directory: Path, checkpoints: str) -> JobId:
    (directory / "held").touch()
    env = cluster.environment(
        execution__checkpointing__interval="100 ms",
        execution__checkpointing__dir=checkpoints,
        parallelism__default=2,
    )
    windows(env, PacedEvents(COUNT, 2, rate=4_000, keys=KEYS, held=str(directory / "held")), directory / "out")
    return env.execute_async("objects").get_job_id()


def counts(cluster: Cluster, job: JobId) -> CheckpointCounts:
    found = cluster.details(job).counts
    assert found is not None
    return found


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    (directory / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(directory / "out") == []


def test_a_job_restores_from_there_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path, object_store: ObjectStore
) -> None:
    directory = object_store.uri("restored")
    job = start(cluster, tmp_path, directory)
    cluster.until(lambda: counts(cluster, job).completed >= 5, 20, "five checkpoints are complete")
    assert any(point.size > 60_000 for point in cluster.details(job).checkpoints), "the state travels inline"
    cluster.taskmanagers[0].kill()
    cluster.start_taskmanager(0)

    def runs_again() -> bool:
        tasks = cluster.details(job).tasks
        return all(task.attempt > 1 and task.state is TaskState.RUNNING for task in tasks)

    cluster.until(runs_again, 20, "it runs again")
    former = counts(cluster, job).completed
    cluster.until(lambda: counts(cluster, job).completed > former, 20, "another checkpoint is complete")
    newest, *_ = latest_checkpoints(directory, job)
    verify_checkpoint(newest)
    finish(cluster, job, tmp_path)
    place = locate(directory)
    cluster.until(lambda: not place.storage.entries(place.path), 10, "its checkpoints are gone")


def test_an_outage_of_a_while_is_not_noticed(cluster: Cluster, tmp_path: Path, object_store: ObjectStore) -> None:
    """Connections break, and are refused while tasks go on; the checkpoint that was under way is completed then."""
    here, there = ("127.0.0.1", free_port()), ("127.0.0.1", object_store.port)

    def received() -> int:
        return sum(task.totals.records_in for task in cluster.details(job).tasks if task.totals)

    with closing(Proxy(here, there)):
        job = start(cluster, tmp_path, object_store.uri("outage", here[1]))
        cluster.until(lambda: counts(cluster, job).completed >= 3, 20, "three checkpoints are complete")
    before, records = counts(cluster, job), received()
    cluster.until(lambda: received() > records + 12_000, 20, "the job goes on")
    assert counts(cluster, job).completed <= before.completed + 1
    with closing(Proxy(here, there)):
        cluster.until(lambda: counts(cluster, job).completed > before.completed + 3, 40, "there are checkpoints again")
        finish(cluster, job, tmp_path)
    details = cluster.details(job)
    assert details.counts is not None
    assert details.counts.failed == 0
    assert {task.attempt for task in details.tasks} == {1}


STREAMED = """
import hashlib, resource, sys
from millstream_runtime.file_systems import locate

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

def chunks(digest):
    for number in range(100):
        chunk = number.to_bytes(1) * (1 << 20)
        digest.update(chunk)
        yield chunk

sent, received = hashlib.sha256(), hashlib.sha256()
place = locate(sys.argv[1])
place.storage.write(place.path, [b"what is imported and connected"])
before = used()
place.storage.write(place.path, chunks(sent))
file = place.storage.open(place.path)
for offset in range(0, file.size, 8 << 20):
    received.update(file.read_at(offset, 8 << 20))
assert sent.digest() == received.digest()
assert file.size == 100 << 20
assert used() - before < 64, used() - before
"""
"""Parts of 8 MiB, five of them at once."""


def test_a_large_blob_is_never_held_whole(object_store: ObjectStore) -> None:
    command = [sys.executable, "-c", STREAMED, object_store.uri("blob")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr.decode()
