"""``millstream recover``: the jobs of a cluster from its storage directory alone, where ZooKeeper's data are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.answers import Problem
from millstream.cli.connection import connected
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json, instant, one_line
from millstream.submission.places import absolute
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import JobId

if TYPE_CHECKING:
    from millstream.cli.findings import Finding
    from millstream_jobmanager.store.salvage import SalvagedJob

EXAMPLES = """
\b
Examples:
  millstream recover --from /mnt/millstream
  millstream recover --from s3://bucket/millstream --json
  millstream recover --from /mnt/millstream/default --submit
"""


@click.command("recover", epilog=EXAMPLES)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option(
    "--from",
    "directory",
    metavar="DIR",
    required=True,
    help="high-availability.storageDir, or one cluster's directory in it; a path or a URI.",
)
@click.option(
    "--checkpoints",
    metavar="DIR",
    default="",
    help="Where checkpoints lie; without it, where the job's record or its configuration says.",
)
@click.option("--submit", is_flag=True, help="Submit the jobs that had not ended, from their newest checkpoints.")
@json_option
@with_jobmanager
def command(  # noqa: PLR0913  # each is an option of the verb
    configuration: Configuration,
    jobs: tuple[str, ...],
    directory: str,
    checkpoints: str,
    *,
    submit: bool,
    as_json: bool,
) -> None:
    """Find the jobs of a cluster and the latest checkpoint of each in the storage directory, without ZooKeeper.

    Every byte of that checkpoint is read. A damaged one is named, and the newest that is whole is shown; whether a job
    may go on from an older one is for you to decide: what its sinks have committed since would be committed again. JOB
    is the beginning of an id; without one, all jobs are shown.

    With --submit the jobs that had not ended are submitted to the cluster under their own ids, with the functions that
    are stored: each from its newest checkpoint, or from its beginning if it had none. One with a problem is not. A job
    that the cluster knows is left alone, so this may be repeated.

    Ends with 0 when all is well, 1 when something is damaged or wasn't submitted, 2 when there is no job store in DIR,
    3 when there is no cluster to submit to, 4 when there is no such JOB.
    """
    # Not at the top: the verb's help is printed without them, and they take 300 ms.
    from millstream.cli import findings  # noqa: PLC0415  # see above

    salvaged = _of(jobs, _salvaged(absolute(directory)), directory)
    found = [(job, findings.find(job, absolute(checkpoints).rstrip("/"))) for job in salvaged]
    if submit:
        with connected(configuration) as gateway:
            known = {job.job: job.state.name for job in gateway.cluster().jobs}  # without one nothing is tried
            for job, finding in found:
                finding.known = known.get(JobId(finding.job), "")
                findings.submit(gateway, job, finding)
    if as_json:
        echo_json([finding for _, finding in found])
    else:
        _show([finding for _, finding in found])
    if any(finding.problems for _, finding in found):
        raise Problem("not all is well; see above", ExitCode.FAILED)


def _salvaged(directory: str) -> list[SalvagedJob]:
    from millstream_jobmanager.store.salvage import find_stores, salvaged_jobs  # noqa: PLC0415  # see command

    try:
        stores = find_stores(directory.rstrip("/"))
        jobs = [job for store in stores for job in salvaged_jobs(store)]
    except OSError as error:
        raise Problem(f"{directory} can't be read: {error.strerror or error}", ExitCode.USAGE) from error
    if not stores:
        raise Problem(f"there is no job store in {directory}, nor in a directory of it", ExitCode.USAGE)
    return jobs


def _of(wanted: tuple[str, ...], salvaged: list[SalvagedJob], directory: str) -> list[SalvagedJob]:
    """Those whose ids begin so; each that is wanted must be there."""
    for text in wanted:
        if not any(job.job.startswith(text.lower()) for job in salvaged):
            raise Problem(f"no job's id begins with {text[:64]} in {directory}", ExitCode.REFUSED)
    beginnings = tuple(text.lower() for text in wanted)
    return [job for job in salvaged if not wanted or job.job.startswith(beginnings)]


def _show(findings: list[Finding]) -> None:
    if not findings:
        click.echo("There are no jobs.")
    for finding in findings:
        state = finding.state if finding.ended_at else f"not ended (stored as {finding.state})"
        click.echo(f'Job "{one_line(finding.name)}" ({finding.job}): {state}')
        click.echo(
            f"  in {finding.store}, submitted {instant(finding.submitted_at)}, ended {instant(finding.ended_at)}"
        )
        point = finding.checkpoint
        if point is not None:
            age = "latest" if point.newest else "newest whole"
            click.echo(f"  {age} checkpoint: {point.path}, completed {instant(point.completed_at)}")
            click.echo(f"  {finding.command}")
        elif finding.checkpoints:
            click.echo(f"  no checkpoint in {finding.checkpoints}")
        for path in finding.savepoints:
            click.echo(f"  savepoint: {path}")
        for problem in finding.problems:
            click.echo(f"  PROBLEM: {one_line(problem)}")
        if finding.known:
            click.echo(f"  left alone: the cluster has it, and it is {finding.known}")
        elif finding.submitted:
            click.echo(f"  submitted: it is {finding.submitted}")
