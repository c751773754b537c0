"""The private directory of the Unix socket on which gRPC listens behind our port, and what killed predecessors left.

Its name is random, so nobody recognises it as a certain process's. Whoever lives holds a lock on his own, which the
kernel takes from him however he dies.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from millstream_runtime.named_directory import make_named_directory

BEGINNING: Final = "millstream-port-"
SOCKET: Final = "grpc.sock"
LONGEST_PATH: Final = 103
"""Bytes of a socket's; Linux takes 107, macOS 103."""


@contextmanager
def private_socket(place: str | None) -> Generator[str]:
    """A socket's path in a directory of mode 0700 below `place`, which is gone after the block. Below the system's for
    temporary files when there is no place, or its path is too long for a socket.

    Removes what dead processes left there. OSError when there can be no such directory.
    """
    if place:  # one that can't be is a mistake, however long its path
        make_named_directory(Path(place), 0o700)
    root = Path(place) if place and _fits(place) else Path(tempfile.gettempdir())
    for left in _of_this_user(root):
        _sweep(left)
    directory, lock = _locked_directory(root)
    try:
        yield str(directory / SOCKET)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _fits(place: str) -> bool:
    return len(os.fsencode(f"{place}/{BEGINNING}12345678/{SOCKET}")) <= LONGEST_PATH


def _locked_directory(root: Path) -> tuple[Path, int]:
    """Anew if one that is just starting as well took it for left, between its making and its lock."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=BEGINNING, dir=root))
        try:
            lock = _lock(directory, wait=True)
        except FileNotFoundError:
            continue
        if directory.exists():
            return directory, lock
        os.close(lock)


def _sweep(directory: Path) -> None:
    """Remove it if its owner is dead. A socket that answers proves the contrary, whatever locks are worth there."""
    with contextlib.suppress(OSError):
        lock = _lock(directory, wait=False)
        try:
            if not _answers(directory / SOCKET):
                shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(lock)


def _lock(directory: Path, *, wait: bool) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # nobody knows
            return True
    return True


def _of_this_user(root: Path) -> Iterator[Path]:
    """Real directories; in one that everybody may write to, others could have put a link there."""
    for entry in os.scandir(root):
        if entry.name.startswith(BEGINNING):
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                    yield Path(entry.path)
