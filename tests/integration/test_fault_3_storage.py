"""Fault 3: a checkpoint's file is damaged, its directory is full or can't be written."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, keyed_counts, windows
from tests.support.clusters import MILLSTREAM, Cluster, running_cluster
from tests.support.jobs import PacedEvents, truth, window_rows
from tests.unit.runtime.checkpoint_files.disks import make_read_only, make_writable, small_disk

pytestmark = pytest.mark.may_leak(reason="a JobManager that takes a killed one's place belongs to the cluster")

KEYS = 3_000
"""So many that their state takes more than the 20 KiB that travel inline."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("storage"), taskmanagers=1, slots=2) as running:
        yield running


Program = Callable[..., None]


def start(cluster: Cluster, directory: Path, program: Program, count: int = 60_000, **options: object) -> JobId:
    (directory / "held").touch()
    env = cluster.environment(
        execution__checkpointing__interval="100 ms",
        execution__checkpointing__dir=str(directory / "checkpoints"),
        parallelism__default=2,
        **options,
    )
    program(env, PacedEvents(count, 2, rate=4_000, keys=KEYS, held=str(directory / "held")), directory / "out")
    return env.execute_async("storage").get_job_id()


def completed(cluster: Cluster, job: JobId) -> int:
    counts = cluster.details(job).counts
    return 0 if counts is None else counts.completed


def newest_has_data(cluster: Cluster, job: JobId) -> bool:
    """State grows with each record here, so what holds for one checkpoint holds for all behind it."""
    newest = max(cluster.details(job).checkpoints, key=lambda point: point.checkpoint)
    return any(path.name != "_metadata" for path in Path(newest.path).glob("*"))


def settled(seen: list[int], number: int) -> bool:
    """Whether half a second of looks, 20 ms apart and more, have shown the same number."""
    seen.append(number)
    return len(seen) > 25 and len(set(seen[-25:])) == 1


Damage = Callable[[Path], None]


def damage_newest(cluster: Cluster, job: JobId, how: Damage, *, metadata: bool) -> list[Path]:
    """Stop time for the workers, damage a file of the newest checkpoint, kill them. Gives directories, newest first.

    A JobManager remembers the metadata of what it has completed, so for `_metadata` it is killed and started again.
    """
    cluster.until(lambda: completed(cluster, job) >= 3, 20, "three checkpoints are complete")
    cluster.until(lambda: newest_has_data(cluster, job), 20, "the state has grown beyond what travels inline")
    workers = cluster.all_workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    # One whose parts were all acknowledged is completed by the JobManager alone, and is the newest a moment later.
    seen = [completed(cluster, job)]
    cluster.until(lambda: settled(seen, completed(cluster, job)), 20, "no more checkpoints are completed")
    points = sorted(cluster.details(job).checkpoints, key=lambda point: -point.checkpoint)
    directories = [Path(point.path) for point in points]
    files = [path for path in directories[0].iterdir() if (path.name == "_metadata") is metadata]
    assert files, "the state is too small to lie in files of its own"
    how(files[0])
    if metadata:
        cluster.kill_jobmanager()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    if metadata:
        cluster.start_jobmanager()
    return directories


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(("how", "metadata"), [(flip, False), (Path.unlink, False), (truncate, True)])
def test_a_job_whose_sink_commits_fails_and_names_the_file_and_the_older_ones(
    cluster: Cluster, tmp_path: Path, how: Damage, metadata: bool
) -> None:
    """Law 4.6."""
    job = start(cluster, tmp_path, windows)
    newest, *older = damage_newest(cluster, job, how, metadata=metadata)
    details = cluster.wait_for_state(job, JobState.FAILED)
    text = str(details.status.failure)
    assert str(newest) in text
    for path in older:
        assert str(path) in text
    assert "--accept-duplicates" in text
    cluster.until(lambda: cluster.free_slots() == 2, 10, "the slots are free again")


