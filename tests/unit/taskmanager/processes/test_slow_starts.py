"""Workers of a region begin at very different times: what a program loads, restores and opens may take long."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from millstream_dataflow.functions import MapFunction, RuntimeContext
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import leave
from tests.support.worker_site import Environment, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 1.5  # of one worker's delay; this cluster's deployment timeout is 1, for a handshake it allows 0.2
OPTIONS = {"jobmanager.execution.deployment-timeout": "1 s", "taskmanager.network.handshake-timeout": "200 ms"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(forkserver: SharedForkServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), OPTIONS)
    with forkserver.lent():
        await site.pool.start()
    yield site
    await site.pool.stop()


def delay(directory: str) -> None:
    """In every process but the first that comes here, once in each."""
    Path(directory).mkdir(exist_ok=True)
    first, mine = Path(directory, "first"), Path(directory, str(os.getpid()))
    if not mine.exists():
        mine.touch()
        try:
            first.touch(exist_ok=False)
        except FileExistsError:
            time.sleep(SECONDS)


class SlowToLoad(MapFunction[int, int]):
    """As a large program, or state, is."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def __setstate__(self, state: dict[str, str]) -> None:
        self.directory = state["directory"]
        delay(self.directory)

    def map(self, value: int) -> int:
        return value


class SlowToOpen(MapFunction[int, int]):
    """As one with a model is."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def open(self, runtime_context: RuntimeContext) -> None:
        delay(self.directory)

    def map(self, value: int) -> int:
        return value


@pytest.mark.parametrize("function", [SlowToLoad, SlowToOpen])
async def test_a_worker_that_needs_more_than_the_deployment_timeout_is_not_lost(
    site: Site, tmp_path: Path, function: type[SlowToLoad | SlowToOpen]
) -> None:
    """Be it the first of the two or the second: of two jobs, whose delays pass at the same time."""
    await asyncio.gather(*(comes_to_its_end(site, tmp_path / str(quick), function, quick) for quick in range(2)))


async def comes_to_its_end(site: Site, directory: Path, function: type[SlowToLoad | SlowToOpen], quick: int) -> None:
    """A job of two workers; `quick` is the number of the one without a delay."""

    def program(env: Environment) -> None:
        env.set_parallelism(2)
        env.from_sequence(1, 100).map(function(str(directory))).key_by(lambda n: n % 10).reduce(max).print()

    orders = site.job(program).orders()
    workers = [order.worker for order in orders]
    await site.pool.spawn(orders[quick])
    await site.manager.until((directory / "first").exists)
    await site.pool.spawn(orders[1 - quick])
    heard = [site.manager[worker] for worker in workers]

    def ended() -> bool:
        assert not [one.failures for one in heard if one.failures]
        return all(one.ended and all(one.ended.values()) for one in heard)

    await site.manager.until(ended)
    for worker in workers:
        await leave(site.pool, site.manager, worker)
