"""Batch mode with real processes: stages by files, within a machine and between machines, and a holder of results that
is killed (law 5.2).
"""

import os
import signal
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from millstream import (
    FileSink,
    KeyedProcessFunction,
    StreamExecutionEnvironment,
    Time,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import JobId, TaskManagerId, VertexId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState, TaskState
from tests.integration.gates import GatedEvents, GatedSink, Gates
from tests.integration.programs import HEADER, WINDOW, CountAndSum, WithWindow, windows
from tests.support.certificates import WorkingSet
from tests.support.clusters import Cluster, free_port, running_cluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows
from tests.support.machines import another_machine

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

KEYS = 10
COUNT = 20_000
AT_ONCE = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.delay": "0 ms"}


def batch(cluster: Cluster, **options: object) -> StreamExecutionEnvironment:
    return cluster.environment(**{"execution.runtime-mode": "BATCH", "parallelism.default": 2, **options})


def results_left(directory: Path) -> list[Path]:
    """What stages have left in the directories of all TaskManagers."""
    return list(directory.glob("taskmanager-*/*/results/*"))


@pytest.mark.parametrize("slots", [2, pytest.param(3, marks=pytest.mark.nightly)])
def test_stages_take_the_slots_of_those_before(tmp_path: Path, slots: int) -> None:
    """Two, though there are five tasks of two stages; and the same with one to spare."""
    with running_cluster(tmp_path, taskmanagers=1, slots=slots) as cluster:
        env = batch(cluster, **{"execution.runtime-mode": "AUTOMATIC"})
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


class Total(KeyedProcessFunction[int, tuple[int, int], tuple[int, int]]):
    """The sum of each key, when it is through; while a file lies there, it isn't."""

    def __init__(self, held: str = "") -> None:
        self.held = held
        self.totals: dict[int, int] = {}

    def process_element(self, value: tuple[int, int], ctx: KeyedProcessFunction.Context) -> Iterable[tuple[int, int]]:
        while self.held and Path(self.held).exists():
            time.sleep(0.01)
        if value[0] not in self.totals:
            ctx.timer_service().register_event_time_timer(0)
        self.totals[value[0]] = self.totals.get(value[0], 0) + value[1]
        return ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[tuple[int, int]]:
        yield ctx.get_current_key(), self.totals.pop(ctx.get_current_key())


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    """Three TaskManagers of one slot: a stage of two has one to spare."""
    with running_cluster(tmp_path, taskmanagers=3, slots=1) as running:
        yield running


def submitted(cluster: Cluster, directory: Path) -> JobId:
    """Numbers, sums by 100, sums of those by 10: the last stage waits for a file to go."""
    env = batch(cluster, **AT_ONCE)
    numbers = env.from_sequence(1, COUNT).map(lambda number: (number % 100, number))
    sums = numbers.key_by(lambda pair: pair[0]).process(Total()).map(lambda pair: (pair[0] % 10, pair[1]))
    last = sums.key_by(lambda pair: pair[0]).process(Total(str(directory / "held")))
    last.sink_to(FileSink.csv(str(directory / "out"), ("key", "total")))
    return env.execute_async("held").get_job_id()


def stages_of(details: JobDetails) -> list[VertexId]:
    """Its vertices, in the order of the data."""
    return list(dict.fromkeys(task.vertex for task in details.tasks))


def attempts_of(details: JobDetails, vertex: VertexId) -> list[int]:
    return [task.attempt for task in details.tasks if task.vertex == vertex]


def last_runs(details: JobDetails) -> bool:
    tasks = [task for task in details.tasks if task.vertex == stages_of(details)[-1]]
    return len(stages_of(details)) == 3 and all(task.state is TaskState.RUNNING for task in tasks)


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
    (tmp_path / "held").touch()
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
    lines = [line for path in (tmp_path / "out").rglob("*.csv") for line in path.read_text().splitlines()]
    rows = sorted(tuple(map(int, line.split(","))) for line in lines if not line.startswith("key"))
    assert rows == [(key, sum(n for n in range(1, COUNT + 1) if n % 10 == key)) for key in range(10)]
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
