"""The index of one data file, read and checked, with the place of everything worked out from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from msgspec import DecodeError

from millstream_runtime.checkpoint_files.errors import CorruptCheckpointError
from millstream_runtime.checkpoint_files.layout import (
    BLOCK_HEADER_SIZE,
    END_MAGIC,
    FILE_FORMAT,
    FILE_FORMAT_IN_FLIGHT,
    HEAD,
    HEADER_SIZE,
    MAGIC,
    TRAILER_HEAD,
    TRAILER_SIZE,
    TRAILER_TAIL,
    BlockKind,
    Index,
    OperatorIndex,
    checksum,
    index_decoder,
)
from millstream_runtime.checkpoint_files.layout import CHECKSUM as CHECKSUM_FIELD
from millstream_runtime.file_systems import OpenFile

_TAIL = 64 << 10
"""Read at once from the end: it has the whole index of most files, and the whole of small ones."""


# Blocks and runs are named tuples, not dataclasses: a file has 25,000 of them, and each is made at every opening.
class Block(NamedTuple):
    """One block as the index describes it. `offset` is that of its header."""

    number: int
    kind: BlockKind
    offset: int
    length: int
    checksum: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + BLOCK_HEADER_SIZE + self.length


class Run(NamedTuple):
    """Where one run lies: in which block, and where in its payload."""

    table: str
    group: int
    entries: int
    block: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class StoredItems:
    """One list: the numbers of its blocks begin at `first_block`; how many items each has."""

    first_block: int
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """All of one operator."""

    first_group: int
    end_group: int
    lists: dict[str, StoredItems]
    runs: tuple[Run, ...]


ChannelEnd = tuple[int, int, int, bool]
"""Edge, source and target of a channel, and whether it is its sending end."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All of one file."""

    blocks: tuple[Block, ...]
    operators: dict[str, Operator]
    channels: dict[ChannelEnd, StoredItems]
    checksum: int


def read_contents(path: str, file: OpenFile) -> Contents:
    """From the end of the file; CorruptCheckpointError for anything that isn't as it was written."""
    size = file.size
    if size < HEADER_SIZE + TRAILER_SIZE:
        raise CorruptCheckpointError(f"{path} has {size} bytes, fewer than any data file; it was truncated")
    at = max(0, size - _TAIL)
    tail = file.read_at(at, size - at)
    if len(tail) < size - at:
        raise CorruptCheckpointError(f"{path} ended after {at + len(tail)} of {size} bytes while it was read")
    _check_head(path, tail[:HEADER_SIZE] if at == 0 else file.read_at(0, HEADER_SIZE))
    (length,) = TRAILER_HEAD.unpack(tail[-TRAILER_SIZE : -TRAILER_TAIL.size])
    expected, magic = TRAILER_TAIL.unpack(tail[-TRAILER_TAIL.size :])
    start = size - TRAILER_SIZE - length
    if magic != END_MAGIC or start < HEADER_SIZE:
        where = f"trailer at offset {size - TRAILER_SIZE}"
        raise CorruptCheckpointError(f"{path} doesn't end as a data file ends ({where}); it was truncated or altered")
    footer = tail[start - at : -TRAILER_SIZE] if start >= at else file.read_at(start, length)
    found = checksum(tail[-TRAILER_SIZE : -TRAILER_TAIL.size], checksum(footer))
    if found != expected:
        raise CorruptCheckpointError(
            f"{path}: the index at offset {start} was altered: its checksum is {found:08x}, it should be {expected:08x}"
        )
    try:
        return _contents(index_decoder.decode(footer), start, found)
    except (DecodeError, ValueError) as error:
        raise CorruptCheckpointError(f"{path}: the index at offset {start} can't be understood: {error}") from error


def _check_head(path: str, head: bytes) -> None:
    magic, version = HEAD.unpack(head[: HEAD.size])
    if magic != MAGIC:
        raise CorruptCheckpointError(
            f"{path} doesn't begin as a data file begins (offset 0); it is none, or was altered"
        )
    if CHECKSUM_FIELD.unpack(head[HEAD.size :])[0] != checksum(head[: HEAD.size]):
        raise CorruptCheckpointError(f"{path}: the header (offset 8) was altered: it doesn't fit its checksum")
    if version not in {FILE_FORMAT, FILE_FORMAT_IN_FLIGHT}:
        raise CorruptCheckpointError(
            f"{path} has format {version}, this Millstream reads up to {FILE_FORMAT_IN_FLIGHT}; use a newer one"
        )


def _contents(index: Index, footer: int, found: int) -> Contents:
    """ValueError where the index contradicts itself, so that nothing can be read from a wrong place."""
    blocks = tuple(_blocks(index, footer))
    runs = iter(_runs(index, blocks))
    operators: dict[str, Operator] = {}
    at = 0
    for one in index.operators:
        lists: dict[str, StoredItems] = {}
        for stored in one.lists:
            lists[stored.name] = StoredItems(at, tuple(stored.items))
            at += len(stored.items)
        own = tuple(next(runs) for _ in one.run_groups)
        operators[one.operator] = Operator(one.first_group, one.end_group, lists, own)
    channels: dict[ChannelEnd, StoredItems] = {}
    for end in index.channels:
        channels[end.edge, end.source, end.target, end.output] = StoredItems(at, tuple(end.items))
        at += len(end.items)
    return Contents(blocks, operators, channels, found)


def _blocks(index: Index, footer: int) -> Iterator[Block]:
    items = sum(len(stored.items) for one in index.operators for stored in one.lists)
    frames = sum(len(end.items) for end in index.channels)
    if not items + frames + len(index.block_runs) == len(index.lengths) == len(index.checksums):
        said = f"{items} of items, {frames} of frames and {len(index.block_runs)} of runs"
        raise ValueError(f"{len(index.lengths)} blocks, but {said}")
    ends = list(accumulate((length + BLOCK_HEADER_SIZE for length in index.lengths), initial=HEADER_SIZE))
    if ends[-1] != footer:
        raise ValueError(f"the blocks end at {ends[-1]}")
    for number, (offset, length, one) in enumerate(zip(ends, index.lengths, index.checksums, strict=False)):
        kind = BlockKind.ITEMS if number < items else BlockKind.FRAMES if number < items + frames else BlockKind.RUNS
        yield Block(number, kind, offset, length, one)


def _runs(index: Index, blocks: Sequence[Block]) -> list[Run]:
    runs: list[Run] = []
    rows = [row for one in index.operators for row in _rows(one)]
    if sum(index.block_runs) != len(rows):
        raise ValueError(f"{len(rows)} runs, but {sum(index.block_runs)} in blocks")
    row = iter(rows)
    for block, count in zip(blocks[len(blocks) - len(index.block_runs) :], index.block_runs, strict=True):
        start = 0
        for _ in range(count):
            table, group, entries, length = next(row)
            runs.append(Run(table, group, entries, block.number, start, length))
            start += length
        if start != block.length:
            raise ValueError(f"the runs of block {block.number} have {start} bytes, the block has {block.length}")
    return runs


def _rows(one: OperatorIndex) -> Iterator[tuple[str, int, int, int]]:
    if any(place >= len(one.tables) for place in one.run_tables):
        raise ValueError(f"a run of operator {one.operator} belongs to no table")
    return zip((one.tables[p] for p in one.run_tables), one.run_groups, one.run_entries, one.run_lengths, strict=True)
