"""One forkserver for all tests of TaskManagers and pools that don't end it."""

from collections.abc import Iterator

import pytest

from millstream_taskmanager.processes.spawning import SpawnedForkServer
from tests.support.shared_forkserver import SharedForkServer


@pytest.fixture(scope="session")
def forkserver() -> Iterator[SharedForkServer]:
    with SpawnedForkServer() as spawned:
        yield SharedForkServer(spawned)