@pytest.mark.parametrize(("how", "metadata"), [(truncate, False), (flip, True)])
def test_a_job_that_commits_nothing_goes_on_from_an_older_one(
    cluster: Cluster, tmp_path: Path, how: Damage, metadata: bool
) -> None:
    """Law 4.6. What was damaged is said, in the JobManager's log."""
    job = start(cluster, tmp_path, keyed_counts)
    newest, *_ = damage_newest(cluster, job, how, metadata=metadata)

    def runs_again() -> bool:
        details = cluster.details(job)
        return details.status.state is JobState.RUNNING and all(task.attempt > 1 for task in details.tasks)

    cluster.until(runs_again, 20, "it runs again")
    assert cluster.jobmanager is not None
    [said] = re.findall(rf"checkpoint {newest} is damaged: .*", cluster.jobmanager.log.read_text(encoding="utf-8"))
    assert ("_metadata" in said) is metadata
    (tmp_path / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 30)
    counts = dict(line.split(",") for line in last_counts(tmp_path / "out"))
    assert counts == {str(key): str(60_000 // KEYS) for key in range(KEYS)}


def last_counts(directory: Path) -> Iterator[str]:
    """The last count of each key, as the program wrote them at its end."""
    for path in directory.glob("counts-*"):
        yield from path.read_text(encoding="utf-8").splitlines()


def failures(details: JobDetails) -> int:
    return 0 if details.counts is None else details.counts.failed


def refused_checkpoints(cluster: Cluster, directory: Path, reason: str) -> JobId:
    """A job that goes on in its first attempt, although three checkpoints have failed for that reason."""
    job = start(cluster, directory, windows, **{"execution.checkpointing.tolerable-failed-checkpoints": 1_000})
    cluster.until(lambda: failures(cluster.details(job)) >= 3, 20, "three checkpoints have failed")
    details = cluster.details(job)
    assert details.counts is not None
    assert reason in details.counts.last_failure
    assert details.status.state is JobState.RUNNING
    assert {task.attempt for task in details.tasks} == {1}
    return job


SMALL, LARGE = 64 << 10, 64 << 20


def test_a_full_disk_fails_the_checkpoint_and_not_the_job(cluster: Cluster, tmp_path: Path) -> None:
    with small_disk(tmp_path / "checkpoints", SMALL) as disk:
        job = refused_checkpoints(cluster, tmp_path, "No space left on device")
        make_writable(disk, LARGE)
        finish(cluster, job, tmp_path)


def test_a_read_only_disk_fails_the_checkpoint_and_not_the_job(cluster: Cluster, tmp_path: Path) -> None:
    with small_disk(tmp_path / "checkpoints", LARGE) as disk:
        make_read_only(disk, LARGE)
        job = refused_checkpoints(cluster, tmp_path, "Read-only file system")
        make_writable(disk, LARGE)
        finish(cluster, job, tmp_path)


def test_a_directory_that_is_none_fails_the_checkpoint_and_not_the_job(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the directory should be", encoding="utf-8")
    job = refused_checkpoints(cluster, tmp_path, str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints").unlink()
    finish(cluster, job, tmp_path)


NOWHERE = "/proc/nope"
"""No directory can be made there."""


@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc")
def test_a_savepoint_that_can_t_be_written_is_answered_and_the_job_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path, windows)
    cluster.until(lambda: completed(cluster, job) >= 1, 20, "a checkpoint is complete")
    for asked in (["savepoint", job, NOWHERE], ["stop", "-p", NOWHERE, job]):
        command = [MILLSTREAM, *asked, "-D", f"jobmanager.rpc.port={cluster.port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode != 0
        assert NOWHERE in done.stderr
    finish(cluster, job, tmp_path)


def test_a_bounded_job_whose_final_checkpoint_can_t_be_written_fails_and_says_why(cluster: Cluster) -> None:
    env = cluster.environment(execution__checkpointing__dir=NOWHERE)
    env.from_sequence(1, 100).print()
    job = env.execute_async("nowhere").get_job_id()
    assert NOWHERE in str(cluster.wait_for_state(job, JobState.FAILED, 20).status.failure)


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    """There is room again: it ends as if nothing had been."""
    (directory / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(60_000, KEYS, WINDOW)
