"""The JobManager that the configuration names, and jobs as people name them."""

import re
from collections.abc import Generator
from contextlib import contextmanager

import click

from millstream.cli.answers import told_by_exit_code
from millstream.cli.collector import settle
from millstream.errors import JobNotFoundError
from millstream.submission.gateway import Gateway
from millstream.submission.routes import route_of
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import client
from millstream_runtime.messages.client import JobStatus


@contextmanager
def connected(configuration: Configuration) -> Generator[Gateway]:
    """Its calls; our errors end the command with their exit code."""
    timeout = configuration.get(client.TIMEOUT).total_seconds()
    with told_by_exit_code():
        route = route_of(configuration)
    gateway = Gateway(route, timeout, waiting=lambda text: click.echo(text, err=True))
    settle()
    try:
        with told_by_exit_code():
            yield gateway
    finally:
        gateway.close()


SHORTEST = 4
"""Digits of an id that name a job: nobody means the only job that there is by an empty variable, or a slip by one digit
of many.
"""
_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST},32}}", re.ASCII | re.IGNORECASE)
"""Of an id."""


def find_job(gateway: Gateway, text: str) -> JobStatus:
    """The job whose id begins so. JobNotFoundError when there is none; several, or what no id begins with, are a wrong
    use.
    """
    if not _BEGINNING.fullmatch(text):
        form = f"that takes its id of 32 hexadecimal digits, or at least the first {SHORTEST}"
        raise click.UsageError(f"{text[:64]!r} names no job: {form}")
    found = [job for job in gateway.cluster().jobs if job.job.startswith(text.lower())]
    if not found:
        message = f"no job's id begins with {text} at {gateway.target}; 'millstream list --all' shows those there are"
        raise JobNotFoundError(message)
    if len(found) > 1:
        names = ", ".join(sorted(job.job for job in found))
        raise click.UsageError(f"{text} is the beginning of {len(found)} jobs' ids: {names}")
    return found[0]
