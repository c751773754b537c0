"""How a process learns that its parent is gone, however that died.

On Linux the kernel sends a signal of our choice (PR_SET_PDEATHSIG). It follows the *thread* that forked, so a parent
forks from a thread that lives as long as itself. The signal isn't sent for a parent that died before it was asked for,
hence the look at the parent's id afterwards. Elsewhere a thread watches a socket that the parent holds.
"""

import ctypes
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
HAS_DEATH_SIGNAL: Final = sys.platform == "linux"


class OrphanedError(Exception):
    """The parent had died before anything could be asked of the kernel."""


def die_with(parent: int, signal: int) -> None:
    """Get this signal when the parent process ends. OrphanedError when it isn't the parent any more."""
    if HAS_DEATH_SIGNAL:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl(PR_SET_PDEATHSIG): {os.strerror(number)}")
    if os.getppid() != parent:
        raise OrphanedError(f"process {os.getpid()} belongs to {os.getppid()}, its parent {parent} is gone")


def watch(sock: socket.socket, gone: Callable[[], None]) -> threading.Thread:
    """Call, in a thread, when the other end of the socket closes. Nothing is read."""

    def wait() -> None:
        poll = select.poll()
        poll.register(sock, 0)  # an end is always reported
        poll.poll()
        gone()

    thread = threading.Thread(target=wait, name="watchdog", daemon=True)
    thread.start()
    return thread
