"""The data file, format versions 1 and 2. All numbers are little-endian.

    header    magic 8 bytes | version u32 | checksum u32 of the 12 bytes before
    block     kind u8 | 3 bytes 0 | length u64 | checksum u32 of the 12 bytes before and of the payload | payload
    ...
    footer    the index, msgpack of `Index`
    trailer   length of the footer u64 | checksum u32 of the footer and of that length | magic 4 bytes

A block of items holds consecutive items of one list: `count u64 | count lengths u64 | the items`. A block of runs
holds consecutive runs without anything between them; where each begins follows from the index. Runs are sorted by
operator, key group and table, so the groups of a new subtask lie together. Small ones share a block: 128 groups of
three entries are one block and 900 bytes of index; a run of 64 KiB or more stands alone. A block of frames holds
consecutive frames of one channel, as a block of items does; only a file of version 2 has any.

Blocks touch each other and the footer, the index repeats the checksum of each, and the trailer's checksum stands in
the checkpoint's metadata. So every byte is covered, and a whole file of another checkpoint doesn't pass for this one.

The checksum is CRC-32: zlib computes 3 GB/s. It finds each error in one place of up to 32 bits and misses any other
once in 4 billion, and only where all lengths still fit. It is against disks and networks, not against forgery: who
may write into the checkpoint directory may run code on the workers anyway, since list items are pickles.
"""

import struct
import zlib
from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct, msgpack

FILE_FORMAT = 1
"""Of all in it, runs too. 1 until the first release, whatever changes: no file of another form exists outside."""
FILE_FORMAT_IN_FLIGHT = 2
"""Of a file that holds records in flight: a version that knows nothing of them must not restore without."""
MAGIC = b"\x93MSdata\n"  # a byte above 127 and a line end, which transfers as text would change
END_MAGIC = b"MSef"
HEAD = struct.Struct("<8sI")
BLOCK_HEAD = struct.Struct("<B3xQ")
TRAILER_HEAD = struct.Struct("<Q")
TRAILER_TAIL = struct.Struct("<I4s")
CHECKSUM = struct.Struct("<I")
HEADER_SIZE = HEAD.size + CHECKSUM.size
BLOCK_HEADER_SIZE = BLOCK_HEAD.size + CHECKSUM.size
TRAILER_SIZE = TRAILER_HEAD.size + TRAILER_TAIL.size

PACKED = 64 << 10
"""Runs and items share a block up to this many bytes: the most that is read in vain for one small run."""

Count = Annotated[int, Meta(ge=0)]


class BlockKind(IntEnum):
    """What a block holds."""

    ITEMS = 1
    RUNS = 2
    FRAMES = 3


class ListIndex(Struct, array_like=True):
    """One list: how many items each of its blocks has. Its blocks follow those of the list before it."""

    name: str
    items: list[Count]


class OperatorIndex(Struct, array_like=True):
    """One operator. The columns have one entry a run, in the order of the file."""

    operator: str
    first_group: Count
    end_group: Count
    lists: list[ListIndex]
    tables: list[str]
    run_tables: list[Count]
    """Places in `tables`."""
    run_groups: list[Count]
    run_entries: list[Count]
    run_lengths: list[Count]


class ChannelIndex(Struct, array_like=True):
    """One channel's frames: how many each of its blocks has. Its blocks follow those of the channel before it."""

    edge: Count
    source: Count
    target: Count
    output: bool
    records: Count
    items: list[Count]


class Index(Struct, array_like=True):
    """The footer: all blocks of items, then all blocks of frames, then all blocks of runs."""

    lengths: list[Count]
    """Of the payload of each block."""
    checksums: list[Count]
    block_runs: list[Count]
    """How many runs each block of runs has."""
    operators: list[OperatorIndex]
    channels: list[ChannelIndex] = []


index_encoder = msgpack.Encoder()
index_decoder = msgpack.Decoder(Index)


def checksum(data: bytes | memoryview, before: int = 0) -> int:
    """CRC-32 of what `before` covers and of `data`."""
    return zlib.crc32(data, before)
