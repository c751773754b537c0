"""The file that one task leaves for one edge.

    "MSR1" | segments | index | u64 where the index begins | u32 its size | u32 its CRC-32 | "MSR1"

A segment holds frames of one channel as they would go by a connection (`exchange.frames`), each channel's numbered
from 0. The index has for each target its partition: how many records, and place, size and CRC-32 of each segment, as
msgpack. So whoever reads a partition reads long pieces in a row, and knows of every byte, and of the number of records,
that it is what was written.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Final
from zlib import crc32

import msgspec

MAGIC: Final = b"MSR1"
"""Name and version of the format."""
TRAILER: Final = struct.Struct("<QII4s")
SEGMENT: Final = 256 << 10
"""Bytes that are gathered for a target before they are written, and so about those of a segment."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a file."""

    place: int
    size: int
    checksum: int


class Partition(msgspec.Struct, frozen=True, array_like=True):
    """What one target finds in a file."""

    target: int
    records: int
    segments: tuple[Segment, ...]


class DamagedResultError(Exception):
    """A file that isn't what was written."""


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[Partition, ...])


def pack_index(partitions: Iterable[Partition], place: int) -> bytes:
    """Index and trailer, for the end of a file; `place` is where they begin."""
    index = _encode(tuple(partitions))
    return index + TRAILER.pack(place, len(index), crc32(index), MAGIC)


def unpack_trailer(trailer: bytes, size: int) -> tuple[int, int, int]:
    """Place, size and CRC-32 of the index. `size`: of the file, which ends with both."""
    if len(trailer) < TRAILER.size:
        raise DamagedResultError("it is too short")
    place, length, checksum, magic = TRAILER.unpack(trailer)
    if magic != MAGIC:
        raise DamagedResultError("it has no end, or was written by another version")
    if place + length + TRAILER.size != size:
        raise DamagedResultError("its end is damaged")
    return place, length, checksum


def unpack_index(index: bytes, checksum: int) -> Mapping[int, Partition]:
    """The partitions by target."""
    if crc32(index) != checksum:
        raise DamagedResultError("its index is damaged")
    return {partition.target: partition for partition in _decoder.decode(index)}
