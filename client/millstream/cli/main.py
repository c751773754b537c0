"""The `millstream` command: a group whose verbs are imported when they are called.

`millstream --help` must answer at once, so it prints the table below and imports no verb. A verb is a file
`millstream/cli/<verb>.py` with a click command named `command`, and a line in the table.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

import click

from millstream.cli.collector import rest
from millstream.cli.exit_codes import HELP, ExitCode
from millstream.cli.output import (
    closed_pipe_ends,
    lost_output_ends,
    miss_a_closed_stdout,
    replace_what_cannot_be_encoded,
)
from millstream.submission.standard_streams import tell

# The verb and its line of help, in the order in which `millstream --help` shows them.
VERBS: dict[str, str] = {
    "run": "run a program and wait for its job (-d: don't wait)",
    "list": "list the jobs of a cluster",
    "info": "draw a program's plan, or show a job with its audit",
    "savepoint": "take a savepoint of a job that goes on",
    "stop": "end a job with a savepoint",
    "cancel": "end a job without one",
    "recover": "find the jobs of a cluster, and their latest checkpoints, in its storage directory alone",
    "jobmanager": "start a JobManager",
    "taskmanager": "start a TaskManager with a number of slots",
    "security": "write the certificates and tokens of a small cluster, or renew them",
    "config": "print every configuration key with its meaning, default, value and source",
    "completion": "print the lines that make a shell complete millstream's verbs and options",
}


SERVING = frozenset({"jobmanager", "taskmanager"})
"""Verbs of processes that go on without a stdout: whoever starts them in the background may close it."""


class VerbGroup(click.Group):
    """Loads a verb on demand, and ends with 130 when the user interrupts it."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **named: Any) -> Any:  # noqa: ANN401  # as click's
        """Run with these arguments; None: with those of the process, which is ours then."""
        if args is None:
            rest()
            if SERVING.isdisjoint(sys.argv[1:2]):
                miss_a_closed_stdout()
            replace_what_cannot_be_encoded()
        with lost_output_ends():
            return super().main(args, *others, **named)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; None lets click say that there is no such verb."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"millstream.cli.{cmd_name.replace('-', '_')}")
        return cast(click.Command, module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of verbs without importing them."""
        if VERBS:
            with formatter.section("Verbs"):
                formatter.write_dl(list(VERBS.items()))

    def make_context(self, *args: Any, **named: Any) -> click.Context:  # noqa: ANN401  # as click's
        """See click; `--help` is printed here."""
        with closed_pipe_ends():
            return super().make_context(*args, **named)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; click itself would end an interrupt with 1, which means a failed job here."""
        try:
            with closed_pipe_ends():
                return cast(object, super().invoke(ctx))
        except KeyboardInterrupt:
            tell("Interrupted.")
            ctx.exit(ExitCode.INTERRUPTED)


def _say_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click's call
    if wanted:
        from millstream.version import __version__  # noqa: PLC0415  # looked up for who asks

        click.echo(f"millstream, version {__version__}")
        context.exit()


@click.group(cls=VerbGroup, epilog=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_say_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Run streaming jobs and look after the clusters that run them."""
