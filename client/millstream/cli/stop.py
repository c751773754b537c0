"""``millstream stop``: end a job with a savepoint, from which it can be started again."""

import uuid

import click

from millstream.cli.connection import connected, find_job
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json
from millstream.submission.job_client import stop
from millstream_dataflow.configuration import Configuration
from millstream_runtime.messages.client import StopJob
from millstream_runtime.messages.session import StopMode

EXAMPLES = """
\b
Examples:
  millstream stop 5f2c
  millstream stop --drain -p /var/lib/millstream/savepoints 5f2c
"""


@click.command("stop", epilog=EXAMPLES)
@click.argument("job")
@click.option(
    "-d", "--drain", is_flag=True, help="Fire all windows and timers first: the job will not be started again."
)
@click.option(
    "-p",
    "--savepoint-path",
    "--savepointPath",
    "directory",
    metavar="DIRECTORY",
    help="Where the savepoint goes; without it, execution.checkpointing.savepoint-dir of the job or its cluster.",
)
@json_option
@with_jobmanager
def command(configuration: Configuration, job: str, directory: str | None, *, drain: bool, as_json: bool) -> None:
    """End a job with a savepoint, and print its path when the job has ended.

    JOB is its id, or as much of its beginning as no other job has: at least 4 digits. When no savepoint can
    be taken, the job goes on.
    """
    mode = StopMode.DRAIN if drain else StopMode.STOP
    with connected(configuration) as gateway:
        found = find_job(gateway, job)
        path = stop(gateway, StopJob(found.job, uuid.uuid4().hex, mode, directory or ""))
    if as_json:
        echo_json({"job": found.job, "savepoint": path})
    else:
        click.echo(path)
