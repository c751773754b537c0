"""How the forkserver is started: its command line and its environment."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

# Numpy and pyarrow look for these when they are imported; with them they start no thread.
_LIBRARIES: Final[Mapping[str, str]] = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
_OUR_CONFIGURATION: Final = "MILLSTREAM_"


def command(descriptor: int, parent: int, modules: Sequence[str]) -> list[str]:
    """`descriptor` is the socket of requests, `parent` the process that starts it. The folder that it is started in
    isn't on its import path: what happens to lie there is no part of any job.
    """
    return [sys.executable, "-P", "-m", "millstream_taskmanager.forkserver", str(descriptor), str(parent), *modules]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """That of the TaskManager, since user code may look for its own variables there; but for the configuration of
    Millstream, which may hold secrets of the cluster.
    """
    return {key: value for key, value in own.items() if not key.startswith(_OUR_CONFIGURATION)} | dict(_LIBRARIES)
