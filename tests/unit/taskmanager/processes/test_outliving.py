"""No process outlives its parent, however that died (laws 13.1 and 13.2). Each test has a pool of its own, since it
kills what is its.
"""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from millstream_taskmanager.processes import pool as pool_module
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import finish, gone, is_alive, leave
from tests.support.worker_site import Environment, Site, cruncher, once, sleeper, totals


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.pool.stop()


async def test_a_dead_forkserver_takes_its_workers_along_and_is_replaced(
    site: Site, forkserver: SharedForkServer
) -> None:
    await site.pool.start()
    workers = [await site.start(program) for program in (sleeper, cruncher)]
    for worker, text in zip(workers, ("asleep", "at work"), strict=True):
        await site.printed(worker, text)
    pids = [site.pool.pid(worker) or 0 for worker in workers]
    first = site.pool._forkserver
    assert first is not None
    with forkserver.lent():  # the next one
        os.kill(first.pid, signal.SIGKILL)
        for worker in workers:
            cause = await site.manager.end_of(worker)
            assert cause.startswith("killed with the forkserver: the forkserver ended by signal 9 (SIGKILL)")
            assert site.manager[worker].crashed
        await gone(pids)
        job = site.job(totals)
        worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    await leave(site.pool, site.manager, worker)


async def test_a_forkserver_that_dies_while_its_pool_stops_is_not_replaced(site: Site) -> None:
    await site.pool.start()
    worker = await site.start(sleeper)
    await site.printed(worker, "asleep")
    assert site.pool._forkserver is not None
    os.kill(site.pool._forkserver.pid, signal.SIGKILL)
    await site.pool.stop()
    assert site.manager[worker].crashed
    assert site.pool._restart is None


async def test_a_forkserver_that_does_not_fork_is_killed_and_replaced(
    site: Site, forkserver: SharedForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.pool.start()
    running = await site.start(sleeper)
    await site.printed(running, "asleep")
    pids = [site.pool.pid(running) or 0, stopped_forkserver(site)]
    with forkserver.lent():  # the next one
        with monkeypatch.context() as impatient:
            impatient.setattr(pool_module, "_FORK_S", 0.2)
            asked = await site.spawn(site.job(sleeper).orders())
        assert "the forkserver has not answered" in await site.manager.end_of(asked)
        cause = await site.manager.end_of(running)
        assert cause.startswith("killed with the forkserver: the forkserver ended by signal 9 (SIGKILL)")
        assert "has not answered" in cause
        await gone(pids)
        worker = await site.start(totals)
    await leave(site.pool, site.manager, worker)


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells of a zombie")
async def test_a_forkserver_that_does_not_see_ends_is_killed_and_replaced(
    site: Site, forkserver: SharedForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_REAP_S", 0.1)
    await site.pool.start()
    workers = [await site.start(sleeper) for _ in range(2)]
    for worker in workers:
        await site.printed(worker, "asleep")
    pids = [site.pool.pid(worker) or 0 for worker in workers]
    pids.append(stopped_forkserver(site))
    with forkserver.lent():  # the next one
        site.pool.kill(workers[0])
        for worker in workers:
            assert "has not seen" in await site.manager.end_of(worker)
        await gone(pids)
        worker = await site.start(totals)
    await leave(site.pool, site.manager, worker)


def stopped_forkserver(site: Site) -> int:
    """Its process, which does nothing any more."""
    hanging = site.pool._forkserver
    assert hanging is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    return hanging.pid


_TASKMANAGER = """
from millstream_taskmanager.processes.spawning import SpawnedForkServer
spawned = SpawnedForkServer()  # its imports and ours take their time together
import asyncio, pickle, sys
from pathlib import Path
from millstream_taskmanager.processes.pool import PoolOptions, WorkerPool

class Nobody:
    def said(self, worker, message): pass
    def exited(self, worker, cause, crashed): print("exited", cause, flush=True)

async def main():
    pool = WorkerPool(PoolOptions(Path(sys.argv[1])), Nobody(), spawned)
    await pool.start()
    for orders in pickle.loads(Path(sys.argv[2]).read_bytes()):
        await pool.spawn(orders)
        print("pid", pool.pid(orders.worker), flush=True)
    print("forkserver", pool._forkserver.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def with_child(env: Environment) -> None:
    def start(value: object) -> object:
        sys.stdout.write(f"child {subprocess.Popen(['sleep', '1000']).pid}.\n")
        return once(value)

    env.from_collection([1]).map(start).print()


@pytest.mark.parametrize("forkserver_too", [False, True])
async def test_nothing_outlives_the_taskmanager(site: Site, *, forkserver_too: bool) -> None:
    """Workers that sleep, and that never leave C; the forkserver; and what user code has started, unless the forkserver
    is killed at the same time: nobody is left then who could know of it.
    """
    orders = [site.job(program).orders()[0] for program in (sleeper, cruncher, with_child)]
    (site.directory / "orders").write_bytes(pickle.dumps(orders))
    pool = site.directory / "pool"
    command = [sys.executable, "-c", _TASKMANAGER, str(pool), str(site.directory / "orders")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().split() for _ in range(4)]
    pids = [int(line[1]) for line in lines]
    for order, text in zip(orders, ("asleep", "at work", "asleep"), strict=True):
        await site.printed(order.worker, text)
    [printed] = [file.read_text() for file in (pool / orders[2].worker).glob("*.out")]
    child = int(printed.split()[1].rstrip("."))
    assert all(map(is_alive, [*pids, child]))
    process.kill()
    if forkserver_too:
        os.kill(pids[3], signal.SIGKILL)
    await process.wait()
    await gone(pids)
    if forkserver_too:
        os.kill(child, signal.SIGKILL)
    await gone([child])
