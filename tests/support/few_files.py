"""A process that may open few files: `ulimit -n`."""

import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from millstream_runtime.door.sockets import SHARE


def open_files() -> int:
    """Of this process, whatever else it tests."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def few_files() -> Generator[int]:
    """How many connections have a place meanwhile; there is room for eight times as many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    places = 8 + open_files() // SHARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (places * SHARE, hard))
    try:
        yield places
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
