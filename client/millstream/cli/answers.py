"""Errors of all kinds as a sentence on stderr and the exit code that says what to do about it."""

from collections.abc import Generator
from contextlib import contextmanager

import click

from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import ConfigurationProblem
from millstream.errors import (
    ClusterUnreachableError,
    ExecutionTargetMissingError,
    MillstreamError,
    ProgramError,
    RequestRefusedError,
)
from millstream.execution.platforms import PlatformError
from millstream_dataflow.configuration import ConfigurationError


class Problem(click.ClickException):
    """An error with its exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance


def exit_code_of(error: MillstreamError) -> ExitCode:
    """What the caller would do differently."""
    match error:
        case ClusterUnreachableError():
            return ExitCode.CLUSTER_UNREACHABLE
        case RequestRefusedError() | ProgramError():  # most are found before a cluster could refuse the job
            return ExitCode.REFUSED
        case PlatformError() | ExecutionTargetMissingError():
            return ExitCode.USAGE
        case _:
            return ExitCode.FAILED


@contextmanager
def told_by_exit_code() -> Generator[None]:
    """Within the block our errors end the command, as `Error: what is wrong` and with their code."""
    try:
        yield
    except MillstreamError as error:
        raise Problem(str(error), exit_code_of(error)) from error
    except ConfigurationError as error:
        raise ConfigurationProblem(error) from error
