"""Where checkpoints lie: what holds for a disk holds for an object store."""

import secrets
from pathlib import Path

import pytest

from tests.support.object_store import ObjectStore


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A directory that doesn't exist yet."""
    if request.param == "disk":
        return str(tmp_path / "checkpoints")
    store = request.getfixturevalue("object_store")
    assert isinstance(store, ObjectStore)
    return store.uri(secrets.token_hex(4))
