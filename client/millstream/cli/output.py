"""Output that can't be written: to a pipe that nobody reads, to a full disk, to a stream that is closed, in an encoding
that lacks a character.
"""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper

from millstream.cli.exit_codes import ExitCode
from millstream.submission.standard_streams import let_go, tell


def replace_what_cannot_be_encoded() -> None:
    """On stdout of this process; stderr does it anyway."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def miss_a_closed_stdout() -> None:
    """One that the process was started without (`>&-`): Python's prints would go nowhere without a word. Now they fail
    as those of other tools do.
    """
    if sys.stdout is None:
        unwritable = os.open(os.devnull, os.O_RDONLY)
        sys.stdout = os.fdopen(unwritable, "w", encoding="utf-8", closefd=False)


def fails() -> OSError | None:
    """Why stdout takes nothing any more. What couldn't be written is still in its buffer, so it is tried again."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        return error
    return None


def _is_of_output(error: OSError) -> bool:
    """No file is named, for it was opened by others, and a command writes nothing else."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO} and error.filename is None


@contextmanager
def closed_pipe_ends() -> Generator[None]:
    """A pipe that nobody reads any more ends the process as it ends other tools; click would end it with 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise SystemExit(ExitCode.NOBODY_READS) from error


@contextmanager
def lost_output_ends() -> Generator[None]:
    """What is written within the block, and can't be, ends the process: quietly when nobody reads it any more, else
    with a sentence.
    """
    try:
        yield
    except BaseException as error:
        failure = error if isinstance(error, OSError) and _is_of_output(error) else fails()
        if failure is None:
            raise
    else:
        failure = fails()
    finally:
        let_go(sys.stderr)
    if failure is not None:
        let_go(sys.stdout)
        if failure.errno == errno.EPIPE:
            raise SystemExit(ExitCode.NOBODY_READS)
        tell(f"Error: the output can't be written: {failure.strerror or failure}")
        raise SystemExit(ExitCode.FAILED)
