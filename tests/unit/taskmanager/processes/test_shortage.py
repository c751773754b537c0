"""Descriptors are short, or no forkserver comes up: whoever waits for a worker hears why, and it passes."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, worker_id
from millstream_runtime.messages.worker import PeerConnected, PeerTaken, StartTasks
from millstream_taskmanager.forkserver.requests import Ready, Reply
from millstream_taskmanager.processes import pool as pool_module
from millstream_taskmanager.processes.pool import PoolOptions, WorkerPool
from millstream_taskmanager.processes.spawning import ForkServerError, SpawnedForkServer
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import FakeTaskManager, leave
from tests.support.worker_site import Site, totals

WORKER = worker_id(RegionAttempt(JobId("j"), RegionId(0), 1), 0)
ORDERS = StartTasks(WORKER, "", "", "", "", "")


def opened() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@contextmanager
def descriptors(free: int) -> Generator[None]:
    """So many may be opened within the block."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, opened())) + 20, limits[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(1))
        for _ in range(free):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in held:
            os.close(number)


# ------------------------------------------------------------------------------------------------- for a worker


@pytest.mark.parametrize("free", range(6))
async def test_a_worker_without_descriptors_ends_with_the_reason_and_leaves_none_open(
    tmp_path: Path, free: int
) -> None:
    """It needs six: two of its socket, two of each pipe."""
    manager = FakeTaskManager()
    pool = WorkerPool(PoolOptions(tmp_path), manager)
    before = opened()
    with descriptors(free):
        await pool.spawn(ORDERS)
    assert opened() == before
    assert manager[WORKER].cause == "no process could be started for it: [Errno 24] Too many open files"
    assert manager[WORKER].crashed
    await pool.stop()


async def test_orders_that_can_t_be_sent_end_the_worker_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = FakeTaskManager()
    pool = WorkerPool(PoolOptions(tmp_path), manager)
    before = opened()
    await pool.spawn(StartTasks(WORKER, "x" * (17 << 20), "", "", "", ""))
    assert opened() == before
    assert "is over the limit" in (manager[WORKER].cause or "")
    assert "a mistake in the start of a worker" in caplog.text
    await pool.stop()


# -------------------------------------------------------------------------------------------- for a forkserver


@pytest.mark.parametrize("free", range(7))
def test_a_forkserver_without_descriptors_says_so_and_leaves_none_open(free: int) -> None:
    """Its start needs seven: its socket, its pipe, and three of the exec."""
    before = opened()
    with descriptors(free), pytest.raises(ForkServerError, match="Too many open files"):
        SpawnedForkServer()
    assert opened() == before


@pytest_asyncio.fixture
async def site(forkserver: SharedForkServer, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    with forkserver.lent():
        await site.pool.start()
        yield site
        await site.pool.stop()


async def test_a_connection_that_the_system_doesn_t_pass_on_at_once_comes_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others of this user have too many on their way; so may strangers' connections be."""
    worker = await site.start(totals)
    send, refusals = socket.send_fds, [errno.ETOOMANYREFS, errno.ENOBUFS]

    def send_fds(sock: socket.socket, buffers: Iterable[Any], descriptors: list[int]) -> int:
        if refusals:
            raise OSError(refusals[0], os.strerror(refusals.pop(0)))
        return send(sock, buffers, descriptors)

    monkeypatch.setattr(socket, "send_fds", send_fds)
    ours, theirs = socket.socketpair()
    with theirs:
        site.pool.send(worker, PeerConnected(worker), ours)
        await site.manager.until(lambda: site.manager[worker].of(PeerTaken))
        assert theirs.recv(1) == b""  # it has no peers
    await leave(site.pool, site.manager, worker)


async def test_another_forkserver_is_tried_until_one_comes_up_and_workers_hear_what_is_wrong(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a real one dies is looked at in test_outliving."""
    tried: list[object] = []

    def fails(modules: object) -> None:
        tried.append(modules)
        raise PermissionError("nothing may be started here")  # none of the errors that are expected

    monkeypatch.setattr(pool_module, "_AGAIN_S", 0.01)
    first = site.pool._forkserver
    assert first is not None
    with monkeypatch.context() as broken:
        broken.setattr(pool_module, "SpawnedForkServer", fails)
        broken.setattr(pool_module, "_FORK_S", 0.2)
        first._gone("it died")
        while len(tried) < 2:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)
        await site.pool.spawn(ORDERS)
        assert "nothing may be started here" in (site.manager[WORKER].cause or "")
    worker = await site.start(totals)
    await leave(site.pool, site.manager, worker)


class ScriptedForkServer:
    """Comes up; some of them are gone before whoever waited for that goes on."""

    made: list["ScriptedForkServer"]
    short_lived: tuple[int, ...]

    def __init__(
        self, _place: Path, _spawned: object, hear: Callable[[Reply], None], gone: Callable[[str], None]
    ) -> None:
        self.hear, self.gone = hear, gone
        self.number = len(self.made)
        self.stopped = False
        self.made.append(self)

    async def start(self) -> None:
        self.hear(Ready())
        if self.number in self.short_lived:
            self.gone("it died at once")
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize("short_lived", [(0,), (1, 2)])
async def test_a_forkserver_that_dies_as_it_comes_up_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_lived: tuple[int, ...]
) -> None:
    made: list[ScriptedForkServer] = []
    monkeypatch.setattr(ScriptedForkServer, "made", made, raising=False)
    monkeypatch.setattr(ScriptedForkServer, "short_lived", short_lived, raising=False)
    monkeypatch.setattr(pool_module, "SpawnedForkServer", lambda _modules: None)
    monkeypatch.setattr(pool_module, "ForkServer", ScriptedForkServer)
    pool = WorkerPool(PoolOptions(tmp_path), FakeTaskManager())
    await pool.start()
    if 0 not in short_lived:
        made[0].gone("killed")
    assert pool._restart is not None
    await asyncio.wait_for(pool._restart, 20)
    assert pool._is_ready.is_set()
    assert [one.number for one in made if not one.stopped] == [len(short_lived) if 0 in short_lived else 3]
    await pool.stop()
