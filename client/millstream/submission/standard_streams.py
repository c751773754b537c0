"""The program's own stdout and stderr when they are closed or full. Imports next to nothing: each command needs it."""

import os
import sys
from contextlib import suppress
from typing import TextIO


def tell(line: str) -> None:
    """On stderr, if there is one: a terminal that was closed is no error of what goes on."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def let_go(stream: TextIO | None) -> None:
    """What can't be written from its buffer goes nowhere. Else Python tries again at its end, and shows that error."""
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):  # a stream without a descriptor is no process's own
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
