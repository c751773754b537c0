"""A keyed windowed job under a paced load, exactly once into files, that tells of every stop of its tasks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from millstream import (
    FileSink,
    StreamExecutionEnvironment,
    Time,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JobState
from tests.integration.programs import HEADER, WINDOW, WithWindow
from tests.integration.pulses import PulsingCount, PulsingMap, longest_pause
from tests.support.elected import ElectedCluster
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows


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
        self.until_completed(2, 30)
        return self.running()

    # ------------------------------------------------------------------------------------------------- questions

    def details(self) -> JobDetails | None:
        """By whoever leads; None while nobody does."""
        return self.cluster.details_or_none(self.job)

    def completed(self) -> int:
        """Checkpoints that the present leader has completed."""
        details = self.details()
        return 0 if details is None or details.counts is None else details.counts.completed

    def running(self) -> JobDetails:
        """Until every task runs."""
        return self.cluster.wait_for_tasks(self.job)

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
        """Seconds for which a task has seen no record since then (monotonic)."""
        return longest_pause(self.directory / "pulses", since, time.monotonic())[0]

    def assert_undisturbed(self, workers: list[int], since: float) -> None:
        """Its tasks have their processes and their attempt yet, and none has stood for a second."""
        assert self.cluster.all_workers() == workers
        assert self.attempts() == {1}
        assert self.longest_stop(since) < 1.0

    # ------------------------------------------------------------------------------------------------ conditions

    def until_next_checkpoint(self, timeout_s: float) -> float:
        """Until a checkpoint newer than the present newest has published files; seconds."""
        begun = time.monotonic()
        self.until_beyond(self.newest(), self.published(), timeout_s)
        return time.monotonic() - begun

    def until_led_on(self, timeout_s: float) -> None:
        """Until the present leader has completed a checkpoint, and files appear beside those that its predecessors'
        completions have published, which it tells again.
        """
        self.until_completed(1, timeout_s)
        published = self.published()
        self.cluster.until(lambda: self.published() > published, timeout_s, "files appear under the new leader")

    def until_completed(self, count: int, timeout_s: float) -> None:
        """Until the present leader has completed so many checkpoints itself."""
        self.cluster.until(lambda: self.completed() >= count, timeout_s, f"the leader completes {count} checkpoints")

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
        # Not each: an attempt that restores its splits is given none.
        assert any(edge.sent for edge in details.edges), "no record was audited"
        assert [edge for edge in details.edges if not edge.balances] == []
        return details
