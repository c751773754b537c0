"""``millstream cancel``: end a job without a savepoint."""

import click

from millstream.cli.connection import connected, find_job
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json, one_line
from millstream.errors import RequestRefusedError
from millstream.submission.job_client import cancel
from millstream_dataflow.configuration import Configuration
from millstream_runtime.states import JOB_STATES

EXAMPLES = """
\b
Examples:
  millstream cancel 5f2c
  millstream cancel 5f2c91d0a4b34e0f9d53b6d86f5f5c1a --json
"""


@click.command("cancel", epilog=EXAMPLES)
@click.argument("job")
@json_option
@with_jobmanager
def command(configuration: Configuration, job: str, *, as_json: bool) -> None:
    """End a job without a savepoint, and wait until it has ended.

    JOB is its id, or as much of its beginning as no other job has: at least 4 digits.
    """
    with connected(configuration) as gateway:
        found = find_job(gateway, job)
        if JOB_STATES.is_final(found.state):
            raise RequestRefusedError(f'job "{one_line(found.name)}" ({found.job}) is {found.state.name} already')
        status = cancel(gateway, found.job)
    if as_json:
        echo_json(status)
    else:
        click.echo(f'Job "{one_line(status.name)}" ({status.job}) is {status.state.name}.')
