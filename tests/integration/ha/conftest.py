"""The ensembles of these tests, and the store of JobManagers that share one."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from millstream_runtime.file_systems import locate
from millstream_runtime.leadership.zookeeper import ZooKeeper
from tests.integration.ha.offices import SharedPlace, named, session
from tests.support.zookeeper import Ensemble, running_ensemble


@pytest.fixture(scope="session")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Generator[Ensemble]:
    """One for all tests that do it no harm. Sessions may be expired; what a test writes has a name of its own."""
    with running_ensemble(tmp_path_factory.mktemp("zookeeper")) as shared:
        yield shared


@pytest.fixture
def own_ensemble(tmp_path: Path) -> Generator[Ensemble]:
    """One of the test's own, to be killed, frozen and filled."""
    with running_ensemble(tmp_path) as own:
        yield own


@pytest.fixture
def connection(ensemble: Ensemble) -> Iterator[ZooKeeper]:
    """For all leaders that nobody deposes."""
    with session(ensemble.hosts) as opened:
        yield opened


@pytest.fixture
def place(connection: ZooKeeper, tmp_path: Path) -> SharedPlace:
    return SharedPlace(connection, named(tmp_path), locate(str(tmp_path / "store")))
