"""Where a process of the cluster logs: to stderr, to stdout, or to files of `env.log.dir` that are closed when full.

A closed file gets the next number (`.1` is the newest), and only `env.log.max` of them are kept. Two processes of one
kind on one host have different files: each holds a lock on its own for its life. A thread writes: a disk that hangs, a
terminal that somebody has stopped, a full pipe that nobody reads hold up nobody who logs, they cost lines, as a full
disk does. How many is said where they are missing.

On stdout, which is a container's log, a record is one line: its reader takes lines for records, and no stranger's text
can begin another.
"""

import contextlib
import fcntl
import logging
import os
import platform
import select
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.enums import LogLevel, LogTarget
from millstream_dataflow.configuration.options import logs
from millstream_dataflow.words import counted
from millstream_runtime.named_directory import make_named_directory
from millstream_runtime.threads import Threads

_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"
_TIMES: Final = "%Y-%m-%dT%H:%M:%S"

_LEVELS: Final = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}

_DESCRIPTORS: Final = {LogTarget.STDOUT: 1, LogTarget.STDERR: 2}
_MOST_PROCESSES: Final = 1000
"""Of one kind on one host; whoever finds so many locks held has another trouble."""
_BEHIND: Final = 1000  # lines that wait for the disk; those that come on top of them are lost
_END_S: Final = 3.0  # what may wait at the end is less than a MiB, as a rule
_LAST_S: Final = 0.1  # an idle thread ends at once


class LogDirectoryError(ConfigurationError):
    """`env.log.dir` can't be written."""


def set_up_logging(configuration: Configuration, process: str, directory: str | None = None) -> Path | None:
    """Give the root logger its handler, and the process its level; the log file's path, None where it is a stream.

    `process` is the file's beginning: `jobmanager`, `taskmanager`. `directory` is used where `env.log.dir` is not set.
    LogDirectoryError when the directory can't be written.
    """
    place = configuration.get(logs.DIRECTORY) or directory
    target = configuration.get(logs.TARGET) or (LogTarget.STDERR if place is None else None)
    handler, path = _file(configuration, process, str(place)) if target is None else (_stream(target), None)
    formatter = (_OneLine if target is LogTarget.STDOUT else logging.Formatter)(_FORMAT, _TIMES)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
        former.close()
    root.addHandler(handler)
    root.setLevel(_LEVELS[configuration.get(logs.LEVEL)])
    return path


def stdout_is_log() -> bool:
    """Whether this process logs to stdout, where nothing else should go then."""
    return any(isinstance(handler.formatter, _OneLine) for handler in logging.getLogger().handlers)


class _OneLine(logging.Formatter):
    """Of a record, its traceback too."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def _stream(target: LogTarget) -> logging.Handler:
    # Python has no such stream where the process has none: its number may be another file's by now.
    there = sys.stdout if target is LogTarget.STDOUT else sys.stderr
    return logging.NullHandler() if there is None else _ThreadHandler(_Stream(_DESCRIPTORS[target]))


def _file(configuration: Configuration, process: str, directory: str) -> tuple[logging.Handler, Path]:
    try:
        folder = Path(directory)
        make_named_directory(folder)
        file = _LockedFile(folder, process, configuration)
    except OSError as error:
        origin = configuration.origin(logs.DIRECTORY)
        reason, mend = f"no log file can be written there: {error.strerror}", "name a directory that can be written"
        raise LogDirectoryError(Problem(reason, mend, logs.DIRECTORY.key, directory, origin)) from error
    return _ThreadHandler(file), file.path


class _Output(Protocol):
    """Where lines go. Used by one thread."""

    name: str
    """What it is called where it has cost lines."""

    def write(self, line: bytes) -> None:
        """OSError when it isn't taken."""

    def close(self) -> None:
        """Once."""


