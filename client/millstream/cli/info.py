"""``millstream info``: the plan of a program, or a job of a cluster with its audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from millstream.cli.answers import Problem
from millstream.cli.connection import connected, find_job
from millstream.cli.exit_codes import ExitCode
from millstream.cli.metrics import COLUMNS, metric_rows
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.program import is_file, run_program
from millstream.cli.shown import duration, echo_json, instant, one_line, state, table, watermark
from millstream.compiler.source_files import of_script
from millstream.execution.context import ProgramContext
from millstream.plan_text import plan_as_dict, plan_as_text
from millstream.submission.verdict import failure_text
from millstream_dataflow.configuration import Configuration
from millstream_runtime.messages.client import JobDetails, TaskView

if TYPE_CHECKING:
    from millstream_dataflow.identity import Digest
    from millstream_dataflow.job_graph import JobGraph

EXAMPLES = """
\b
Examples:
  millstream info job.py
  millstream info --json job.py --input flights.csv
  millstream info --pyflink written_for_pyflink.py
  millstream info 5f2c
"""


@click.command("info", epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("subject", metavar="SCRIPT|JOB")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--pyflink", is_flag=True, help="SCRIPT was written for PyFlink, as for millstream run.")
@json_option
@with_jobmanager
def command(
    configuration: Configuration, subject: str, arguments: tuple[str, ...], *, pyflink: bool, as_json: bool
) -> None:
    """Draw the plan of a program, without running its job; or show a job of a cluster, with its audit.

    SCRIPT is a file, run with the ARGUMENTS behind it up to its first execute(). JOB is an id, or as much of its
    beginning as no other job has: at least 4 digits.
    """
    script = Path(subject)
    if script.suffix == ".py" or is_file(script):
        if pyflink:
            import_module("millstream.pyflink").install()
        graph = plan_of(script, arguments, configuration)
        echo_json(plan_as_dict(graph)) if as_json else click.echo(plan_as_text(graph), nl=False)
        return
    if pyflink:
        raise click.UsageError(f"--pyflink is for programs, and there is no script {subject}")
    if arguments:
        raise click.UsageError(f"{' '.join(arguments)}: a job takes no arguments, and options stand before it")
    with connected(configuration) as gateway:
        details = gateway.details(find_job(gateway, subject).job)
    if as_json:
        echo_json(details)
    else:
        show(details)


# ------------------------------------------------------------------------------------------------------------ plans


class _PlanMadeError(BaseException):
    """Ends the program at its `execute`. No Exception, so that no program catches it by accident."""

    def __init__(self, graph: JobGraph) -> None:
        super().__init__()
        self.graph = graph


class _PlanExecutor:
    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> NoReturn:
        raise _PlanMadeError(graph)


def plan_of(script: Path, arguments: tuple[str, ...], configuration: Configuration) -> JobGraph:
    """The first job graph that a program makes."""
    context = ProgramContext(configuration, of_script(script), executor=_PlanExecutor())
    try:
        run_program(script, arguments, context)
    except _PlanMadeError as made:
        return made.graph
    raise Problem(f"{script} never called execute(), so it has no plan", ExitCode.USAGE)


# ------------------------------------------------------------------------------------------------------------- jobs


def show(details: JobDetails) -> None:
    """A job for people."""
    status = details.status
    click.echo(f'Job "{one_line(status.name)}" ({status.job}): {state(status)}')
    click.echo(f"Submitted {instant(status.submitted_at)}, ended {instant(status.ended_at)}")
    if status.failure is not None:
        click.echo(failure_text(status))
    if details.counts is not None:
        counts = details.counts
        line = f"Checkpoints: {counts.completed} completed, {counts.failed} failed, {counts.in_progress} in progress"
        click.echo(f"{line}; last failure: {counts.last_failure}" if counts.last_failure else line)
    for title, columns, rows in _tables(details):
        if rows:
            click.echo()
            table(title, columns, rows)


_Rows = list[tuple[object, ...]]
_LONGEST_NAME = 40  # characters


def _tables(details: JobDetails) -> Iterator[tuple[str, tuple[str, ...], _Rows]]:
    tasks: _Rows = [_task_row(task) for task in details.tasks]
    yield (
        "Tasks",
        ("VERTEX", "INDEX", "ATTEMPT", "STATE", "TASKMANAGER", "READ", "IN", "OUT", "LATE", "WATERMARK"),
        tasks,
    )
    yield "Metrics of functions", COLUMNS, metric_rows(details.tasks)
    yield (
        "Checkpoints",
        ("ID", "KIND", "COMPLETED", "DURATION", "ALIGNMENT", "BYTES", "IN FLIGHT", "PATH"),
        [
            (
                point.checkpoint,
                point.kind.name,
                instant(point.completed_at),
                duration(point.duration),
                f"{duration(point.alignment_duration)}{', unaligned' if point.unaligned else ''}",
                point.size,
                point.persisted_data,
                point.path,
            )
            for point in details.checkpoints
        ],
    )
    yield (
        "Restarts",
        ("REGION", "ATTEMPT", "BECAUSE"),
        [(one.region, one.attempt, one.failure.headline) for one in details.restarts],
    )
    yield (
        "Audit at the last checkpoint: edges",
        ("EDGE", "RESTORED", "SENT", "RECEIVED", "IN FLIGHT"),
        [(edge.name, edge.restored, edge.sent, edge.received, edge.in_flight) for edge in details.edges],
    )
    yield (
        "Audit at the last checkpoint: operators",
        ("OPERATOR", "RECEIVED", "PROCESSED", "LATE", "SKIPPED", "QUARANTINED", "HELD", "COMMITTED"),
        [
            (one.name, one.received, one.processed, one.late, one.skipped, one.quarantined, one.held, one.committed)
            for one in details.operators
        ],
    )
    yield (
        "Savepoints",
        ("REQUEST", "PATH"),
        [(one.request, one.path or (str(one.failure) if one.failure else "under way")) for one in details.savepoints],
    )


def _task_row(task: TaskView) -> tuple[object, ...]:
    head = (_vertex(task), task.index, task.attempt, task.state.name, task.taskmanager[:8] or "-")
    if task.totals is None:
        return (*head, "-", "-", "-", "-", "-")
    totals = task.totals
    return (*head, totals.records_read, totals.records_in, totals.records_out, totals.late, watermark(totals.watermark))


def _vertex(task: TaskView) -> str:
    """Its name, as much of it as leaves room for the rest; --json has all of it, and the id."""
    return task.name if len(task.name) <= _LONGEST_NAME else f"{task.name[: _LONGEST_NAME - 3]}..."
