"""Runs: sorted blocks in a file that nobody else can open, and which is gone with its process.

    a block: u32 records | u32 size of the pickle | u32 CRC-32 of what follows | hashes | times | places | pickle

Written and read by the task itself: a block is a quarter of a MiB or so, of a disk that is this machine's own.
"""

import os
import pickle
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final
from zlib import crc32

import numpy as np

from millstream_dataflow.configuration.options import batch, taskmanager
from millstream_dataflow.errors import serialization_error
from millstream_taskmanager.sorting.blocks import Block

_HEAD: Final = struct.Struct("<III")
_COLUMN: Final = 8  # bytes of a hash, a time or a place


class SpillError(OSError):
    """What doesn't fit into memory can't be written to disk, or isn't there any more as it was written."""


class Run:
    """One sorted run on disk."""

    def __init__(self, directory: str) -> None:
        """`directory`: made if it isn't there; empty for the system's own for temporary files. SpillError when there is
        no room.
        """
        self._directory = directory or tempfile.gettempdir()
        self._size = 0
        try:
            Path(self._directory).mkdir(mode=0o700, parents=True, exist_ok=True)  # a worker's own is there when used
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed by `close`
        except OSError as error:
            raise self._failed(error) from error

    def write(self, blocks: Iterable[Block]) -> None:
        """All of them, in order."""
        try:
            for block in blocks:
                self._write(block)
            self._file.flush()
        except SpillError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def read(self) -> Iterator[Block]:
        """The blocks, one after the other. SpillError names the file that isn't as it was written."""
        place = 0
        while place < self._size:
            head = os.pread(self._file.fileno(), _HEAD.size, place)
            if len(head) < _HEAD.size:
                raise self._damaged(place)
            count, size, checksum = _HEAD.unpack(head)
            body = os.pread(self._file.fileno(), 3 * _COLUMN * count + size, place + _HEAD.size)
            if len(body) < 3 * _COLUMN * count + size or crc32(body) != checksum:
                raise self._damaged(place)
            yield _unpacked(body, count)
            place += _HEAD.size + len(body)

    def close(self) -> None:
        """It is of no use any more, and its room is free."""
        self._file.close()

    def _write(self, block: Block) -> None:
        values = pickled_values(block.values)
        columns = (block.hashes.tobytes(), block.times.tobytes(), block.places.tobytes())
        body = b"".join((*columns, values))
        self._file.write(_HEAD.pack(len(block.values), len(values), crc32(body)))
        self._file.write(body)
        self._size += _HEAD.size + len(body)

    def _failed(self, error: OSError) -> SpillError:
        mend = f"free some room, set {taskmanager.TMP_DIRS.key} to a directory that has it, or raise {_MEMORY}"
        text = f"what doesn't fit into memory can't be written below {self._directory}: {error.strerror}; {mend}"
        return SpillError(error.errno, text)

    def _damaged(self, place: int) -> SpillError:
        text = f"a spilled run below {self._directory} can't be read back: the block at byte {place} is damaged"
        return SpillError(0, text)


_MEMORY: Final = batch.SORT_MEMORY.key


def pickled_values(values: list[Any]) -> bytes:
    """SerializationError when one can't be."""
    try:
        return pickle.dumps(values, 5)
    except Exception as error:  # a class may raise what it likes when it is pickled
        raise serialization_error("a record can't be pickled, and so not be sorted on disk", error) from error


def _unpacked(body: bytes, count: int) -> Block:
    width = _COLUMN * count
    hashes = np.frombuffer(body, np.uint64, count)
    times = np.frombuffer(body, np.int64, count, width)
    places = np.frombuffer(body, np.int64, count, 2 * width)
    values: list[Any] = pickle.loads(memoryview(body)[3 * width :])  # noqa: S301  # our own file, which nobody else can open
    return Block(hashes, times, places, values)
