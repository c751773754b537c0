"""What one target finds in a file on this machine."""

import errno
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol
from zlib import crc32

from millstream_taskmanager.results.layout import (
    TRAILER,
    DamagedResultError,
    Partition,
    Segment,
    unpack_index,
    unpack_trailer,
)

_NOTHING = Partition(-1, 0, ())


class StoredPartition(Protocol):
    """One partition, wherever it lies. Calls may block. DamagedResultError where it isn't what was written, or is gone;
    OSError where it can't be reached now.
    """

    def index(self) -> Partition:
        """How many records and which segments there are."""
        ...

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """Segments from number `first` on: one, or as many as have `limit` bytes together. None behind the last."""
        ...

    def close(self) -> None:
        """Nothing more is read."""
        ...


class LocalPartition:
    """See StoredPartition."""

    def __init__(self, path: Path, target: int) -> None:
        self._path = path
        self._target = target
        self._file: IO[bytes] | None = None
        self._partition = _NOTHING

    def index(self) -> Partition:
        """See StoredPartition."""
        if self._file is None:
            self._file = open_result(self._path)
            self._partition = partition_of(self._file, self._target)
        return self._partition

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """See StoredPartition."""
        self.index()
        assert self._file is not None
        chosen = at_once(self._partition, first, limit)
        with _named(self._file):
            return checked([_piece(self._file, segment.size, segment.place) for segment in chosen], chosen)

    def close(self) -> None:
        """See StoredPartition."""
        if self._file is not None:
            self._file.close()


def open_result(path: Path) -> IO[bytes]:
    """DamagedResultError when it isn't there."""
    try:
        return path.open("rb", buffering=0)  # whoever asked closes it
    except FileNotFoundError as error:
        raise DamagedResultError(f"{path} isn't there any more") from error


def partition_of(file: IO[bytes], target: int) -> Partition:
    """Of an open file, what is a target's. DamagedResultError names the file."""
    with _named(file):
        size = os.fstat(file.fileno()).st_size
        trailer = _piece(file, TRAILER.size, max(0, size - TRAILER.size))
        place, length, checksum = unpack_trailer(trailer, size)
        partitions = unpack_index(_piece(file, length, place), checksum)
        if target not in partitions:
            raise DamagedResultError(f"it has nothing for target {target}")
        return partitions[target]


@contextmanager
def _named(file: IO[bytes]) -> Generator[None]:
    """What is said of a damage says of which file."""
    try:
        yield
    except DamagedResultError as error:
        raise DamagedResultError(f"{file.name} is damaged: {error}") from error


def _piece(file: IO[bytes], size: int, place: int) -> bytes:
    """What a disk can't read is lost as well: another attempt to read it would find no more."""
    try:
        return os.pread(file.fileno(), size, place)
    except OSError as error:
        if error.errno == errno.EIO:
            raise DamagedResultError(f"its disk can't read it at byte {place}") from error
        raise


def at_once(partition: Partition, first: int, limit: int) -> list[Segment]:
    """The segments of one answer."""
    chosen: list[Segment] = []
    for segment in partition.segments[first:]:
        if chosen and sum(one.size for one in chosen) + segment.size > limit:
            break
        chosen.append(segment)
    return chosen


def checked(found: Sequence[bytes], segments: Sequence[Segment]) -> Sequence[bytes]:
    """DamagedResultError when one isn't what was written."""
    for data, segment in zip(found, segments, strict=True):
        if len(data) != segment.size or crc32(data) != segment.checksum:
            raise DamagedResultError(f"its segment at byte {segment.place} is damaged")
    return found
