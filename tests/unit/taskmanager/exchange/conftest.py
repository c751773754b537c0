"""Workers of one process, connected by real sockets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.wire import WireLoop, WireWorker, deployment


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory with a short name, in the place of pytest's own: paths of Unix sockets have 107 bytes, of which
    pytest's directories take most with xdist and a test's name.
    """
    with tempfile.TemporaryDirectory(prefix="ms-") as directory:
        yield Path(directory)


@pytest.fixture
def loop() -> Iterator[WireLoop]:
    loop = WireLoop()
    yield loop
    loop.close()


@pytest.fixture
def pair(loop: WireLoop, tmp_path: Path) -> tuple[WireWorker, WireWorker]:
    """Two workers of a machine, not yet begun."""
    region = deployment(tmp_path)
    return WireWorker(loop, region, 0), WireWorker(loop, region, 1)
