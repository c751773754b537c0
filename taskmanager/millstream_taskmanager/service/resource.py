"""Which TaskManager this is, across its starts: a number that is its own while it lives.

A TaskManager that was started again stands for its predecessor with nothing running (ARCHITECTURE 5), so no two
that live may have one resource. Each holds the lock on `taskmanager-<n>.lock` in its directory. A second one on the
same configuration takes the next number instead of being refused: several TaskManagers on a host are ordinary, as
in Flink, and nobody should have to invent a directory for each.

The lock ends with the process, however that dies, so the number is free when the next one starts. The resource names
the host as well: a directory that hosts share, or an image that they were made from, makes no two of them one.
"""

import fcntl
import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MOST_ON_ONE_HOST: Final = 1_000  # more is a mistake that fills the directory


class NoResourceError(RuntimeError):
    """The directory can't be used to claim one."""


@dataclass(slots=True)
class Resource:
    """A claimed one; `release` gives it back."""

    name: str
    """Of host, directory and number: what registers."""
    number: int
    _descriptor: int

    @property
    def tag(self) -> str:
        """A short name for files: equal for every start of this resource, for nobody else's."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:8]

    def release(self) -> None:
        """Somebody else may have it now."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def claim(directory: Path) -> Resource:
    """The first resource of this host and directory that nobody holds."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(MOST_ON_ONE_HOST):
            descriptor = _lock(directory / f"taskmanager-{number}.lock")
            if descriptor is not None:
                return Resource(f"{platform.node()}/{_host_and(directory)}/{number}", number, descriptor)
    except OSError as error:
        raise NoResourceError(
            f"the TaskManager can't lock a file in its directory {directory}: {error.strerror}; it needs a directory "
            "that it may write to"
        ) from error
    raise NoResourceError(
        f"{MOST_ON_ONE_HOST} TaskManagers run with the directory {directory}; start more with another one"
    )


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock, None if another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())  # for people
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _host_and(directory: Path) -> str:
    """What tells hosts of one name apart, and directories of one host."""
    try:
        host = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:  # not every system has one
        host = ""
    return hashlib.sha256(f"{host}\n{directory.resolve()}".encode()).hexdigest()[:12]
