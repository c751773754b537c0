"""What comes out of a process by a pipe."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.processes.printed_lines import PrintedLines
from millstream_taskmanager.worker.task_log import RotatingFile

LINE = b"x" * 63 + b"\n"


class AtOnce(Disk):
    """Needs no thread."""

    def start(self, call: Callable[[], object], then: Callable[[], None] | None = None) -> None:
        call()


class Refilling(RotatingFile):
    """Another process writes to the pipe whenever it was read."""

    def __init__(self, path: Path, pipe: int, times: int) -> None:
        super().__init__(path, 64 << 20)
        self.pipe = pipe
        self.times = times
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)
        if self.times > 0:
            self.times -= 1
            os.write(self.pipe, LINE * (len(data) // len(LINE)))


@pytest.mark.parametrize("times", [0, 3])
async def test_what_an_ended_process_has_left_is_read_to_the_end(tmp_path: Path, times: int) -> None:
    pipe = os.pipe()
    file = Refilling(tmp_path / "out", pipe[1], times)
    printed = PrintedLines(file, AtOnce("logs", ""), pipe)
    os.write(pipe[1], LINE * 1000 + b"the last")
    printed.drain()
    assert printed.last[-1].endswith("the last" if times == 0 else "x")
    assert file.written >= 1000 * len(LINE) * (times + 1)
    printed.close()


async def test_a_process_that_prints_into_it_without_end_is_not_waited_for(tmp_path: Path) -> None:
    pipe = os.pipe()
    file = Refilling(tmp_path / "out", pipe[1], 1000)
    printed = PrintedLines(file, AtOnce("logs", ""), pipe)
    os.write(pipe[1], LINE * 1024)
    printed.drain()
    assert file.times > 900
    printed.close()
