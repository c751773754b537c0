"""Paths of Unix sockets have 107 bytes, and pytest's directories with xdist and a test's name take most of them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory with a short name, in the place of pytest's own."""
    with tempfile.TemporaryDirectory(prefix="ms-") as directory:
        yield Path(directory)
