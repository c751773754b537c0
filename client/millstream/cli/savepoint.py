"""``millstream savepoint``: a savepoint of a job that goes on."""

import uuid

import click

from millstream.cli.connection import connected, find_job
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json
from millstream.submission.job_client import take_savepoint
from millstream_dataflow.configuration import Configuration
from millstream_runtime.messages.client import TriggerSavepoint

EXAMPLES = """
\b
Examples:
  millstream savepoint 5f2c
  millstream savepoint 5f2c /var/lib/millstream/savepoints
"""


@click.command("savepoint", epilog=EXAMPLES)
@click.argument("job")
@click.argument("directory", required=False)
@json_option
@with_jobmanager
def command(configuration: Configuration, job: str, directory: str | None, *, as_json: bool) -> None:
    """Take a savepoint of a running job, and print its path; the job goes on.

    JOB is its id, or as much of its beginning as no other job has: at least 4 digits. DIRECTORY is where
    the savepoint goes; without it, execution.checkpointing.savepoint-dir of the job or its cluster.
    """
    with connected(configuration) as gateway:
        found = find_job(gateway, job)
        path = take_savepoint(gateway, TriggerSavepoint(found.job, uuid.uuid4().hex, directory or ""))
    if as_json:
        echo_json({"job": found.job, "savepoint": path})
    else:
        click.echo(path)
