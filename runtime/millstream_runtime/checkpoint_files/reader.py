"""Reads one data file, and of it only what is asked for: the index, then the blocks that hold it.

Every block is checked before anything of it is given out. Blocks that lie together are read together, since a request
to an object store takes 20 ms whether it asks for 64 KiB or for 8 MiB.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby, pairwise
from struct import error as struct_error
from struct import unpack_from
from types import TracebackType
from typing import Self

from millstream_dataflow.identity import ChannelId
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_runtime.checkpoint_files.errors import CorruptCheckpointError, reading
from millstream_runtime.checkpoint_files.index import Block, Contents, Operator, StoredItems, read_contents
from millstream_runtime.checkpoint_files.layout import (
    BLOCK_HEAD,
    BLOCK_HEADER_SIZE,
    CHECKSUM,
    BlockKind,
    checksum,
)
from millstream_runtime.file_systems import OpenFile, locate
from millstream_runtime.messages.snapshots import FileRef, InlineBytes

_SPAN = 8 << 20
"""The most that is read at once, if one block alone isn't larger."""


class _Memory:
    """Inlined bytes, read like a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def close(self) -> None:
        """Nothing to let go of."""


class SnapshotReader:
    """One task's snapshot, open for reading; a context manager. `FileRef.path` is a full path or URI here.

    CorruptCheckpointError names the file and what is wrong; StorageUnreachableError when it can't be known.
    """

    def __init__(self, handle: FileRef | InlineBytes) -> None:
        self._path = handle.path if isinstance(handle, FileRef) else "the state inlined in the metadata"
        with reading(self._path):
            self._file = _open(handle)
            try:
                self._contents = self._expected(handle)
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Self:
        """Itself: it is open from the start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def operators(self) -> list[str]:
        """The operators that stored something here."""
        return list(self._contents.operators)

    def groups(self, operator: str) -> range:
        """The key groups that this snapshot of the operator covers; none when it isn't keyed."""
        found = self._operator(operator)
        return range(found.first_group, found.end_group)

    def lists(self, operator: str) -> list[str]:
        """Names of its lists."""
        return list(self._operator(operator).lists)

    def list_length(self, operator: str, name: str) -> int:
        """How many items a list has."""
        return sum(self._operator(operator).lists[name].items)

    def list_items(self, operator: str, name: str, first: int, end: int) -> list[bytes]:
        """Items `first` to `end` (exclusive) of a list."""
        stored = self._operator(operator).lists.get(name)
        if stored is None:
            raise CorruptCheckpointError(f"{self._path} has no list {name} of operator {operator}")
        if not 0 <= first <= end <= sum(stored.items):
            wanted = f"items {first} to {end} of list {name} of operator {operator}"
            raise CorruptCheckpointError(f"{self._path} has no {wanted}: there are {sum(stored.items)}")
        return self._items(stored, first, end)

    def frames(self, channel: ChannelId, *, output: bool) -> list[bytes]:
        """What was in flight in a channel, as its sending end (`output`) or its receiving one has stored it."""
        stored = self._contents.channels.get((channel.edge, channel.source, channel.target, output))
        if stored is None:
            end = "sending" if output else "receiving"
            raise CorruptCheckpointError(f"{self._path} has nothing of the {end} end of {channel}, though it should")
        return self._items(stored, 0, sum(stored.items))

    def _items(self, stored: StoredItems, first: int, end: int) -> list[bytes]:
        starts = list(accumulate(stored.items, initial=0))
        blocks = {
            stored.first_block + place: starts[place]
            for place, count in enumerate(stored.items)
            if starts[place] < end and starts[place] + count > first
        }
        items: list[bytes] = []
        for block, payload in self._payloads(blocks):
            found = self._unpack(block, bytes(payload))
            start = blocks[block.number]
            items += found[max(0, first - start) : end - start]
        return items

    def runs(self, operator: str, first_group: int, end_group: int) -> Iterator[KeyedRun]:
        """The runs of these key groups, by group and table. Nothing of other groups is read, but what shares a block
        with them.
        """
        groups = self.groups(operator)
        if first_group < end_group and not groups.start <= first_group < end_group <= groups.stop:
            covered = f"{groups.start} to {groups.stop - 1}" if groups else "none"
            raise CorruptCheckpointError(
                f"{self._path} covers the key groups {covered} of operator {operator}, "
                f"{first_group} to {end_group - 1} are to be read from it"
            )
        chosen = [run for run in self._operator(operator).runs if first_group <= run.group < end_group]
        by_block = {number: list(runs) for number, runs in groupby(chosen, key=lambda run: run.block)}
        for block, payload in self._payloads(by_block):
            for run in by_block[block.number]:
                data = bytes(payload[run.start : run.start + run.length])
                yield KeyedRun(run.table, run.group, run.entries, data)

    def verify(self) -> None:
        """Read and check every byte; CorruptCheckpointError names the first bad block."""
        for block, payload in self._payloads(range(len(self._contents.blocks))):
            if block.kind is not BlockKind.RUNS:
                self._unpack(block, bytes(payload))

    # ------------------------------------------------------------ inside

    def _expected(self, handle: FileRef | InlineBytes) -> Contents:
        if isinstance(handle, FileRef) and self._file.size != handle.size:
            found = f"has {self._file.size} bytes, the checkpoint's metadata says {handle.size}"
            raise CorruptCheckpointError(f"{self._path} {found}; it was truncated or replaced")
        contents = read_contents(self._path, self._file)
        if isinstance(handle, FileRef) and contents.checksum != handle.checksum:
            found = f"has the checksum {contents.checksum:08x}, the metadata says {handle.checksum:08x}"
            raise CorruptCheckpointError(f"{self._path} {found}; it belongs to another checkpoint")
        return contents

    def _operator(self, operator: str) -> Operator:
        found = self._contents.operators.get(operator)
        if found is None:
            raise CorruptCheckpointError(f"{self._path} has nothing of operator {operator}, though it should")
        return found

    def _payloads(self, numbers: Iterable[int]) -> Iterator[tuple[Block, memoryview]]:
        """The payloads of these blocks, checked, in the order of the file."""
        for span in _spans([self._contents.blocks[number] for number in sorted(numbers)]):
            start, length = span[0].offset, span[-1].end - span[0].offset
            with reading(self._path):
                data = memoryview(self._file.read_at(start, length))
            for block in span:
                yield block, self._checked(block, data[block.offset - start : block.end - start])

    def _checked(self, block: Block, data: memoryview) -> memoryview:
        where = f"{self._path}: block {block.number} at offset {block.offset}"
        if len(data) < block.end - block.offset:
            raise CorruptCheckpointError(f"{where} ends after {len(data)} bytes; the file was truncated")
        payload = data[BLOCK_HEADER_SIZE:]
        kind, length = BLOCK_HEAD.unpack(data[: BLOCK_HEAD.size])
        (stored,) = CHECKSUM.unpack(data[BLOCK_HEAD.size : BLOCK_HEADER_SIZE])
        found = checksum(payload, checksum(data[: BLOCK_HEAD.size]))
        if (kind, length, stored, found) != (block.kind, block.length, block.checksum, block.checksum):
            sums = f"checksum {found:08x}, in its header {stored:08x}, in the index {block.checksum:08x}"
            raise CorruptCheckpointError(f"{where} was altered ({block.length} bytes of {block.kind.name}: {sums})")
        return payload

    def _unpack(self, block: Block, payload: bytes) -> list[bytes]:
        try:
            (count,) = unpack_from("<Q", payload)
            if count > len(payload) // 8:
                raise ValueError(f"{count} items don't fit into it")
            ends = list(accumulate(unpack_from(f"<{count}Q", payload, 8), initial=8 + 8 * count))
            if ends[-1] != len(payload):
                raise ValueError(f"its items end at {ends[-1]} of {len(payload)} bytes")
        except (struct_error, ValueError) as error:
            where = f"{self._path}: block {block.number} at offset {block.offset}"
            raise CorruptCheckpointError(f"{where} holds no items as they are written: {error}") from error
        return [payload[start:end] for start, end in pairwise(ends)]


def _open(handle: FileRef | InlineBytes) -> OpenFile:
    if isinstance(handle, InlineBytes):
        return _Memory(handle.data)
    place = locate(handle.path)
    return place.storage.open(place.path)


def _spans(blocks: list[Block]) -> Iterator[list[Block]]:
    """As many blocks together as are read at once. What one operator stored lies together, so there are no gaps."""
    span: list[Block] = []
    for block in blocks:
        if span and block.end - span[0].offset > _SPAN:
            yield span
            span = []
        span.append(block)
    if span:
        yield span
