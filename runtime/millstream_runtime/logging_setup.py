"""Where a process of the cluster logs: to stderr, or to files of `env.log.dir` that are closed when they are full.

A closed file gets the next number (`.1` is the newest), and only `env.log.max` of them are kept. Two processes of one
kind on one host have different files: each holds a lock on its own for its life.
"""

import fcntl
import logging
import os
import platform
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Final

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.configuration.enums import LogLevel
from millstream_dataflow.configuration.options import logs

_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"
_TIMES: Final = "%Y-%m-%dT%H:%M:%S"

_LEVELS: Final = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}

_MOST_PROCESSES: Final = 1000
"""Of one kind on one host; whoever finds so many locks held has another trouble."""


class LogDirectoryError(ConfigurationError):
    """`env.log.dir` can't be written."""


def set_up_logging(
    configuration: Configuration, process: str, stream: IO[str] | None = None, directory: str | None = None
) -> Path | None:
    """Give the root logger its handler, and the process its level; the log file's path, None where it is stderr.

    `process` is the file's beginning: `jobmanager`, `taskmanager`. `directory` is used where `env.log.dir` is not set.
    LogDirectoryError when the directory can't be written.
    """
    place = configuration.get(logs.DIRECTORY) or directory
    handler, path = _handler(configuration, process, stream, place)
    formatter = logging.Formatter(_FORMAT, _TIMES)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
        former.close()
    root.addHandler(handler)
    root.setLevel(_LEVELS[configuration.get(logs.LEVEL)])
    return path


def _handler(
    configuration: Configuration, process: str, stream: IO[str] | None, directory: str | None
) -> tuple[logging.Handler, Path | None]:
    if directory is None:
        return logging.StreamHandler(stream or sys.stderr), None
    try:
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        handler = _LockedFileHandler(folder, process, configuration)
    except OSError as error:
        origin = configuration.origin(logs.DIRECTORY)
        reason, mend = f"no log file can be written there: {error.strerror}", "name a directory that can be written"
        raise LogDirectoryError(Problem(reason, mend, logs.DIRECTORY.key, directory, origin)) from error
    return handler, handler.path


class _LockedFileHandler(RotatingFileHandler):
    """A file that no other process writes, `millstream-<process>-<number>-<host>.log`."""

    def __init__(self, folder: Path, process: str, configuration: Configuration) -> None:
        self._lock_file, number = _take_number(folder, f"millstream-{process}-{platform.node()}")
        self.path = folder / f"millstream-{process}-{number}-{platform.node()}.log"
        super().__init__(
            self.path,
            maxBytes=configuration.get(logs.MAX_SIZE),
            backupCount=configuration.get(logs.MAX_FILES),
            encoding="utf-8",
        )

    def close(self) -> None:
        super().close()
        os.close(self._lock_file) if self._lock_file >= 0 else None
        self._lock_file = -1


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
