"""A disk that hangs under what a TaskManager has fetched: its event loop goes on answering."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.processes import disk as disk_module
from tests.support.hanging_disk import HangingDisk
from tests.unit.taskmanager.service.scripted import eventually
from tests.unit.taskmanager.service.test_launcher import Site, started


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.launcher.stop()
    await site.cache.stop()


async def answers(condition: Callable[[], object]) -> None:
    """The loop goes on, and what should wait for the disk does."""
    for _ in range(100):
        await asyncio.sleep(0)
    assert condition()


async def test_a_start_reads_what_it_needs_beside_the_loop(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, read_bytes = HangingDisk(), Path.read_bytes

    def read(path: Path) -> bytes:
        disk.pass_by()
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    deployment = site.deployment()
    site.launcher.start(deployment)
    async with asyncio.timeout(15):
        await disk.busy.wait()
    await answers(lambda: site.spawned == [])
    disk.free.set()
    await eventually(lambda: site.spawned)
    assert site.exits() == []


async def test_an_end_waits_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk_module, "_END_S", 0.01)
    site = Site(tmp_path)
    disk = HangingDisk()
    site.cache._disk.start(disk.pass_by)
    async with asyncio.timeout(15):
        await site.cache.stop()
    assert "the disk with blobs has not answered for 0.01 s" in caplog.text
    assert not disk.free.is_set()
    disk.free.set()


async def test_the_socket_file_of_an_ended_worker_is_removed_beside_the_loop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = await started(site)
    place = Path(socket_path(str(site.directory), deployment.worker))
    place.touch()  # noqa: ASYNC240  # an empty file in a test
    disk, remove = HangingDisk(), Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        disk.pass_by()
        remove(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    site.launcher.exited(deployment.worker, "killed by signal 9", crashed=True)
    assert len(site.exits()) == 1
    async with asyncio.timeout(15):
        await disk.busy.wait()
    await answers(place.exists)
    disk.free.set()
    await eventually(lambda: not place.exists())
