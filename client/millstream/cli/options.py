"""Options that many verbs share, so that they are spelled, read and explained alike.

``with_configuration`` gives a verb ``--config FILE`` and ``-D key=value`` and hands it the finished configuration; a
mistake ends the verb with exit code 2 (usage) and every problem on a line of its own.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from millstream.cli.exit_codes import ExitCode
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.configuration import read_configuration

R = TypeVar("R")


class ConfigurationProblem(click.ClickException):
    """A configuration that cannot be used, told as a list."""

    exit_code = ExitCode.USAGE

    def __init__(self, error: ConfigurationError) -> None:
        lines = [str(problem) for problem in error.problems]
        super().__init__(lines[0] if len(lines) == 1 else "\n  ".join(["the configuration has mistakes:", *lines]))


_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Configuration file; without it, millstream.yaml in $MILLSTREAM_CONF_DIR.",
)
_definition_option = click.option(
    "-D",
    "definitions",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one configuration key; stronger than file and environment. Can be repeated.",
)


def with_configuration(function: Callable[..., R]) -> Callable[..., R]:
    """Adds ``--config`` and ``-D`` to a verb and calls it with ``configuration=``.

    Notices (keys without effect, old names) go to stderr, each once.
    """

    def call(config_file: Path | None, definitions: tuple[str, ...], **arguments: object) -> R:
        return function(configuration=load_configuration(config_file, definitions), **arguments)

    functools.update_wrapper(call, function)
    return _config_option(_definition_option(call))


def load_configuration(config_file: Path | None, definitions: tuple[str, ...]) -> Configuration:
    """The configuration of this process; its notices are printed to stderr."""
    try:
        configuration = read_configuration(config_file, os.environ, definitions)
    except ConfigurationError as error:
        raise ConfigurationProblem(error) from error
    for notice in configuration.notices:
        click.echo(f"Notice: {notice}", err=True)
    return configuration


def wants_plain_output() -> bool:
    """Whether people's output goes without colours and frames: not to a terminal, or ``NO_COLOR`` is set."""
    return bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
