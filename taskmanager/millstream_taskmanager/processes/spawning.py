"""The exec of a forkserver, apart from all that asks it: whoever is about to import the rest of a TaskManager does this
first, and both have their second of imports at the same time.
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from millstream_taskmanager.forkserver.command import command, environment


class ForkServerError(Exception):
    """It couldn't be started, or can't be asked."""


class SpawnedForkServer:
    """A forkserver that nobody asks yet. Leaving its block ends it, unless somebody has taken it by then."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        """`modules` are imported beside our own, also by those that are started when this one has died.

        ForkServerError when it can't be started.
        """
        self.modules = tuple(modules)
        if threading.current_thread() is not threading.main_thread():
            raise ForkServerError("the forkserver dies with the thread that starts it, so that must be the main thread")
        self._taken = False
        try:
            with contextlib.ExitStack() as made:
                self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                made.enter_context(self.control).setblocking(False)
                with theirs:
                    self.printed = os.pipe()
                    """Both ends of what it prints by."""
                    made.callback(self._close_printed)
                    self.process = self._exec(theirs.fileno())
                made.pop_all()
        except OSError as error:  # descriptors or processes may be short
            raise ForkServerError(f"the forkserver can't be started: {error}") from error

    def _exec(self, control: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  # our own program
            command(control, os.getpid(), self.modules),
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=self.printed[1],
            stderr=self.printed[1],
            pass_fds=(control,),
            start_new_session=True,  # Ctrl-C in a terminal is for the TaskManager, which ends its workers itself
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._taken:
            self._taken = True  # or a second block around it would end it again
            self.control.close()
            self._close_printed()
            self.process.kill()  # it has no workers yet
            self.process.wait()

    def take(self) -> None:
        """Whoever calls this ends it."""
        self._taken = True

    def _close_printed(self) -> None:
        for end in self.printed:
            os.close(end)
