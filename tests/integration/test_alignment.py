"""Two sources of one alignment group at two TaskManagers: the fast one waits for the slow one, also while the
JobManager is away and under its successor (law 7.4).
"""

import time
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from millstream import MapFunction, RuntimeContext, WatermarkStrategy
from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.support.clusters import Cluster, running_cluster
from tests.support.jobs import Event, PacedEvents

pytestmark = pytest.mark.may_leak(reason="a JobManager that takes the place of a killed one belongs to the cluster")

COUNT = 1_500
EVERY = 10
"""Milliseconds of event time between two events."""
RATE = 100
"""Events a second of the slow source: a second of event time in a second."""
BATCH = 10
DRIFT, UPDATE = 500, 50
AHEAD = DRIFT + BATCH * EVERY
"""What the fast source may be ahead."""


class Noted(MapFunction[Event, Event]):
    """Writes down when each event came."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, runtime_context: RuntimeContext) -> None:
        self.file: TextIO = self.path.open("a", buffering=1, encoding="utf-8")

    def map(self, value: Event) -> Event:
        self.file.write(f"{now()} {value[2]}\n")
        return value

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Notes:
    """What came when: both in milliseconds."""

    clock: list[int]
    events: list[int]

    @staticmethod
    def read(path: Path) -> "Notes":
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        pairs = [tuple(map(int, line.split())) for line in lines if " " in line]
        return Notes([clock for clock, _ in pairs], [event for _, event in pairs])

    def at(self, clock: int) -> int:
        """The newest event by that time."""
        count = bisect_right(self.clock, clock)
        return self.events[count - 1] if count else 0


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    with running_cluster(tmp_path, taskmanagers=2, slots=1) as running:
        yield running


def submitted(cluster: Cluster, directory: Path) -> JobId:
    """Two sources, each in a slot of its own, which nothing but their group connects."""
    (directory / "held").touch()
    options = {"pipeline.batch.max-records": BATCH, "execution.checkpointing.interval": "500 ms"}
    env = cluster.environment(parallelism__default=1, **options)
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_watermark_alignment("group", DRIFT, UPDATE)
    for name, rate in (("fast", 0), ("slow", RATE)):
        source = PacedEvents(COUNT, splits=1, rate=rate, held=str(directory / "held"))
        stream = env.from_source(source, strategy, name).slot_sharing_group(name)
        stream.map(Noted(directory / name)).filter(lambda event: event[2] < 0).print()
    return env.execute_async("aligned").get_job_id()


def now() -> int:
    """The clock of the notes: that of the machine, which nobody sets."""
    return time.monotonic_ns() // 1_000_000


def furthest_ahead(fast: Notes, slow: Notes, killed: int | None = None) -> int:
    """By how much the fast source was ahead of what the slow one had emitted at that time, or would have by the clock
    since the JobManager was killed.
    """
    ahead: list[int] = []
    for clock, event in zip(fast.clock, fast.events, strict=True):
        came = slow.at(clock)
        if killed is not None and clock > killed:
            came = max(came, slow.at(killed) + clock - killed)
        ahead.append(event - came)
    return max(ahead)


def test_the_fast_source_waits_for_the_slow_one(cluster: Cluster, tmp_path: Path) -> None:
    fast, slow = tmp_path / "fast", tmp_path / "slow"
    job = submitted(cluster, tmp_path)
    cluster.until(lambda: len(Notes.read(slow).events) > RATE, 30, "the slow source has come so far")
    assert len({task.taskmanager for task in cluster.details(job).tasks}) == 2
    assert DRIFT // 2 < furthest_ahead(Notes.read(fast), Notes.read(slow)) <= AHEAD

    killed = now()
    cluster.kill_jobmanager()
    reached = Notes.read(fast).events[-1]
    cluster.until(lambda: Notes.read(fast).events[-1] > reached + 2 * AHEAD, 30, "the fast source goes on by the clock")
    cluster.start_jobmanager()
    cluster.wait_for_state(job, JobState.RUNNING)
    back = len(Notes.read(slow).events)
    cluster.until(lambda: len(Notes.read(slow).events) > back + RATE, 30, "the slow source goes on")
    assert furthest_ahead(Notes.read(fast), Notes.read(slow), killed) <= AHEAD

    (tmp_path / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    for path in (fast, slow):
        assert Notes.read(path).events == [number * EVERY for number in range(COUNT)], path
