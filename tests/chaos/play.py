"""One run: bursts of faults, in the calm between them the job must get well, and at the end the output must be true."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from millstream_dataflow.identity import JobId
from millstream_runtime.file_systems.local import TEMPORARY_SUFFIX
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import JOB_STATES, JobState
from tests.chaos.faults import Faults
from tests.chaos.load import CHECKPOINT_MS, KEYS, PARALLELISM, Load
from tests.chaos.schedule import Burst, schedule, spares
from tests.chaos.stage import EXPIRATION_S, ChaosError, Stage, staged
from tests.chaos.verdict import Comparison, Figures, compare
from tests.integration.programs import WINDOW
from tests.integration.pulses import longest_pause
from tests.support.clusters import NeverHappenedError, every_task_runs, until
from tests.support.jobs import hidden_files
from tests.support.zookeeper import kazoo_client

T = TypeVar("T")
WELL_S = 60.0
"""How long the job may take to be well again: an election, an adoption, a restart, on a machine that has other work."""
ENDS_S = 120.0
GENTLE_PAUSE_S = 1.0
"""What no task may stand for when only JobManagers and ZooKeeper are hit."""
LAST = 15
"""So many lines of what happened are shown again, above the logs, when something went wrong."""

CHECKPOINTS = {
    "execution.checkpointing.interval": f"{CHECKPOINT_MS} ms",
    "parallelism.default": PARALLELISM,
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": 1_000_000,
    "restart-strategy.fixed-delay.delay": "100 ms",
}


class Run:
    """On a stage that stands."""

    def __init__(self, stage: Stage, figures: Figures, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._cluster = stage.cluster
        self._figures = figures
        self._begun = time.monotonic()
        self._tell = say
        self._told: list[str] = []
        self._faults = Faults(stage, figures, lambda line: self._say(f"burst {figures.bursts:<3} {line}"))
        self._load = Load(stage.directory)
        self._job = JobId("")

    def play(self, bursts: Sequence[Burst]) -> Comparison:
        """From the job's start to the comparison; ChaosError or NeverHappenedError when it can't get there."""
        self._job = JobId(self._load.start(self._cluster.environment(**CHECKPOINTS)))
        self._until_well("at the beginning")
        begun = time.monotonic()
        for burst in bursts:
            self._figures.bursts += 1
            self._play(burst)
        self._figures.took_s = time.monotonic() - begun
        self._figures.longest_pause_s = longest_pause(self._load.pulses, begun, time.monotonic())[0]
        comparison = self._finish()
        self._clear()
        return comparison

    def _say(self, line: str) -> None:
        self._told.append(f"{time.monotonic() - self._begun:7.1f} s  {line}")
        self._tell(self._told[-1])

    # ----------------------------------------------------------------------------------------------------- a burst

    def _play(self, burst: Burst) -> None:
        attempt, begun = self._attempt(), time.monotonic()
        agenda = [(begun + fault.at, number, self._faults.play(fault)) for number, fault in enumerate(burst.faults)]
        while agenda:
            due, number, steps = heapq.heappop(agenda)
            time.sleep(max(0.0, due - time.monotonic()))
            wait = next(steps, None)
            if wait is not None:
                heapq.heappush(agenda, (time.monotonic() + wait, number, steps))
        took, last = self._until_well(f"after burst {burst.number}")
        self._figures.longest_calm_s = max(self._figures.longest_calm_s, took)
        pause, task = longest_pause(self._load.pulses, begun, time.monotonic())
        kind = "JobManagers and ZooKeeper only" if burst.is_gentle else "TaskManagers too"
        well = f"well after {took:.1f} s ({last})"
        self._say(f"burst {burst.number:<3} is over ({kind}): {well}, longest pause {pause:.2f} s")
        if burst.is_gentle:
            self._check_gentle(burst, attempt, pause, task)
        time.sleep(burst.calm_s)

    def _check_gentle(self, burst: Burst, attempt: int, pause: float, task: str) -> None:
        self._figures.longest_gentle_pause_s = max(self._figures.longest_gentle_pause_s, pause)
        if (now := self._attempt()) != attempt:
            raise ChaosError(f"burst {burst.number} hit no TaskManager, and yet attempt {attempt} became {now}")
        if pause >= GENTLE_PAUSE_S:
            raise ChaosError(f"burst {burst.number} hit no TaskManager, and yet {task} stood for {pause:.2f} s")

    # ------------------------------------------------------------------------------------------------ getting well

    def _until_well(self, when: str) -> tuple[float, str]:
        """All processes are there, all tasks run, and a checkpoint that began no earlier has published files. Gives the
        seconds, and what took the most of them.
        """
        begun, took = time.monotonic(), dict[str, float]()

        def within(condition: Callable[[], object], what: str) -> None:
            before = time.monotonic()
            self._until(condition, begun + WELL_S - before, f"{when}: {what}")
            took[what] = time.monotonic() - before

        if ended := self._stage.ended_by_themselves():
            raise ChaosError(f"{when}: {', '.join(process.name for process in ended)} ended by themselves")
        slots = len(self._cluster.taskmanagers)
        within(lambda: self._cluster.slots() == slots, f"{slots} slots are registered")
        within(self._runs, "every task runs")
        newest = self._newest()
        within(lambda: self._newest() > newest, f"a checkpoint above {newest} has published files")
        within(lambda: not self._stage.strays(), "no process is left that belongs to nobody")
        return time.monotonic() - begun, max(took, key=lambda what: took[what])

    def _details(self) -> JobDetails | None:
        details = self._cluster.details_or_none(self._job)
        if details is not None and details.status.state is JobState.FAILED:
            raise ChaosError(f"the job has failed: {details.status.failure}")
        return details

    def _runs(self) -> JobDetails | None:
        details = self._details()
        return details if details is not None and every_task_runs(details) else None

    def _attempt(self) -> int:
        details = self._until(self._runs, WELL_S, "every task runs")
        assert details is not None
        return max(task.attempt for task in details.tasks)

    def _closings(self) -> set[int]:
        """The checkpoints whose files are finished: the last number in their names."""
        return {int(path.stem.rpartition("-")[2]) for path in self._load.output.glob("part-*.csv")}

    def _newest(self) -> int:
        return max(self._closings(), default=0)

    # ----------------------------------------------------------------------------------------------------- the end

    def _finish(self) -> Comparison:
        self._figures.failovers = self._attempt() - 1
        count = self._load.end_input()
        self._say(f"the input ends after {count:,} events")

        def finished() -> bool:
            details = self._details()
            return details is not None and JOB_STATES.is_final(details.status.state)

        self._until(finished, ENDS_S, "the job is FINISHED")
        comparison = compare(self._load.output, count, KEYS, WINDOW)
        figures = self._figures
        figures.records_in, figures.records_out = comparison.records_in, comparison.records_out
        figures.lost, figures.doubled = sum(comparison.lost.values()), sum(comparison.doubled.values())
        figures.wrong = len(comparison.wrong)
        figures.checkpoints = len(self._closings())
        figures.hidden_files = len(hidden_files(self._load.output))
        view = self._cluster.view()
        figures.leaders = 0 if view is None else view.epoch
        return comparison

    def _clear(self) -> None:
        """The job is forgotten, and nothing of it is left; what is, is counted."""
        self._say("the job's record expires")
        try:
            self._until(lambda: not self._left(), EXPIRATION_S + WELL_S, "nothing is left of the job")
        except NeverHappenedError:
            self._say(f"left: {self._left()}")
        self._figures.nodes_left, self._figures.files_left = len(self._nodes()), len(self._files())

    def _left(self) -> list[str]:
        return [*self._nodes(), *map(str, self._files())]

    def _nodes(self) -> list[str]:
        with kazoo_client(self._stage.ensemble.hosts) as (client, _):
            jobs = f"/millstream/{self._stage.directory.name}/jobs"
            return [f"{jobs}/{name}" for name in client.get_children(jobs)] if client.exists(jobs) else []

    def _files(self) -> list[Path]:
        """Of the job. The epochs are the cluster's; blobs, and what somebody was writing when he was killed, are
        collected when they are an hour old.
        """
        root = self._stage.directory / "store" / self._stage.directory.name
        found = [path for what in ("jobs", "checkpoints") for path in (root / what).rglob("*") if path.is_file()]
        return [path for path in found if not path.name.endswith(TEMPORARY_SUFFIX)]

    # -------------------------------------------------------------------------------------------- what went wrong

    def _until(self, condition: Callable[[], T], timeout_s: float, what: str) -> T:
        return until(condition, timeout_s, what)

    def story(self) -> str:
        """The last faults, the job as it is, and the ends of all logs."""
        details = self._cluster.details_or_none(self._job)
        if details is None:
            job = ["nobody tells of the job"]
        else:
            job = [f"the job is {details.status.state.name} {details.status.note}", *map(str, details.tasks)]
            job += [f"checkpoints: {details.counts}", *map(str, details.restarts[-3:])]
        return "\n".join(
            [
                "",
                "what happened last:",
                *self._told[-LAST:],
                "",
                *job,
                "",
                self._cluster.tail(),
                self._stage.ensemble.tail(),
            ]
        )


def play(directory: Path, seed: int, minutes: float, say: Callable[[str], None]) -> Figures:
    """What came of it, which is said too; and, first, what isn't well."""
    figures = Figures(minutes, seed)
    say(f"seed {seed}, {minutes:g} minutes: make chaos MINUTES={minutes:g} SEED={seed}")
    comparison = None
    with staged(directory, spares(seed), say) as stage:
        run = Run(stage, figures, say)
        try:
            comparison = run.play(schedule(seed, minutes))
        except AssertionError as wrong:
            say(f"{run.story()}\n\nFAILED: {wrong}")
    figures.processes_left = len(stage.marked())
    if comparison is not None and not comparison.is_true:
        say(f"FAILED: the output is not true\n{comparison}")
    if comparison is not None and figures.too_few:
        say(f"FAILED: that was no chaos: {', '.join(figures.too_few)}")
    say(f"\n{figures}")
    return figures
