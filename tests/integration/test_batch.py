"""Batch mode with real processes: stages by files, within a machine and between machines, and a holder of results that
is killed (law 5.2).
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream import FileSink, Time, TumblingEventTimeWindows, WatermarkStrategy
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import TaskManagerId, VertexId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.integration.gates import GatedEvents, GatedSink, Gates
from tests.integration.held_stages import (
    AT_ONCE,
    COUNT,
    TRUTH,
    attempts_of,
    batch,
    last_runs,
    results_left,
    rows_written,
    stages_of,
    submitted,
)
from tests.integration.programs import HEADER, WINDOW, CountAndSum, WithWindow, windows
from tests.support.certificates import WorkingSet
from tests.support.clusters import Cluster, free_port, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows
from tests.support.machines import another_machine

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

KEYS = 10


@pytest.mark.parametrize("slots", [2, pytest.param(3, marks=pytest.mark.nightly)])
def test_stages_take_the_slots_of_those_before(tmp_path: Path, slots: int) -> None:
    """Two, though there are five tasks of two stages; and the same with one to spare."""
    with running_cluster(tmp_path, taskmanagers=1, slots=slots) as cluster:
        # What doesn't fit into so little is sorted on disk, in a directory of the worker's.
        options = {"execution.runtime-mode": "AUTOMATIC", "execution.sorted-inputs.memory": "64 kb"}
        env = batch(cluster, **options)
        windows(env, PacedEvents(COUNT, 3, rate=0, keys=KEYS), tmp_path / "out")
        job = env.execute_async("batch").get_job_id()
        details = cluster.wait_for_state(job, JobState.FINISHED, 40)
        assert window_rows(tmp_path / "out") == truth(COUNT, KEYS, WINDOW)
        assert hidden_files(tmp_path / "out") == []
        assert {task.attempt for task in details.tasks} == {1}
        assert sum(task.totals.records_in for task in details.tasks if task.totals) >= COUNT
        cluster.until(lambda: results_left(tmp_path) == [], 10, "the results go with the job")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_results_are_read_from_another_machine(tmp_path: Path, *, tls: bool) -> None:
    """By the TaskManager's data port: each of two has a source and a reader of both."""
    cluster = Cluster(tmp_path)
    try:
        members = WorkingSet(tmp_path / "members").configuration() if tls else Configuration()
        own = {key: value for key, value in members.to_strings().items() if key.startswith("security.ssl.internal")}
        cluster.options = own
        cluster.start_jobmanager()
        for number in range(2):
            host, port = f"127.0.1.{number + 1}", str(free_port())
            places = {"taskmanager.bind-host": host, "taskmanager.host": host, "taskmanager.data.port": port}
            cluster.start_taskmanager(number, 1, places, another_machine(f"machine-{number}"))
        cluster.wait_for_slots(2)
        env = batch(cluster)
        windows(env, PacedEvents(COUNT, 2, rate=0, keys=KEYS), tmp_path / "out")
        job = env.execute_async("two hosts").get_job_id()
        cluster.wait_for_state(job, JobState.FINISHED, 40)
        assert window_rows(tmp_path / "out") == truth(COUNT, KEYS, WINDOW)
    finally:
        cluster.close()


# ------------------------------------------------------------------------------------- a holder of results is killed


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    """Three TaskManagers of one slot: a stage of two has one to spare."""
    with running_cluster(tmp_path, taskmanagers=3, slots=1) as running:
        yield running


def made_anew(details: JobDetails, dead: TaskManagerId) -> set[tuple[VertexId, int]]:
    """The subtasks that run again when a TaskManager is gone in the last stage, with all that lay there: what the last
    stage misses, what that misses in turn, and then all that was made of it. The last stage is one.
    """
    first, middle, last = stages_of(details)
    lost = {(task.vertex, task.index) for task in details.tasks if task.taskmanager == dead}
    sources = {task for task in lost if task[0] == first}
    again = {(task.vertex, task.index) for task in details.tasks if task.vertex == middle} if sources else set()
    return sources | again | {task for task in lost if task[0] == middle} | {(last, 0), (last, 1)}


def test_only_what_must_be_runs_again_when_a_holder_of_results_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    job = submitted(cluster, tmp_path)
    cluster.until(lambda: last_runs(cluster.details(job)), 40, "the last stage runs")
    before = cluster.details(job)
    first, middle, last = stages_of(before)
    running, read = ({task.taskmanager for task in before.tasks if task.vertex == stage} for stage in (last, middle))
    sources = {task.taskmanager for task in before.tasks if task.vertex == first}
    victim = next(iter(running & read & sources or running & read))
    expected = made_anew(before, victim)
    assert len(expected) < len(before.tasks), "one of two sources stays as it is"
    [number] = [n for n, process in cluster.taskmanagers.items() if f"TaskManager {victim} (" in process.tail(400)]
    # The disk goes with it: what lies on this machine could be read though its TaskManager is dead.
    [results] = tmp_path.glob(f"taskmanager-{number}/*/results")
    results.rename(tmp_path / "gone")
    cluster.taskmanagers[number].kill()
    cluster.until(lambda: min(attempts_of(cluster.details(job), last)) > 1, 40, "the last stage runs again")
    (tmp_path / "held").unlink()
    after = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert {(task.vertex, task.index) for task in after.tasks if task.attempt > 1} == expected
    assert rows_written(tmp_path) == TRUTH
    assert hidden_files(tmp_path / "out") == []


# --------------------------------------------------------------------------------- the end of the last stage


NIGHTLY = [pytest.param(step, marks=pytest.mark.nightly) for step in ("prepare", "durable", "close")]


@pytest.mark.parametrize("step", ["last record", "commit", *NIGHTLY])
def test_a_worker_dies_at_a_step_of_the_end(cluster: Cluster, tmp_path: Path, step: str) -> None:
    """Law 5.2: of the source stage at its last record; of the last stage before the final checkpoint, which reads the
    files again, and behind it, which reads nothing and commits.
    """
    gates = Gates(str(tmp_path))
    gates.hold(step)
    env = batch(cluster, **AT_ONCE)
    events = GatedEvents(COUNT, splits=2, rate=0, keys=KEYS, gates=gates)
    (
        env.from_source(events, WatermarkStrategy.for_monotonous_timestamps(), "events")
        .key_by(lambda event: event[0])
        .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
        .aggregate(CountAndSum(), WithWindow())
        .sink_to(GatedSink(FileSink.csv(str(tmp_path / "out"), HEADER), gates))
    )
    job = env.execute_async(f"held at {step}").get_job_id()
    cluster.until(lambda: gates.waiting(step), 30, f"somebody waits at {step}")
    os.kill(gates.waiting(step)[0], signal.SIGKILL)
    gates.release(step)
    details = cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(tmp_path / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(tmp_path / "out") == []
    first, *_ = stages_of(details)
    assert set(attempts_of(details, first)) == ({2} if step == "last record" else {1}), "the other stage stands"
