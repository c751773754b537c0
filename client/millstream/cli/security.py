"""``millstream security``: the certificates and tokens of a small cluster, written and renewed."""

import shlex
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream_dataflow.configuration.parsers import HOST

EXAMPLES = """
\b
Examples:
  millstream security init certificates --host jm-1.example.org --host 10.0.0.7
  millstream security renew certificates
"""
INIT_EXAMPLES = """
\b
Examples:
  millstream security init certificates --host jm-1.example.org --host 10.0.0.7
  millstream security init certificates --host '*.millstream.svc' --days 90
"""
RENEW_EXAMPLES = """
\b
Examples:
  millstream security renew certificates
  millstream security renew certificates --days 90
"""

_days = click.option(
    "--days", type=click.IntRange(1, 36500), default=365, show_default=True, help="How long the certificates are valid."
)
_directory: Callable[[Callable[..., Any]], Callable[..., Any]] = click.argument(
    "directory", metavar="DIR", type=click.Path(path_type=Path)
)


@click.group("security", epilog=EXAMPLES)
def command() -> None:
    """Write the certificates and tokens that make a small cluster's connections safe, or renew them."""


def _hosts(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_host(value.strip()) for value in values)


def _host(value: str) -> str:
    try:
        HOST.parse(value.removeprefix("*."))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no host; accepted is {HOST.accepts}") from error
    if not value.isascii():
        raise click.BadParameter(f"{value} must be written as DNS has it (xn--...)")
    return value


@command.command("init", epilog=INIT_EXAMPLES)
@_directory
@click.option(
    "--host",
    "hosts",
    metavar="NAME",
    multiple=True,
    callback=_hosts,
    help="A name or address by which clients reach a JobManager; once for each.",
)
@_days
def init(directory: Path, hosts: tuple[str, ...], days: int) -> None:
    """Write a working set into DIR, which must be empty or not there.

    It holds three folders: authorities (what signs certificates: keep it where no process of the cluster runs), cluster
    (for the hosts of JobManagers and TaskManagers) and client (for whoever may submit jobs).
    """
    from millstream.security.working_set import write  # noqa: PLC0415  # 60 ms that --help need not wait

    with _told():
        written = write(directory, hosts, datetime.now(UTC), days)
    directory = directory.absolute()
    _list(written)
    cluster, client = (shlex.quote(str(directory / folder / "millstream.yaml")) for folder in ("cluster", "client"))
    click.echo(
        f"\nThe certificates are valid for {days} days; 'millstream security renew' signs new ones. Whoever has\n"
        f"{directory / 'authorities'} can let anybody in: keep it apart.\n"
        "\nNext, each on its host:\n"
        f"  millstream jobmanager --config {cluster} --host 0.0.0.0\n"
        f"  millstream taskmanager --config {cluster} -D taskmanager.bind-host=0.0.0.0 "
        f"-D jobmanager.rpc.address={_known(hosts)}\n"
        f"  millstream list --config {client} -m {_known(hosts)}:6123"
    )


def _known(hosts: tuple[str, ...]) -> str:
    return next((f"[{host}]" if ":" in host else host for host in hosts if not host.startswith("*")), "localhost")


@command.command("renew", epilog=RENEW_EXAMPLES)
@_directory
@_days
def renew(directory: Path, days: int) -> None:
    """Sign new certificates for the names of those that init wrote into DIR, by the same authorities.

    Running processes take them for new connections once they are copied over the former ones; nothing is restarted, and
    connections that are open go on.
    """
    from millstream.security.working_set import renew as sign  # noqa: PLC0415  # see init

    with _told():
        written = sign(directory, datetime.now(UTC), days)
    _list(written)
    click.echo(
        f"\nThey are valid for {days} days, if their authorities are. Copy them over those of each host, by a rename:\n"
        "each holds its certificate and its key, and nobody should read a part. New connections use them at once."
    )


def _list(written: list[Path]) -> None:
    for path in written:
        click.echo(f"wrote {path}")


@contextmanager
def _told() -> Generator[None]:
    from millstream.security.working_set import WorkingSetError  # noqa: PLC0415  # see init

    try:
        yield
    except WorkingSetError as error:
        raise Problem(str(error), ExitCode.USAGE) from error
    except OSError as error:
        raise Problem(f"{error.filename} can't be used: {error.strerror}", ExitCode.FAILED) from error
