"""Ends of a program that its user understands without a traceback: Ctrl-C, and output that can't be written."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType

from millstream.errors import ExecutionError
from millstream.submission.standard_streams import let_go, tell


class OutputLostError(ExecutionError):
    """What a job's tasks print can't be written where the program's own output goes."""


class OutputClosedError(BrokenPipeError):
    """Whoever read the program's output has had enough of it (`| head`)."""


ENDS = (KeyboardInterrupt, OutputClosedError, OutputLostError)
"""What ends the waiting for a job from here."""


@contextmanager
def brief_ends() -> Generator[None]:
    """One of `ENDS` that comes within goes on as always; if nobody catches it, Python says so without our frames, which
    tell nothing but where we waited. The program's end code is Python's: of Ctrl-C 130 in a shell, else 1.
    """
    try:
        yield
    except ENDS as end:
        former, briefly = sys.excepthook, end

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            if error is briefly:
                _say_briefly(error)
            else:
                former(kind, error, trace)

        sys.excepthook = hook
        raise


def _say_briefly(error: BaseException) -> None:
    if not isinstance(error, OutputClosedError):
        tell("KeyboardInterrupt" if isinstance(error, KeyboardInterrupt) else str(error))
    if not isinstance(error, KeyboardInterrupt):
        let_go(sys.stdout)
