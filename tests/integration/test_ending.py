"""Law 5.5: whoever is killed at whichever step between the last record and FINISHED, the output is there once."""

import os
import random
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream import FileSink, Time, TumblingEventTimeWindows, WatermarkStrategy
from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.integration.gates import STEPS, GatedEvents, GatedSink, Gates
from tests.integration.programs import HEADER, WINDOW, CountAndSum, WithWindow
from tests.support.clusters import Cluster, alive, running_cluster
from tests.support.jobs import hidden_files, truth, window_rows

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

COUNT = 6_000
KEYS = 10


def steps(*daily: str) -> list[object]:
    """All steps; those that aren't named run at night, since a death of these costs two seconds and more."""
    assert set(daily) <= set(STEPS)
    return [step if step in daily else pytest.param(step, marks=pytest.mark.nightly) for step in STEPS]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """Three TaskManagers of one slot each: a job of two workers has one to spare."""
    with running_cluster(tmp_path_factory.mktemp("ending"), taskmanagers=3, slots=1) as running:
        yield running


def held_job(cluster: Cluster, directory: Path, step: str) -> tuple[JobId, Gates]:
    """A job of two workers, one of which at least waits at the step."""
    gates = Gates(str(directory))
    held = directory / "held"
    held.touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2)
    (
        env.from_source(
            GatedEvents(COUNT, splits=2, rate=1_000, keys=KEYS, held=str(held), gates=gates),
            WatermarkStrategy.for_monotonous_timestamps(),
            "events",
        )
        .key_by(lambda event: event[0])
        .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
        .aggregate(CountAndSum(), WithWindow())
        .sink_to(GatedSink(FileSink.csv(str(directory / "out"), HEADER), gates))
    )
    job = env.execute_async(f"held at {step}").get_job_id()
    cluster.until(lambda: window_rows(directory / "out"), 20, "a checkpoint has committed windows")
    if step == "sweep":  # only a second attempt has leftovers to sweep
        os.kill(cluster.all_workers()[0], signal.SIGKILL)
        cluster.until(lambda: attempts(cluster, job) == {2}, 20, "the second attempt is deployed")
        before = len(window_rows(directory / "out"))
        cluster.until(lambda: len(window_rows(directory / "out")) > before, 20, "it commits as well")
    gates.hold(step)
    held.unlink()
    cluster.until(lambda: gates.waiting(step), 20, f"somebody waits at {step}")
    return job, gates


def attempts(cluster: Cluster, job: JobId) -> set[int]:
    details = cluster.details_or_none(job)
    return set() if details is None else {task.attempt for task in details.tasks}


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    cluster.wait_for_state(job, JobState.FINISHED, 30)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(directory / "out") == []


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_dies(cluster: Cluster, tmp_path: Path, step: str) -> None:
    job, gates = held_job(cluster, tmp_path, step)
    os.kill(random.Random(step).choice(gates.waiting(step)), signal.SIGKILL)
    gates.release(step)
    finish(cluster, job, tmp_path)


@pytest.mark.parametrize("step", steps("prepare", "commit"))
def test_a_taskmanager_dies(cluster: Cluster, tmp_path: Path, step: str) -> None:
    job, gates = held_job(cluster, tmp_path, step)
    victim = random.Random(step).choice(gates.waiting(step))
    [number] = [number for number in cluster.taskmanagers if victim in cluster.workers(number)]
    below = cluster.taskmanagers[number].kill()
    gates.release(step)
    finish(cluster, job, tmp_path)
    cluster.until(lambda: not any(map(alive, below)), 5, "no process outlives its TaskManager")
    cluster.start_taskmanager(number, slots=1)
    cluster.until(lambda: cluster.free_slots() == 3, 20, "the cluster is whole again")


@pytest.mark.parametrize("step", steps("snapshot", "closed", "committed", "sweep"))
def test_the_jobmanager_dies_and_comes_back(cluster: Cluster, tmp_path: Path, step: str) -> None:
    """The step goes on when the new leader is there."""
    job, gates = held_job(cluster, tmp_path, step)
    workers, before = cluster.all_workers(), attempts(cluster, job)
    cluster.kill_jobmanager()
    cluster.start_jobmanager()
    cluster.wait_for_slots(3)
    assert cluster.all_workers() == workers
    gates.release(step)
    finish(cluster, job, tmp_path)
    assert attempts(cluster, job) == before


@pytest.mark.parametrize("step", steps("prepare", "commit", "close"))
def test_a_step_is_over_while_the_jobmanager_is_away(cluster: Cluster, tmp_path: Path, step: str) -> None:
    job, gates = held_job(cluster, tmp_path, step)
    cluster.kill_jobmanager()
    gates.release(step)
    cluster.start_jobmanager()
    finish(cluster, job, tmp_path)
