"""Where a worker's own socket file is."""

import hashlib
from pathlib import Path

from millstream_dataflow.identity import WorkerId

_DIGITS = 32  # of SHA-256: a socket's path may have 107 bytes in all (unix(7)), a worker's id has up to 128


def socket_path(directory: str, worker: WorkerId) -> str:
    """`directory` is the private one of the worker's TaskManager (`DataAddress.directory`)."""
    return str(Path(directory) / f"{hashlib.sha256(worker.encode()).hexdigest()[:_DIGITS]}.sock")
