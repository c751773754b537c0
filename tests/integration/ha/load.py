"""A keyed windowed job under a paced load, exactly once into files, that tells of every stop of its tasks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from millstream import (
    FileSink,
    MapFunction,
    StreamExecutionEnvironment,
    Time,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState, TaskState
from tests.integration.programs import HEADER, WINDOW, CountAndSum, WithWindow
from tests.support.elected import ElectedCluster
from tests.support.jobs import Event, PacedEvents, hidden_files, truth, window_rows

SHOWN_S = 0.1
"""A task that stands for longer writes it down."""


class Pulse:
    """In a task: notices for how long no record came, by the clock that all processes of a machine share."""

    def __init__(self, directory: str, name: str) -> None:
        self.path = Path(directory) / f"{name}-{os.getpid()}"
        self.last = time.monotonic()
        self.told = 0.0

    def beat(self) -> None:
        """A record is here."""
        now = time.monotonic()
        if now - self.last > SHOWN_S:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{self.last:.3f} {now:.3f}\n")
        self.last = now
        if now > self.told + 0.05:  # that it goes on, for who asks in the middle of a stop
            self.told = now
            os.utime(self.path) if self.path.exists() else self.path.touch()


class PulsingMap(MapFunction[Event, Event]):
    """Hands records on."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.pulse: Pulse | None = None

    def map(self, value: Event) -> Event:
        if self.pulse is None:
            self.pulse = Pulse(self.directory, "read")
        self.pulse.beat()
        return value


class PulsingCount(CountAndSum):
    """Behind the exchange."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.pulse: Pulse | None = None

    def add(self, value: Event, accumulator: list[int]) -> list[int]:
        if self.pulse is None:
            self.pulse = Pulse(self.directory, "counted")
        self.pulse.beat()
        return super().add(value, accumulator)


def pulsing_windows(env: StreamExecutionEnvironment, source: PacedEvents, directory: Path) -> None:
    """As `windows`, with pulses before and behind the exchange."""
    pulses = directory / "pulses"
    pulses.mkdir()
    (
        env.from_source(source, WatermarkStrategy.for_monotonous_timestamps(), "events")
        .map(PulsingMap(str(pulses)))
        .key_by(lambda event: event[0])
        .window(TumblingEventTimeWindows.of(Time.milliseconds(WINDOW)))
        .aggregate(PulsingCount(str(pulses)), WithWindow())
        .sink_to(FileSink.csv(str(directory / "out"), HEADER))
    )


@dataclass
class Load:
    """The job, from its start to its end."""

    cluster: ElectedCluster
    directory: Path
    count: int = 150_000
    keys: int = 10
    parallelism: int = 2
    options: dict[str, object] = field(default_factory=dict[str, object])
    job: JobId = field(default=JobId(""))

    def start(self) -> JobDetails:
        """Until it runs, and two checkpoints are complete."""
        (self.directory / "held").touch()
        env = self.cluster.environment(
            **{"execution.checkpointing.interval": "200 ms", "parallelism.default": self.parallelism, **self.options}
        )
        held = str(self.directory / "held")
        source = PacedEvents(self.count, splits=self.parallelism, rate=1_000, keys=self.keys, held=held)
        pulsing_windows(env, source, self.directory)
        self.job = env.execute_async("paced load").get_job_id()
        self.cluster.until(lambda: self.completed() >= 2, 30, "two checkpoints are complete")
        return self.running()

    # ------------------------------------------------------------------------------------------------- questions

    def details(self) -> JobDetails | None:
        """By whoever leads; None while nobody does."""
        return self.cluster.details_or_none(self.job)

    def completed(self) -> int:
        """Checkpoints that the present leader has completed."""
        details = self.details()
        return 0 if details is None or details.counts is None else details.counts.completed

    def running(self, timeout_s: float = 30) -> JobDetails:
        """Until every task runs."""

        def runs() -> JobDetails | None:
            details = self.details()
            if details is None or details.status.state is not JobState.RUNNING:
                return None
            return details if all(task.state is TaskState.RUNNING for task in details.tasks) else None

        found = self.cluster.until(runs, timeout_s, "the job runs")
        assert found is not None
        return found

    def attempts(self) -> set[int]:
        """Of its tasks."""
        return {task.attempt for task in self.running().tasks}

    def newest(self) -> int:
        """The id of the newest complete checkpoint."""
        details = self.details()
        return 0 if details is None else max((point.checkpoint for point in details.checkpoints), default=0)

    def published(self) -> set[str]:
        """The finished files of the sink."""
        return {path.name for path in (self.directory / "out").glob("part-*.csv")}

    def longest_stop(self, since: float) -> float:
        """Seconds for which a task saw no record, of all stops that ended after `since` (monotonic) or go on. Those of
        tasks whose process is gone count as well.
        """
        stops = [0.0]
        for path in (self.directory / "pulses").iterdir():
            for line in path.read_text(encoding="utf-8").splitlines():
                begun, ended = map(float, line.split())
                if ended > since:
                    stops.append(ended - max(begun, since))
            if Path(f"/proc/{path.name.rpartition('-')[2]}").exists():
                stops.append(time.time() - path.stat().st_mtime)
        return max(stops)

    # ------------------------------------------------------------------------------------------------ conditions

    def until_next_checkpoint(self, timeout_s: float) -> float:
        """Until a checkpoint newer than the present newest has published files; seconds."""
        begun = time.monotonic()
        self.until_beyond(self.newest(), self.published(), timeout_s)
        return time.monotonic() - begun

    def until_beyond(self, newest: int, published: set[str], timeout_s: float) -> None:
        """Until a checkpoint newer than that is complete, and files beside those are there."""
        self.cluster.until(lambda: self.newest() > newest, timeout_s, f"a checkpoint above {newest} is complete")
        self.cluster.until(lambda: self.published() > published, timeout_s, "files appear")

    def finish(self, timeout_s: float = 60) -> JobDetails:
        """Let the input end; nothing was lost, nothing doubled, nothing is left behind."""
        (self.directory / "held").unlink()
        details = self.cluster.wait_for_state(self.job, JobState.FINISHED, timeout_s)
        assert window_rows(self.directory / "out") == truth(self.count, self.keys, WINDOW)
        assert hidden_files(self.directory / "out") == []
        assert [edge for edge in details.edges if edge.sent != edge.received] == []
        return details
