"""A disk that hangs under the logs of workers: the TaskManager goes on, and what was printed isn't lost."""

import asyncio
import os
import select
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from millstream_taskmanager.processes import pool as pool_module
from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.processes.pool import PoolOptions, WorkerPool
from millstream_taskmanager.processes.printed_lines import PrintedLines
from millstream_taskmanager.worker.task_log import RotatingFile, last_lines
from tests.support.hanging_disk import HangingDisk
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import FakeTaskManager, JobFiles, compiled
from tests.support.worker_site import sleeper


class HangingFile(RotatingFile):
    def __init__(self, path: Path, disk: HangingDisk) -> None:
        super().__init__(path, 64 << 20)
        self.disk = disk

    def write(self, data: bytes) -> None:
        self.disk.pass_by()
        super().write(data)


@pytest.fixture
async def log_disk() -> AsyncIterator[Disk]:
    disk = Disk("logs", "their last lines are lost")
    yield disk
    await disk.end()


async def some_turns() -> None:
    """The loop goes on answering: a hundred times, and each time it looks at all of its descriptors."""
    async with asyncio.timeout(15):
        for _ in range(100):
            await asyncio.sleep(0)


async def full(pipe: int) -> None:
    """Wait until nothing more goes into it."""
    async with asyncio.timeout(15):
        while select.select([], [pipe], [], 0)[1]:  # noqa: ASYNC110  # a pipe tells no event
            await asyncio.sleep(0.001)


def print_all(pipe: int, text: bytes) -> None:
    """As a process does that waits while the pipe is full."""
    while text:
        text = text[os.write(pipe, text) :]
    os.close(pipe)


async def test_lines_wait_for_the_disk_in_the_pipe_and_come_in_order(tmp_path: Path, log_disk: Disk) -> None:
    disk, pipe = HangingDisk(), os.pipe()
    printed = PrintedLines(HangingFile(tmp_path / "out", disk), log_disk, pipe)
    writer = os.dup(pipe[1])
    printed.begin()
    text = b"".join(b"line %d\n" % number for number in range(200_000))
    printing = asyncio.create_task(asyncio.to_thread(print_all, writer, text))
    try:
        await disk.busy.wait()
        await full(writer)
        await some_turns()
        await full(writer)
        assert not printing.done(), "what the disk hasn't taken is in memory"
        disk.free.set()
        await printing
        printed.drain()
    finally:
        printed.close()  # ends a printing that still waits
    await log_disk.end()
    assert (tmp_path / "out").read_bytes() == text
    assert printed.last[-1] == "line 199999"


async def test_what_an_ended_process_has_left_is_written_when_the_disk_is_back(tmp_path: Path, log_disk: Disk) -> None:
    disk, pipe = HangingDisk(), os.pipe()
    printed = PrintedLines(HangingFile(tmp_path / "out", disk), log_disk, pipe)
    os.write(pipe[1], b"the first\n")
    printed.drain()
    await disk.busy.wait()
    os.write(pipe[1], b"the last\n")
    printed.drain()
    assert printed.last == ["the first", "the last"]
    printed.close()
    ending = asyncio.create_task(log_disk.end())
    await some_turns()
    assert not ending.done()
    disk.free.set()
    await ending
    assert (tmp_path / "out").read_bytes() == b"the first\nthe last\n"


async def test_processes_that_die_one_after_the_other_leave_no_more_than_a_bound(
    tmp_path: Path, log_disk: Disk
) -> None:
    disk, written = HangingDisk(), list[PrintedLines]()
    for number in range(400):
        pipe = os.pipe()
        written.append(PrintedLines(HangingFile(tmp_path / str(number), disk), log_disk, pipe))
        os.write(pipe[1], b"last words\n")
        written[-1].drain()
        written[-1].close()
    assert log_disk.is_behind
    disk.free.set()
    await log_disk.end()
    assert [printed.last for printed in written] == [["last words"]] * 400
    assert 0 < len(list(tmp_path.iterdir())) <= 200  # noqa: ASYNC240  # a test's own few files
    assert (tmp_path / "0").read_bytes() == b"last words\n"


async def test_a_log_that_is_removed_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, remove = HangingDisk(), shutil.rmtree

    def hanging(path: Path, *, ignore_errors: bool) -> None:
        disk.pass_by()
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", hanging)
    pool = WorkerPool(PoolOptions(tmp_path), FakeTaskManager())
    places = [tmp_path / str(number) for number in range(pool_module._KEPT_LOGS + 1)]
    for place in places:
        place.mkdir()
        pool._keep_log(place)
    await disk.busy.wait()
    await some_turns()
    assert places[0].exists()
    disk.free.set()
    await pool.stop()
    assert [place.exists() for place in places] == [False, *[True] * pool_module._KEPT_LOGS]


async def test_an_end_is_reported_though_the_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forkserver: SharedForkServer
) -> None:
    """Whoever restarts the job waits for it."""
    disk, manager = HangingDisk(), FakeTaskManager()
    read = last_lines

    def hanging(directory: Path, number: int) -> list[str]:
        disk.pass_by()
        return read(directory, number)

    monkeypatch.setattr(pool_module, "last_lines", hanging)
    pool = WorkerPool(PoolOptions(tmp_path / "pool"), manager)
    with forkserver.lent():
        await pool.start()
    job = compiled(sleeper)
    assert job.graph is not None
    [orders] = JobFiles(job, tmp_path / job.graph.job).orders()
    await pool.spawn(orders)
    pool.kill(orders.worker)
    await disk.busy.wait()
    pool.kill(orders.worker)  # no process has its number any more, or another one
    assert pool.pid(orders.worker) is None
    assert (await manager.end_of(orders.worker)).startswith("killed")
    assert not disk.free.is_set()
    disk.free.set()
    await pool.stop()
