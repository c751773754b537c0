"""What comes out of a process by a pipe.

It is written by a thread, a piece at a time, and the pipe is read on when the piece is written. So what a slow disk
doesn't take yet waits in the pipe, and not in memory without bound; who prints more waits too, as for any slow disk.
"""

import asyncio
import os
from collections import deque
from functools import partial
from typing import Final

from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.worker.task_log import RotatingFile

_READ: Final = 64 << 10
_PIPE: Final = 1 << 20  # the most that Linux lets a pipe hold; 64 KiB as a rule
_REMEMBERED: Final = 100  # lines: those of a crash of the interpreter, which begins with what matters
_LONGEST_LINE: Final = 1 << 10  # bytes of those


class PrintedLines:
    """What comes out of a process by one pipe: into a file, and its last lines are remembered."""

    def __init__(self, file: RotatingFile, disk: Disk, pipe: tuple[int, int] | None = None) -> None:
        """`disk` is where the file is. Both ends of `pipe`, if there is one already, are closed from here."""
        reader, self.writer = os.pipe() if pipe is None else pipe
        os.set_blocking(reader, False)
        self._reader: int | None = reader
        self._begun = False
        self._file = file
        self._disk = disk
        self._written = False
        self._lines = deque[bytes](maxlen=_REMEMBERED)
        self._line = b""

    def drain(self) -> None:
        """The process is gone: read what it has left in the pipe. What it had started may have the other end still,
        and print without end.
        """
        spared = self._disk.is_behind  # processes that print, and die one after the other, are more than one pipe
        for _ in range(_PIPE // _READ):
            if not self._read(spared=spared):
                return

    def _read(self, *, spared: bool = False) -> bool:
        """Some of what is there; whether more may be. What is spared isn't written."""
        if self._reader is None:
            return False
        try:
            data = os.read(self._reader, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._stop()
            return False
        if not spared:
            self._written = True
            self._disk.start(partial(self._file.write, data), self._go_on)
        *whole, self._line = (self._line + data).split(b"\n")
        self._lines.extend(line[:_LONGEST_LINE] for line in whole)
        self._line = self._line[:_LONGEST_LINE]
        return True

    def begin(self) -> None:
        """The process has the other end; read whenever something comes."""
        self._begun = True
        os.close(self.writer)
        self._go_on()

    def _go_on(self) -> None:
        if self._begun and self._reader is not None:
            asyncio.get_running_loop().add_reader(self._reader, self._read_a_piece)

    def _read_a_piece(self) -> None:
        reader = self._reader
        if self._read() and reader is not None:
            asyncio.get_running_loop().remove_reader(reader)

    @property
    def last(self) -> list[str]:
        """The last lines."""
        lines = [*self._lines, self._line] if self._line else self._lines
        return [line.decode(errors="replace") for line in lines]

    def _stop(self) -> None:
        if self._reader is not None:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = None

    def close(self) -> None:
        """No more is read; what was is written."""
        if not self._begun:
            self._begun = True
            os.close(self.writer)
        self._stop()
        if self._written:
            self._written = False
            self._disk.start(self._file.close)
