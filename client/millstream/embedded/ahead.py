"""A child that is there before its job: a program's first job is compiled while the child imports what it needs.

That takes both of them most of a second. Later jobs find a cluster.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

from millstream.embedded.process import ChildProcess
from millstream.errors import ExecutionError
from millstream.execution.platforms import check_platform
from millstream_dataflow.configuration import Configuration, ConfigurationError


class Ahead:
    """At most one child, and at most one in a program's life that was of use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used = False
        self._child: ChildProcess | None = None

    @contextmanager
    def started(self, configuration: Configuration) -> Generator[None]:
        """Within the block there is a child for whoever takes it. One that nobody has taken is gone afterwards."""
        with self._lock:
            mine = not self._used
            if mine:
                self._used = True
                with suppress(ExecutionError, ConfigurationError):  # whoever needs one will hear why there is none
                    check_platform("a cluster for this program")
                    self._child = ChildProcess(configuration)
        try:
            yield
        finally:
            if mine and (child := self._take()) is not None:
                self._used = False  # the program was no job, but may become one
                child.kill()

    def child(self, configuration: Configuration) -> ChildProcess:
        """The one that was started, or a new one; ExecutionError when there is none."""
        found = self._take()
        if found is not None and found.fits(configuration):
            return found
        if found is not None:
            found.kill()
        return ChildProcess(configuration)

    def _take(self) -> ChildProcess | None:
        with self._lock:
            child, self._child = self._child, None
            return child

    def abandon(self) -> None:
        """In the child of a fork: it belongs to the parent."""
        self._lock = threading.Lock()
        if self._child is not None:
            self._child.abandon()
            self._child = None


AHEAD = Ahead()
"""Of this program."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=AHEAD.abandon)
