"""``millstream list``: the jobs of a cluster."""

import click

from millstream.cli.connection import connected
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json, instant, state, table
from millstream_dataflow.configuration import Configuration
from millstream_runtime.messages.client import JobStatus
from millstream_runtime.states import JOB_STATES, JobState

EXAMPLES = """
\b
Examples:
  millstream list
  millstream list --all --json
  millstream list -r -m jobs.example.com:6123
"""


@click.command("list", epilog=EXAMPLES)
@click.option("-a", "--all", "everything", is_flag=True, help="Those that have ended as well.")
@click.option("-r", "--running", is_flag=True, help="Only those that run.")
@click.option("-s", "--scheduled", is_flag=True, help="Only those that wait for their first start.")
@json_option
@with_jobmanager
def command(configuration: Configuration, *, everything: bool, running: bool, scheduled: bool, as_json: bool) -> None:
    """List the jobs of a cluster; without an option, those that have not ended."""
    with connected(configuration) as gateway:
        view = gateway.cluster()
    jobs = [job for job in view.jobs if everything or _is_wanted(job, running=running, scheduled=scheduled)]
    jobs.sort(key=lambda job: job.submitted_at)
    if as_json:
        echo_json(jobs)
    elif not jobs:
        click.echo("There are no jobs." if everything else "No job runs; --all shows those that have ended.")
    else:
        rows = [(job.job, job.name, state(job), instant(job.submitted_at), instant(job.ended_at)) for job in jobs]
        table("", ("JOB", "NAME", "STATE", "SUBMITTED", "ENDED"), rows)


def _is_wanted(job: JobStatus, *, running: bool, scheduled: bool) -> bool:
    if JOB_STATES.is_final(job.state):
        return False
    waits = job.state is JobState.CREATED
    return running == scheduled or (scheduled if waits else running)
