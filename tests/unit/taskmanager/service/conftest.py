"""A TaskManager and its JobManager."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from millstream_taskmanager.service import TaskManagerService
from tests.support.loops import PLAIN, every_loop
from tests.support.shared_forkserver import SharedForkServer
from tests.unit.taskmanager.service.scripted import ScriptedJobManager
from tests.unit.taskmanager.service.sites import Site, configured

ON_EVERY_LOOP = frozenset({"test_pings.py", "test_data_port.py"})
"""What they test takes transports in its hands."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Of each test here."""
    return every_loop() if item.path.name in ON_EVERY_LOOP else dict(PLAIN)


@pytest.fixture
async def jobmanager() -> AsyncIterator[ScriptedJobManager]:
    made = ScriptedJobManager(heartbeat=(200, 5_000))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def site(jobmanager: ScriptedJobManager, forkserver: SharedForkServer, tmp_path: Path) -> AsyncIterator[Site]:
    tmp = tmp_path / "tmp"
    with forkserver.lent():
        service = await TaskManagerService.start(configured(tmp), jobmanager.target, tmp_path / "home")
    yield Site(service, jobmanager, tmp)
    await service.stop()
    assert list(tmp.iterdir()) == []
