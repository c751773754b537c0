"""The child process and its directory, from outside."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from millstream.embedded.descendants import any_in, sessions_below
from millstream.embedded.orders import Orders, Place, encode, report_of
from millstream.errors import ExecutionError
from millstream.submission.refusals import MORE_DESCRIPTORS
from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.options import taskmanager

_STOPPING_S: Final = 15.0
"""For the child's graceful end; it gives itself ten seconds."""

_LINGERING_S: Final = 5.0
"""For the processes that a killed child has started: the kernel ends them with it, within milliseconds."""

_LONGEST_PLACE: Final = 30
"""Bytes: a socket's path may have 103, of which our directories take 28 and a worker's socket 40."""

_FEWEST_FILES: Final = 32
"""Open files that a child with two slots needs, as measured; with half of them gRPC ends by SIGSEGV."""

_TAIL: Final = 2000
"""Characters of the child's last words that an error shows."""


class ChildProcess:
    """Starts with its construction; `start` tells it what to do. One of the last three methods must be called."""

    def __init__(self, configuration: Configuration) -> None:
        _check_limit()
        self._places = configuration.get(taskmanager.TMP_DIRS)
        self._directory = _make_directory(configuration)
        self._ended = False
        self._sessions = set[int]()
        """Of what the child has started, as far as it is known."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        place = Place(str(self._directory), os.getpid(), in_main_thread)
        try:
            with (self._directory / "stderr").open("wb") as errors:
                self._process = subprocess.Popen(  # noqa: S603  # this very program's interpreter
                    [sys.executable, "-P", "-m", "millstream.embedded", *place.arguments()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # or Ctrl-C at the terminal would reach it
                )
        except OSError as error:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise ExecutionError(f"the embedded cluster's process can't be started: {error}") from error

    # ---------------------------------------------------------------------------------------------- its start

    def fits(self, configuration: Configuration) -> bool:
        """It works where this configuration says."""
        return self._places == configuration.get(taskmanager.TMP_DIRS)

    def start(self, settings: Mapping[str, str], timeout: float) -> str:
        """Give the orders and wait for the report; the cluster's address. ExecutionError when there is none."""
        configuration = {**settings, taskmanager.TMP_DIRS.key: str(self._directory)}
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died already, which the lack of a report tells
            self._process.stdin.write(encode(Orders(configuration)))
            self._process.stdin.flush()
        line = self._read_report(time.monotonic() + timeout)
        try:
            report = report_of(line)
        except msgspec.DecodeError as error:
            code = self._process.poll()
            how = f"within {timeout:g} s" if code is None else f"but ended with code {code}"
            raise ExecutionError(f"the embedded cluster didn't start {how}{self.last_words()}") from error
        if report.problem:
            raise ExecutionError(f"the embedded cluster didn't start: {report.problem}")
        self._sessions |= sessions_below(self._process.pid)
        return report.target

    def _read_report(self, deadline: float) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        data = b""
        with pipe:
            while not data.endswith(b"\n"):
                readable, _, _ = select.select([pipe], [], [], max(deadline - time.monotonic(), 0))
                piece = os.read(pipe.fileno(), 4096) if readable else b""
                if not piece:
                    break
                data += piece
        return data

    # ------------------------------------------------------------------------------------------------ its life

    def why_gone(self) -> str:
        """A sentence when it has ended; empty while it lives."""
        if self._ended:
            return "the embedded cluster was stopped by this program"
        code = self._process.poll()
        if code is None:
            return ""
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the embedded cluster {how}, and its jobs with it{self.last_words()}"

    def last_words(self) -> str:
        """The end of what it logged, for an error's message."""
        words = ""
        for path in (self._directory / "stderr", *sorted((self._directory / "logs").glob("*.log"))):
            with suppress(OSError):
                words += path.read_text(encoding="utf-8", errors="replace")
        return f"; its last words:\n{words[-_TAIL:]}" if words else ""

    # ------------------------------------------------------------------------------------------------- its end

    def stop(self) -> None:
        """End it and everything in it; returns when no process and no directory is left."""
        self._close_pipes()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOPPING_S)
        self.kill()

    def kill(self) -> None:
        """At once. Its forkserver and its workers write until they are gone, so the directory goes after them."""
        self._close_pipes()
        if self._process.poll() is None:
            self._sessions |= sessions_below(self._process.pid)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        until = time.monotonic() + _LINGERING_S
        while any_in(self._sessions) and time.monotonic() < until:
            time.sleep(0.002)
        shutil.rmtree(self._directory, ignore_errors=True)

    def abandon(self) -> None:
        """In the child of a fork of the program: it belongs to the parent, whose end it must still notice."""
        self._close_pipes()
        self._process.returncode = 0  # nobody here can wait for it

    def _close_pipes(self) -> None:
        self._ended = True
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _check_limit() -> None:
    import resource  # noqa: PLC0415  # Windows has none, and no child either

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < _FEWEST_FILES:
        message = f"the embedded cluster needs {_FEWEST_FILES} open files or more, and this program may have {limit}"
        raise ExecutionError(f"{message}; {MORE_DESCRIPTORS}")


def _make_directory(configuration: Configuration) -> Path:
    """Private: mode 0700, with a random name. ConfigurationError when it can't lie where it should."""
    places = configuration.get(taskmanager.TMP_DIRS)
    try:
        return Path(tempfile.mkdtemp(prefix="ms-", dir=places[0] if places else _short_place()))
    except OSError as error:
        option = taskmanager.TMP_DIRS
        reason, mend = (
            f"the embedded cluster has no place for its files ({error.strerror})",
            "name a directory to write to",
        )
        origin = configuration.origin(option)
        raise ConfigurationError(Problem(reason, mend, option.key, configuration.text(option), origin)) from error


def _short_place() -> str:
    """The system's temporary directory, or /tmp where that leaves no room for the names of sockets."""
    usual, other = tempfile.gettempdir(), "/tmp"  # noqa: S108  # mkdtemp makes a private directory in it
    return usual if len(os.fsencode(usual)) <= _LONGEST_PLACE or not os.access(other, os.W_OK) else other
