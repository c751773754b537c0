"""Options that many verbs share, so that they are spelled, read and explained alike.

``with_configuration`` gives a verb ``--config FILE`` and ``-D key=value`` and hands it the finished configuration; a
mistake ends the verb with exit code 2 (usage) and every problem on a line of its own. ``with_jobmanager`` and
``with_log_level`` do the same and add an option of their own.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

import click

from millstream.cli.exit_codes import ExitCode
from millstream.submission.addresses import with_address
from millstream_dataflow.configuration import Configuration, ConfigurationError, Origin
from millstream_dataflow.configuration.enums import LogLevel
from millstream_dataflow.configuration.options import logs
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


_address_option = click.option(
    "-m",
    "--jobmanager",
    "address",
    metavar="ADDRESS",
    help="The JobManager, host or host:port; without it, jobmanager.rpc.address and jobmanager.rpc.port.",
)
_level_option = click.option(
    "--log-level",
    "log_level",
    type=click.Choice([level.value for level in LogLevel], case_sensitive=False),
    help="The least severe messages that are logged; the same as -D env.log.level=LEVEL.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")


def with_jobmanager(function: Callable[..., R]) -> Callable[..., R]:
    """``with_configuration``, and ``-m`` that says where the JobManager is."""

    def call(configuration: Configuration, address: str | None, **arguments: object) -> R:
        if address is not None:
            configuration = _at(configuration, address)
        return function(configuration=configuration, **arguments)

    functools.update_wrapper(call, function)
    return with_configuration(_address_option(call))


def _at(configuration: Configuration, address: str) -> Configuration:
    try:
        return with_address(configuration, address, Origin.command_line("-m"))
    except ConfigurationError as error:
        raise ConfigurationProblem(error) from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="-m") from error


def with_log_level(function: Callable[..., R]) -> Callable[..., R]:
    """``--log-level`` for a verb that has a configuration already; stands below that decorator."""

    def call(configuration: Configuration, log_level: str | None, **arguments: object) -> R:
        if log_level is not None:
            level = LogLevel(log_level.upper())
            configuration = configuration.with_(logs.LEVEL, level, Origin.command_line("--log-level"))
        return function(configuration=configuration, **arguments)

    functools.update_wrapper(call, function)
    return _level_option(call)


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
    return wants_plain(sys.stdout)


def wants_plain(stream: TextIO | None) -> bool:
    """The same of any stream, also of one that the process was started without."""
    return bool(os.environ.get("NO_COLOR")) or stream is None or not stream.isatty()
