"""Savepoints and retained checkpoints of a keyed, windowed job: stop, drain, go on, and other parallelisms."""

import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream.execution.job_client import JobClient
from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import MILLSTREAM, Cluster, running_cluster
from tests.support.jobs import PacedEvents, event, hidden_files, truth, window_rows
from tests.support.tidy.source import ROOT

COUNT = 40_000
KEYS = 10

SCRIPT = """
import sys
from millstream import StreamExecutionEnvironment
from tests.integration.programs import windows
from tests.support.jobs import PacedEvents

env = StreamExecutionEnvironment.get_execution_environment()
windows(env, PacedEvents(40_000, splits=2, rate=2_000, keys=10, held=sys.argv[1]), sys.argv[2])
env.execute("rescaled")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("rescale"), taskmanagers=1, slots=3) as running:
        yield running


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While it is there the input doesn't end."""
    path = tmp_path / "held"
    path.touch()
    return path


def start(cluster: Cluster, held: Path, parallelism: int, restored: str = "", **options: object) -> JobClient:
    """The job, at its pace."""
    settings: dict[str, object] = {"execution.checkpointing.interval": "100 ms", **options}
    if restored:
        settings["execution.state-recovery.path"] = restored
    env = cluster.environment(parallelism__default=parallelism, **settings)
    windows(env, PacedEvents(COUNT, splits=2, rate=2_000, keys=KEYS, held=str(held)), held.parent / "out")
    return env.execute_async("rescaled")


def wait_for_rows(cluster: Cluster, job: JobId, directory: Path) -> None:
    """It runs, and has fired and committed windows that were not there before."""
    before = len(window_rows(directory))
    cluster.wait_for_state(job, JobState.RUNNING)
    cluster.until(lambda: len(window_rows(directory)) > before, 20, "windows are committed")


def watermark(cluster: Cluster, job: JobId) -> int:
    """How far the fastest task has come."""
    totals = [task.totals for task in cluster.details(job).tasks if task.totals is not None]
    return max((total.watermark for total in totals), default=0)


def finish(cluster: Cluster, job: JobId, held: Path, cancelled: JobId | None = None) -> None:
    """The input ends, and everything that it had is there, once.

    What a cancelled job had closed behind its last checkpoint stays as it is, hidden: nobody commits it, and only the
    same job would sweep it.
    """
    held.unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(held.parent / "out") == truth(COUNT, KEYS, WINDOW)
    hidden = [path.name for path in hidden_files(held.parent / "out")]
    assert [name for name in hidden if cancelled is None or not name.startswith(f".part-{cancelled[:8]}-")] == []


