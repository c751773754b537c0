"""Two clusters' certificates, made once for all tests of a file; which one changes its own makes one for itself."""

import pytest

from tests.support.certificates import WorkingSet


@pytest.fixture(scope="module")
def working_set(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    return WorkingSet(tmp_path_factory.mktemp("certificates") / "set")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> WorkingSet:
    """Another cluster's."""
    return WorkingSet(tmp_path_factory.mktemp("certificates") / "strangers")
