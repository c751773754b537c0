"""From what a task stores to the chunks of one data file. Runs are not copied unless they are packed."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import pack

from millstream_runtime.checkpoint_files.contents import ChannelContents, KeyedRun, OperatorContents
from millstream_runtime.checkpoint_files.layout import (
    BLOCK_HEAD,
    CHECKSUM,
    END_MAGIC,
    FILE_FORMAT,
    FILE_FORMAT_IN_FLIGHT,
    HEAD,
    MAGIC,
    PACKED,
    TRAILER_HEAD,
    TRAILER_TAIL,
    BlockKind,
    ChannelIndex,
    Index,
    ListIndex,
    OperatorIndex,
    checksum,
    index_encoder,
)


def encode_snapshot(contents: Sequence[OperatorContents], in_flight: Sequence[ChannelContents] = ()) -> list[bytes]:
    """The chunks of one data file, to be written behind each other."""
    _check(contents)
    head = HEAD.pack(MAGIC, FILE_FORMAT_IN_FLIGHT if in_flight else FILE_FORMAT)
    blocks = _Blocks([head + CHECKSUM.pack(checksum(head))])
    lists = [
        [ListIndex(stored.name, _add_items(blocks, BlockKind.ITEMS, stored.items)) for stored in one.lists]
        for one in contents
    ]
    channels = [_add_channel(blocks, one) for one in in_flight]
    runs = [sorted(one.runs, key=lambda run: (run.group, run.table)) for one in contents]
    block_runs = _add_runs(blocks, [run for of_operator in runs for run in of_operator])
    operators = [
        _operator_index(one, its_lists, its_runs)
        for one, its_lists, its_runs in zip(contents, lists, runs, strict=True)
    ]
    footer = index_encoder.encode(Index(blocks.lengths, blocks.checksums, block_runs, operators, channels))
    length = TRAILER_HEAD.pack(len(footer))
    trailer = length + TRAILER_TAIL.pack(checksum(length, checksum(footer)), END_MAGIC)
    return [*blocks.chunks, footer, trailer]


def _check(contents: Sequence[OperatorContents]) -> None:
    """What could not be found again isn't written."""
    if len({one.operator for one in contents}) < len(contents):
        raise ValueError(f"an operator comes twice in one snapshot: {[one.operator for one in contents]}")
    for one in contents:
        names = [stored.name for stored in one.lists]
        if len(set(names)) < len(names):
            raise ValueError(f"operator {one.operator} stores two lists of one name: {names}")
        for run in one.runs:
            if not one.first_group <= run.group < one.end_group:
                groups = f"{one.first_group} to {one.end_group - 1}"
                raise ValueError(f"operator {one.operator} has groups {groups}, table {run.table} a run of {run.group}")


class _Blocks:
    """The file so far."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks
        self.lengths: list[int] = []
        self.checksums: list[int] = []

    def add(self, kind: BlockKind, payload: bytes) -> None:
        """One more block."""
        head = BLOCK_HEAD.pack(kind, len(payload))
        found = checksum(payload, checksum(head))
        self.chunks += (head + CHECKSUM.pack(found), payload)
        self.lengths.append(len(payload))
        self.checksums.append(found)


def _add_channel(blocks: _Blocks, one: ChannelContents) -> ChannelIndex:
    channel, counts = one.channel, _add_items(blocks, BlockKind.FRAMES, one.items)
    return ChannelIndex(channel.edge, channel.source, channel.target, one.output, one.records, counts)


def _add_items(blocks: _Blocks, kind: BlockKind, items: Sequence[bytes]) -> list[int]:
    """How many items each of their blocks has."""
    counts: list[int] = []
    for first, end in _packages([len(item) + 8 for item in items]):
        package = items[first:end]
        lengths = pack(f"<{len(package) + 1}Q", len(package), *map(len, package))
        blocks.add(kind, b"".join((lengths, *package)))
        counts.append(len(package))
    return counts


def _add_runs(blocks: _Blocks, runs: Sequence[KeyedRun]) -> list[int]:
    counts: list[int] = []
    for first, end in _packages([len(run.data) for run in runs]):
        blocks.add(BlockKind.RUNS, runs[first].data if end - first == 1 else b"".join(r.data for r in runs[first:end]))
        counts.append(end - first)
    return counts


def _packages(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cuts a row of things into (first, end), each as large as a block may be, or of one thing that is larger."""
    cuts, room = [0], PACKED
    for place, size in enumerate(sizes):
        if size > room and place > cuts[-1]:
            cuts.append(place)
            room = PACKED
        room -= size
    return pairwise([*cuts, len(sizes)]) if sizes else iter(())


def _operator_index(contents: OperatorContents, lists: list[ListIndex], runs: Sequence[KeyedRun]) -> OperatorIndex:
    tables = sorted({run.table for run in runs})
    places = {table: place for place, table in enumerate(tables)}
    return OperatorIndex(
        contents.operator,
        contents.first_group,
        contents.end_group,
        lists,
        tables,
        [places[run.table] for run in runs],
        [run.group for run in runs],
        [run.entries for run in runs],
        [len(run.data) for run in runs],
    )
