"""A forkserver that is exec'd before anybody asks it (law 13.1)."""

import asyncio
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from millstream_taskmanager.processes.forkserver import ForkServer
from millstream_taskmanager.processes.pool import PoolOptions, WorkerPool
from millstream_taskmanager.processes.spawning import ForkServerError, SpawnedForkServer
from tests.support.worker_jobs import FakeTaskManager, finish, leave
from tests.support.worker_site import Site, totals


def test_one_that_nobody_takes_is_gone_afterwards() -> None:
    with SpawnedForkServer() as spawned:
        assert spawned.process.poll() is None
    assert spawned.process.returncode == -9


async def test_a_pool_takes_it_with_all_that_it_has_imported(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with SpawnedForkServer(["this", "no.such.module"]) as spawned:
        site.pool = WorkerPool(PoolOptions(tmp_path / "pool"), site.manager, spawned)
        await site.pool.start()
    assert site.pool._forkserver is not None
    assert site.pool._forkserver.pid == spawned.process.pid
    job = site.job(totals)
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    await leave(site.pool, site.manager, worker)
    await site.pool.stop()
    assert "Beautiful is better than ugly." in (tmp_path / "pool/forkserver.log").read_text()


async def test_one_that_has_died_meanwhile_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho no such module >&2\nexit 5\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(script))
    with SpawnedForkServer() as spawned:
        spawned.process.wait()
        pool = WorkerPool(PoolOptions(tmp_path / "pool"), FakeTaskManager(), spawned)
        with pytest.raises(ForkServerError, match=r"the forkserver ended with exit code 5(?s:.*)no such module"):
            await pool.start()
    await pool.stop()


async def test_its_last_words_are_kept_when_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be gone before the loop has looked at its pipe again."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho farewell\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(script))
    with SpawnedForkServer() as spawned:
        forkserver = ForkServer(tmp_path, spawned, lambda _: None, pytest.fail)
        spawned.process.wait()
    await forkserver.stop()
    assert (tmp_path / "forkserver.log").read_text() == "farewell\n"


async def test_one_that_hangs_up_and_does_not_end_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on while it is given time to end, here by a signal that the loop sends."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 100\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(script))
    causes = asyncio.Queue[str]()
    with SpawnedForkServer() as spawned:
        forkserver = ForkServer(tmp_path, spawned, lambda _: None, causes.put_nowait)
    forkserver._ready.set_result(None)
    await forkserver.start()
    theirs = spawned.control.dup()
    theirs.shutdown(socket.SHUT_RDWR)  # as its end of the socket does when that is closed
    theirs.close()
    async with asyncio.timeout(15):
        while forkserver._open:  # noqa: ASYNC110  # a socket tells no event
            await asyncio.sleep(0)
        os.kill(forkserver.pid, signal.SIGTERM)
        assert await causes.get() == "the forkserver ended by signal 15 (SIGTERM)"
    await forkserver.stop()


def test_one_that_can_t_be_started_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "missing"))
    with pytest.raises(ForkServerError, match="can't be started"):
        SpawnedForkServer()


def test_only_the_main_thread_starts_one_for_it_dies_with_its_thread() -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            SpawnedForkServer()
        except ForkServerError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "must be the main thread" in str(errors[0])
