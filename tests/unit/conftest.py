"""Two clusters' certificates, made once for all tests of a file; which one changes its own makes one for itself."""

import pytest

from tests.support.certificates import WorkingSet


def pytest_itemcollected(item: pytest.Item) -> None:
    """What a signal raises is taken by uvloop for an error of its own: it runs on. A test that stands still on it is
    ended by a thread, and its process with it.
    """
    if "uvloop" in item.name:
        item.add_marker(pytest.mark.timeout(method="thread"))


@pytest.fixture(scope="module")
def working_set(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    return WorkingSet(tmp_path_factory.mktemp("certificates") / "set")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    """Another cluster's."""
    return WorkingSet(tmp_path_factory.mktemp("certificates") / "strangers")
