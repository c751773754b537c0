"""The ensembles of these tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

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
