"""A working set for each test: making its keys takes a few milliseconds."""

from pathlib import Path

import pytest

from tests.support.certificates import WorkingSet


@pytest.fixture
def working_set(tmp_path: Path) -> WorkingSet:
    return WorkingSet(tmp_path / "set")


@pytest.fixture
def strangers(tmp_path: Path) -> WorkingSet:
    """Another cluster's."""
    return WorkingSet(tmp_path / "strangers")
