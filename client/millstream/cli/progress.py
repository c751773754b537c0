"""How a job that one waits for is doing, on stderr: a block that is drawn anew at a terminal, else a line a change."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from millstream.cli.options import wants_plain
from millstream.cli.shown import NO_WATERMARK, duration, instant, one_line, watermark
from millstream_dataflow.words import counted
from millstream_runtime.states import JOB_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live

    from millstream_runtime.messages.client import JobDetails, JobStatus


class Progress(Protocol):
    """Told of every change of every job, by the thread that waits for it."""

    def changed(self, details: JobDetails) -> None:
        """The job as it is now."""
        ...

    def close(self) -> None:
        """Nothing more will be shown."""
        ...


def progress_on_stderr() -> Progress:
    """The one that fits to where stderr leads."""
    return ProgressLines() if wants_plain(sys.stderr) else ProgressBlock()


@dataclass(frozen=True, slots=True)
class _Count:
    at: float
    records: int


class RecordRate:
    """Records that sources have read, and how many a second, from totals that are told once a second and begin anew
    with an attempt.
    """

    def __init__(self) -> None:
        self._last: _Count | None = None
        self.value = 0.0
        self.total = 0

    def see(self, details: JobDetails, now: float) -> None:
        """A new picture of the job."""
        records = sum(task.totals.records_read for task in details.tasks if task.totals is not None)
        last = self._last
        if last is None or records < last.records:
            self._last = _Count(now, records)
        elif records > last.records and now > last.at:
            self.value = (records - last.records) / (now - last.at)
            self._last = _Count(now, records)
        self.total = max(self.total, records)


def watermark_of(details: JobDetails) -> str:
    """The least of the tasks' that have one or have got records; a task that deals out splits does neither. Empty as
    long as there is no such task.
    """
    totals = [task.totals for task in details.tasks if task.totals is not None]
    known = [one.watermark for one in totals if one.watermark != NO_WATERMARK or one.records_in or one.records_read]
    return watermark(min(known)) if known else ""


def checkpoints_of(details: JobDetails) -> str:
    """How many there were, and how the last one went; empty before the first."""
    counts = details.counts
    if counts is None or not (counts.completed or counts.failed or counts.in_progress):
        return ""
    text = f"{counts.completed} completed"
    if details.checkpoints:
        last = details.checkpoints[-1]
        text += f" (last {last.checkpoint} at {instant(last.completed_at)}, {duration(last.duration)})"
    if counts.failed:
        text += f", {counts.failed} failed ({counts.last_failure})"
    return f"{text}, {counts.in_progress} in progress" if counts.in_progress else text


def summary(status: JobStatus, rate: RecordRate, details: JobDetails) -> str:
    """The last line about a job that has ended."""
    took = duration(max(status.ended_at - status.submitted_at, 0))
    parts = [f'Job "{one_line(status.name)}" ({status.job}) is {status.state.name} after {took}']
    if rate.total:
        parts.append(counted(rate.total, "record"))
    if checkpoints := checkpoints_of(details):
        parts.append(f"checkpoints: {checkpoints}")
    return "; ".join(parts)


class Restarts:
    """Tells each restart of each job once, with the reason for it."""

    def __init__(self) -> None:
        self._told = set[tuple[str, int, int]]()

    def lines(self, details: JobDetails) -> Iterator[str]:
        """Those that are new. One whose failure follows from another waits until the first cause is known, which is
        when the next attempt has begun at the latest.
        """
        settled = details.status.state is not JobState.RESTARTING
        for restart in details.restarts:
            name = (details.status.job, restart.region, restart.attempt)
            if name not in self._told and (settled or not restart.failure.secondary):
                self._told.add(name)
                yield f"restarting (attempt {restart.attempt}): {restart.failure.headline}"


class ProgressLines:
    """One line for each change of state or note, and for each restart."""

    def __init__(self) -> None:
        self._restarts = Restarts()
        self._said: dict[str, tuple[JobState, str]] = {}
        self._rates: dict[str, RecordRate] = {}

    def changed(self, details: JobDetails) -> None:
        """See Progress."""
        status = details.status
        rate = self._rates.setdefault(status.job, RecordRate())
        rate.see(details, time.monotonic())
        for line in self._restarts.lines(details):
            click.echo(line, err=True)
        if self._said.get(status.job) == (status.state, status.note):
            return
        self._said[status.job] = (status.state, status.note)
        if JOB_STATES.is_final(status.state):
            click.echo(summary(status, rate, details), err=True)
        else:
            note = f", {status.note}" if status.note else ""
            click.echo(f'Job "{one_line(status.name)}" ({status.job}) is {status.state.name}{note}', err=True)

    def close(self) -> None:
        """See Progress."""


class ProgressBlock:
    """A few lines at the bottom of the terminal, below what the program prints. A restart's line stays."""

    def __init__(self) -> None:
        self._restarts = Restarts()
        self._rates: dict[str, RecordRate] = {}
        self._live: Live | None = None

    def changed(self, details: JobDetails) -> None:
        """See Progress."""
        status = details.status
        rate = self._rates.setdefault(status.job, RecordRate())
        rate.see(details, time.monotonic())
        if lines := list(self._restarts.lines(details)):
            self.close()
            click.echo("\n".join(lines), err=True)
        if JOB_STATES.is_final(status.state):
            self.close()
            click.echo(summary(status, rate, details), err=True)
            return
        if self._live is None:
            self._live = _start_live()
        self._live.update(block(details, rate), refresh=True)

    def close(self) -> None:
        """See Progress. The terminal is as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def block(details: JobDetails, rate: RecordRate) -> str:
    """What the terminal shows of a job."""
    status = details.status
    lines = [f'Job "{one_line(status.name)}" ({status.job}): {status.state.name}']
    if status.note:
        lines.append(f"  {status.note}")
    lines.append(f"  records      {rate.total:,}, {rate.value:,.0f}/s")
    if text := watermark_of(details):
        lines.append(f"  watermark    {text}")
    if text := checkpoints_of(details):
        lines.append(f"  checkpoints  {text}")
    return "\n".join(lines)


def _start_live() -> Live:
    from rich.console import Console  # noqa: PLC0415  # 40 ms that a job without a terminal need not wait
    from rich.live import Live  # noqa: PLC0415  # as above

    # What the program prints must stay where it leads: only a terminal shares its lines with the block.
    live = Live(
        console=Console(stderr=True, markup=False, highlight=False),
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
    live.start()
    return live