def millstream(cluster: Cluster, *arguments: str) -> str:
    """What the command says on stdout."""
    command = [MILLSTREAM, arguments[0], "-D", f"jobmanager.rpc.port={cluster.port}", *arguments[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def tasks_of_windows(cluster: Cluster, job: JobId) -> int:
    """Its greatest parallelism."""
    return 1 + max(task.index for task in cluster.details(job).tasks)


def test_a_stopped_job_goes_on_with_other_parallelisms(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    """From two to three by the command, and from three to one by the program."""
    first = start(cluster, held, 2)
    wait_for_rows(cluster, first.get_job_id(), tmp_path / "out")
    savepoint = first.stop_with_savepoint(False, str(tmp_path / "savepoints")).result(timeout=30)
    assert cluster.details(first.get_job_id()).status.state is JobState.FINISHED

    script = tmp_path / "job.py"
    script.write_text(SCRIPT, encoding="utf-8")
    options = ("-d", "-s", savepoint, "-p", "3", "-D", "execution.checkpointing.interval=100 ms")
    said = millstream(cluster, "run", *options, str(script), str(held), str(tmp_path / "out"))
    [second] = [JobId(word) for word in re.findall(r"\b[0-9a-f]{32}\b", said)]
    wait_for_rows(cluster, second, tmp_path / "out")
    assert tasks_of_windows(cluster, second) == 3
    said = millstream(cluster, "stop", "-p", str(tmp_path / "savepoints"), second)
    [savepoint] = [word for word in said.split() if word.startswith(str(tmp_path / "savepoints"))]
    assert hidden_files(tmp_path / "out") == []

    third = start(cluster, held, 1, savepoint)
    cluster.wait_for_state(third.get_job_id(), JobState.RUNNING)
    assert tasks_of_windows(cluster, third.get_job_id()) == 1
    finish(cluster, third.get_job_id(), held)


def test_a_drain_fires_all_windows(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    """What was read of each of the two splits is counted, also in windows that are not over."""
    job = start(cluster, held, 2)
    wait_for_rows(cluster, job.get_job_id(), tmp_path / "out")
    job.stop_with_savepoint(True, str(tmp_path / "savepoints")).result(timeout=30)
    details = cluster.details(job.get_job_id())
    assert details.status.state is JobState.FINISHED
    found = window_rows(tmp_path / "out")
    half = COUNT // 2
    border = event(half, KEYS)[2]
    reads = [
        sum(row[0] for (start, _), row in found.items() if (start >= border) == second) for second in (False, True)
    ]
    assert all(0 < read < half for read in reads)
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for number in (*range(reads[0]), *range(half, half + reads[1])):
        key, value, moment = event(number, KEYS)
        place = moment - moment % WINDOW, key
        events, total = expected.get(place, (0, 0))
        expected[place] = events + 1, total + value
    assert found == expected
    assert hidden_files(tmp_path / "out") == []


def test_a_savepoint_without_stop_changes_nothing(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    job = start(cluster, held, 2)
    wait_for_rows(cluster, job.get_job_id(), tmp_path / "out")
    path = Path(job.trigger_savepoint(str(tmp_path / "savepoints")).result(timeout=30))
    assert (path / "_metadata").is_file()
    details = cluster.details(job.get_job_id())
    assert details.status.state is JobState.RUNNING
    assert {task.attempt for task in details.tasks} == {1}
    wait_for_rows(cluster, job.get_job_id(), tmp_path / "out")
    finish(cluster, job.get_job_id(), held)


def test_a_job_goes_on_from_a_savepoint_whose_job_was_cancelled(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    """Law 4.7: what its sinks had prepared for the savepoint was committed by nobody, so the new job does."""
    job = start(cluster, held, 2, execution__checkpointing__interval="1 h")
    cluster.wait_for_state(job.get_job_id(), JobState.RUNNING)
    out = tmp_path / "out"
    cluster.until(lambda: watermark(cluster, job.get_job_id()) >= 3 * WINDOW, 20, "windows are fired")
    path = job.trigger_savepoint(str(tmp_path / "savepoints")).result(timeout=30)
    job.cancel().result(timeout=20)
    assert window_rows(out) == {}
    again = start(cluster, held, 3, path)
    wait_for_rows(cluster, again.get_job_id(), out)
    finish(cluster, again.get_job_id(), held)


def test_a_cancelled_job_keeps_its_checkpoint_and_goes_on_from_it(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    options = {
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
    }
    job = start(cluster, held, 2, **options)
    wait_for_rows(cluster, job.get_job_id(), tmp_path / "out")
    job.cancel().result(timeout=20)
    details = cluster.details(job.get_job_id())
    assert details.status.state is JobState.CANCELED
    kept = max(details.checkpoints, key=lambda point: point.checkpoint)
    assert (Path(kept.path) / "_metadata").is_file()
    again = start(cluster, held, 1, kept.path)
    wait_for_rows(cluster, again.get_job_id(), tmp_path / "out")
    finish(cluster, again.get_job_id(), held, cancelled=job.get_job_id())
    assert (Path(kept.path) / "_metadata").is_file(), "it belongs to who kept it"


def test_a_cancelled_job_leaves_no_checkpoint_by_default(cluster: Cluster, tmp_path: Path, held: Path) -> None:
    job = start(cluster, held, 2, **{"execution.checkpointing.dir": str(tmp_path / "checkpoints")})
    wait_for_rows(cluster, job.get_job_id(), tmp_path / "out")
    job.cancel().result(timeout=20)
    cluster.until(lambda: not list((tmp_path / "checkpoints").rglob("_metadata")), 10, "its checkpoints are gone")
