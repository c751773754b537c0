"""What a worker writes first when it connects to a TaskManager's data port, in clear: whom it wants (law 9.3).

    "MSP1" | length u16, little endian | worker id, UTF-8

The TaskManager reads exactly that much and hands the socket to the worker; who is calling is proved there.
"""

import struct
from typing import Final

from millstream_dataflow.identity import WorkerId

MAGIC: Final = b"MSP1"
"""Name and version of the preface."""

MAX_WORKER_ID: Final = 128
"""Bytes."""

_HEAD = struct.Struct("<4sH")


class PrefaceError(Exception):
    """Whoever connected isn't a worker of this version."""


def encode_preface(worker: WorkerId) -> bytes:
    """The preface that asks for a worker."""
    name = worker.encode()
    if not 0 < len(name) <= MAX_WORKER_ID:
        raise ValueError(f"a worker's id has 1 to {MAX_WORKER_ID} bytes, {worker!r} has {len(name)}")
    return _HEAD.pack(MAGIC, len(name)) + name


class PrefaceReader:
    """Takes a preface as it comes. Read `wanted` bytes at most, for what comes behind is the worker's."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    @property
    def wanted(self) -> int:
        """How many bytes may be read now."""
        if len(self._data) < _HEAD.size:
            return _HEAD.size - len(self._data)
        return _HEAD.size + self._length() - len(self._data)

    def feed(self, data: bytes) -> WorkerId | None:
        """What was read; the worker's id when it is complete. PrefaceError for anything else."""
        if len(data) > self.wanted:
            raise ValueError(f"{len(data)} bytes were read where {self.wanted} belong to the preface")
        self._data += data
        if not MAGIC.startswith(self._data[: len(MAGIC)]):
            raise PrefaceError(f"it began with {self._data[: len(MAGIC)]!r}, a worker with {MAGIC!r}")
        if len(self._data) < _HEAD.size:
            return None
        if not 0 < self._length() <= MAX_WORKER_ID:
            raise PrefaceError(f"it asks for a worker whose id has {self._length()} bytes, of {MAX_WORKER_ID} at most")
        if self.wanted:
            return None
        try:
            return WorkerId(self._data[_HEAD.size :].decode())
        except UnicodeDecodeError as error:
            raise PrefaceError("it asks for a worker whose id isn't UTF-8") from error

    def _length(self) -> int:
        length: int = _HEAD.unpack_from(self._data)[1]
        return length
