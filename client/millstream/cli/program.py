"""A user's script, run in this process as if Python had started it, except that it finds a context around it."""

import runpy
import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click

from millstream.cli.answers import Problem, told_by_exit_code
from millstream.cli.collector import settle
from millstream.cli.exit_codes import ExitCode
from millstream.cli.interrupts import raise_them
from millstream.cli.output import fails
from millstream.errors import MillstreamError
from millstream.execution.context import ProgramContext, program_context
from millstream.submission.brief import OutputClosedError
from millstream.submission.standard_streams import tell
from millstream_dataflow.configuration import ConfigurationError


def is_file(path: Path) -> bool:
    """A word that can't be a path is no file either: one that is too long, say."""
    try:
        return path.is_file()
    except OSError:
        return False


def run_program(script: Path, arguments: Sequence[str], context: ProgramContext) -> None:
    """To its end. Our errors and those of the script end the command with their exit codes; `sys.exit` has its own."""
    if not is_file(script):
        what = f"{script} is no file" if script.is_dir() else f"there is no script {script}"
        raise click.UsageError(what)
    with told_by_exit_code(), _as_if_started(script, arguments), program_context(context):
        settle()
        raise_them()
        try:
            runpy.run_path(str(script), run_name="__main__")
        except (MillstreamError, ConfigurationError, click.ClickException, OutputClosedError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and fails() is not None:
                raise  # its own prints, as ours
            lines = traceback.format_exception(type(error), error, _below(error.__traceback__, script))
            tell("".join(lines).removesuffix("\n"))
            if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "pyflink":
                verb = click.get_current_context().info_name
                tell(f"A program that was written for PyFlink takes --pyflink: millstream {verb} --pyflink {script}")
            raise SystemExit(ExitCode.FAILED) from error


@contextmanager
def _as_if_started(script: Path, arguments: Sequence[str]) -> Generator[None]:
    """`sys.argv` and the first place of imports are the script's."""
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = path


def _below(frames: TracebackType | None, script: Path) -> TracebackType | None:
    """The part of a traceback that is the user's: from the script's own first frame. None where it has none, for a
    script that can't be compiled: the error itself says where.
    """
    found = frames
    while found is not None and found.tb_frame.f_code.co_filename != str(script):
        found = found.tb_next
    return found


def require_job(context: ProgramContext, script: Path) -> None:
    """A program that asks for no job was started by mistake."""
    if not context.jobs:
        what = f"{script} never called execute(), so nothing was run"
        raise Problem(what, ExitCode.USAGE)