class _ThreadHandler(logging.Handler):
    """Lines go out in the order in which they come, soon."""

    def __init__(self, file: _Output) -> None:
        super().__init__()
        self._file = file
        self._thread = Threads(1, "millstream-log")
        self._lost = 0
        self._refused = 0  # lines since the disk took one; the thread's
        self._reason = ""
        self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if self._closed:
            return
        if self._thread.waiting >= _BEHIND:
            self._lost += 1
            return
        try:
            self._write_loss()
            self._write(record)
        except Exception:  # noqa: BLE001  # as every handler of logging does: a line that can't be made stops nobody
            self.handleError(record)

    def _write_loss(self) -> None:
        if self._lost:
            self._write(self._loss("was behind", self._lost))
            self._lost = 0

    def _write(self, record: logging.LogRecord) -> None:
        self._thread.submit(self._append, self._line(record))

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def _append(self, line: bytes) -> None:
        """In the thread. How many lines it has refused the disk takes with the next one, or not yet."""
        if self._refused:
            line = self._line(self._loss(f"took nothing ({self._reason})", self._refused)) + line
        try:
            self._file.write(line)
            self._refused = 0
        except OSError as error:
            self._refused += 1
            self._reason = error.strerror or type(error).__name__

    def close(self) -> None:
        """What was logged is written, unless the disk hangs."""
        if not self._closed:
            self._closed = True
            self._write_loss()
            with contextlib.suppress(TimeoutError):
                self._thread.submit(self._append, b"").result(_END_S)
            self._thread.close(_LAST_S, self._file.close)
        super().close()

    def _loss(self, what: str, lines: int) -> logging.LogRecord:
        """What is logged in their place."""
        text = f"{self._file.name} {what}: {counted(lines, 'line')} lost here"
        return logging.LogRecord(__name__, logging.WARNING, "", 0, text, (), None)


class _Stream:
    """The process's standard output or error, past Python's own: what hangs in that can't even end."""

    name = "whoever reads this log"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._broken = False  # a line that was written in part

    def write(self, line: bytes) -> None:
        """See _Output. Whoever has made it non-blocking, of those it is shared with, is not minded."""
        rest = (b"\n" if self._broken else b"") + line
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
                self._broken = bool(rest)
            except BlockingIOError:
                select.select([], [self._descriptor], [])

    def close(self) -> None:
        """It stays open, for others."""


class _LockedFile:
    """A file that no other process writes, `millstream-<process>-<number>-<host>.log`."""

    name = "the disk under this log"

    def __init__(self, folder: Path, process: str, configuration: Configuration) -> None:
        self._lock_file, number = _take_number(folder, f"millstream-{process}-{platform.node()}")
        self.path = folder / f"millstream-{process}-{number}-{platform.node()}.log"
        self._most = configuration.get(logs.MAX_SIZE)
        self._kept = configuration.get(logs.MAX_FILES)
        self._file = self.path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        """All of it or nothing. OSError when the disk is full or gone."""
        if self._file.tell() + len(line) > self._most:
            self._begin_another()
        begin = self._file.tell()
        try:
            written = 0
            while written < len(line):  # the last write before a disk is full stops on the way
                written += self._file.write(line[written:])
        except OSError:
            with contextlib.suppress(OSError):  # the first one is the one that says why
                self._file.truncate(begin)
            self._file.seek(begin)
            raise

    def _begin_another(self) -> None:
        """The new file comes first: where none can be opened, closed ones stay where they are, line after line."""
        new = self.path.with_name(f"{self.path.name}.new")
        closed = (self.path.with_name(f"{self.path.name}.{number + 1}") for number in range(self._kept))
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(new.open("wb", buffering=0))
            for name, older in reversed(list(pairwise([new, self.path, *closed]))):
                if name.exists():
                    name.replace(older)
            stack.pop_all()
        self._file.close()
        self._file = file

    def close(self) -> None:
        """Once."""
        self._file.close()
        os.close(self._lock_file)


def _take_number(folder: Path, name: str) -> tuple[int, int]:
    """The first number whose lock nobody holds, and the lock's descriptor. The kernel frees it with the process."""
    for number in range(_MOST_PROCESSES):
        descriptor = os.open(folder / f".{name}-{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor, number
    raise OSError(0, f"{_MOST_PROCESSES} processes log there already")
