"""What a task prints, in files of bounded size: two that rotate for each of its streams, so the oldest goes first.

Every write is a system call of 1.5 us: what a worker printed last must be there when it is killed.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from millstream_dataflow.identity import TaskId

OUT: Final = ".out"
ERR: Final = ".err"
_ROTATED: Final = ".1"
_PARTS: Final = 4  # of what may be kept: two streams of two files
_TAIL_BYTES: Final = 8 << 10  # of a file that are looked at for its last lines


class RotatingFile:
    """Opened when the first byte comes. A disk that is full or gone costs lines, never the task."""

    def __init__(self, path: Path, limit: int) -> None:
        """`limit`: bytes of each of the two files."""
        self._path = path
        self._limit = limit
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append. What is larger than a file loses its beginning."""
        data = data[-self._limit :]
        with contextlib.suppress(OSError):
            if self._size + len(data) > self._limit:
                self._rotate()
            descriptor = self._descriptor if self._descriptor is not None else self._open()
            self._size += os.write(descriptor, data)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        return descriptor

    def _rotate(self) -> None:
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.replace(rotated(self._path))
        self._size = 0

    def close(self) -> None:
        """Until the next byte."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class TaskLog:
    """Both streams of one task."""

    def __init__(self, task: TaskId, directory: Path, limit: int) -> None:
        """`limit`: bytes that are kept of both streams together."""
        self.task = task
        stem = f"{task.subtask.vertex}-{task.subtask.index}"
        self.out = RotatingFile(directory / f"{stem}{OUT}", limit // _PARTS)
        self.err = RotatingFile(directory / f"{stem}{ERR}", limit // _PARTS)

    def close(self) -> None:
        """Both."""
        self.out.close()
        self.err.close()


def rotated(path: Path) -> Path:
    """Where the older lines of a file are."""
    return path.with_name(path.name + _ROTATED)


def last_lines(directory: Path, number: int) -> list[str]:
    """The last lines of all tasks' files, those of the file that was written last at the end."""
    try:
        files = [path for path in directory.iterdir() if path.suffix in (OUT, ERR)]
        files.sort(key=lambda path: path.stat().st_mtime_ns)
    except OSError:  # nothing was printed
        return []
    lines: list[str] = []
    for path in files[-number:]:
        lines += _tail(path, number)
    return lines[-number:]


def _tail(path: Path, number: int) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace").splitlines()[-number:]
    except OSError:
        return ()
