"""What Ctrl-C does to a command. Until a program or a process of a cluster runs there is nothing to clean up, and many
imports that an exception could leave half done: so the process ends at once. From `raise_them` on it is Python's
KeyboardInterrupt.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from millstream.cli.exit_codes import ExitCode


def leave_at_once() -> None:
    """Until `raise_them`. A process that ignores Ctrl-C (started in the background) goes on doing so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_them() -> None:
    """What was begun must be ended."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(_number: int, _frame: object) -> None:
    with suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(ExitCode.INTERRUPTED)


@contextmanager
def ends_raise_too() -> Generator[None]:
    """Within the block the usual ends of a process from outside, SIGTERM and the SIGHUP of a terminal that is closed,
    are as Ctrl-C. One that is ignored (nohup) stays so.
    """
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ends = [number for number in known if signal.getsignal(number) is signal.SIG_DFL]
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)
