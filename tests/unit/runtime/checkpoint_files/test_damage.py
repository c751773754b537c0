"""Whatever happens to a file of a checkpoint is noticed, and named (laws 1.4 and 4.6)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_runtime.checkpoint_files import (
    CorruptCheckpointError,
    KeyedRun,
    MissingFileError,
    OperatorContents,
    SnapshotReader,
    StorageUnreachableError,
    encode_snapshot,
    load_metadata,
    publish_metadata,
    verify_checkpoint,
    write_data_file,
)
from millstream_runtime.checkpoint_files.layout import (
    BLOCK_HEADER_SIZE,
    END_MAGIC,
    HEADER_SIZE,
    PACKED,
    TRAILER_HEAD,
    TRAILER_TAIL,
    Index,
    checksum,
    index_decoder,
    index_encoder,
)
from millstream_runtime.file_systems.local import LocalStorage
from millstream_runtime.messages.snapshots import InlineBytes
from tests.unit.runtime.checkpoint_files.samples import (
    CONTENTS,
    COUNT,
    described,
    flip,
    inlined,
    located,
    metadata,
    read_back,
    stored,
    write_checkpoint,
)

PARTS = ["_metadata", "0-1-count[0]"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Path(write_checkpoint(str(tmp_path)))


def test_an_undamaged_checkpoint_verifies(checkpoint: Path) -> None:
    verify_checkpoint(str(checkpoint))


@pytest.mark.parametrize("part", PARTS)
def test_every_flipped_byte_is_found_and_named(checkpoint: Path, part: str) -> None:
    path = checkpoint / part
    for offset in range(path.stat().st_size):
        bit = 1 << offset % 8
        flip(path, offset, bit)
        with pytest.raises(CorruptCheckpointError, match=rf"{checkpoint}") as caught:
            verify_checkpoint(str(checkpoint))
        assert part in str(caught.value)
        flip(path, offset, bit)
    verify_checkpoint(str(checkpoint))


@pytest.mark.parametrize("part", PARTS)
def test_every_truncation_is_found(checkpoint: Path, part: str) -> None:
    path = checkpoint / part
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptCheckpointError, match=f"{size} bytes"):
            verify_checkpoint(str(checkpoint))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("more", [b"\0", b"x" * 100])
def test_bytes_behind_the_end_are_found(checkpoint: Path, part: str, more: bytes) -> None:
    with (checkpoint / part).open("ab") as file:
        file.write(more)
    with pytest.raises(CorruptCheckpointError, match=r"bytes"):
        verify_checkpoint(str(checkpoint))


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named(checkpoint: Path, part: str) -> None:
    (checkpoint / part).unlink()
    with pytest.raises(CorruptCheckpointError, match=r"missing") as caught:
        verify_checkpoint(str(checkpoint))
    assert part in str(caught.value)


def test_a_directory_that_is_none_is_a_missing_checkpoint(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(MissingFileError, match="_metadata is missing"):
            load_metadata(str(path))
    (tmp_path / "file").touch()
    with pytest.raises(MissingFileError):
        load_metadata(str(tmp_path / "file"))


def test_inlined_state_notices_every_byte_alone() -> None:
    """It has no checksum beside it: the bytes must do."""
    data = inlined().data
    for offset in range(len(data)):
        damaged = data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]
        with pytest.raises(CorruptCheckpointError, match="inlined"), SnapshotReader(InlineBytes(damaged)) as reader:
            read_back(reader)
    for size in range(len(data)):
        with pytest.raises(CorruptCheckpointError, match="inlined"):
            SnapshotReader(InlineBytes(data[:size]))


@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_never_taken_for_a_snapshot(data: bytes, dressed: bool) -> None:
    """Dressed: with a true beginning and end."""
    whole = inlined().data
    garbage = whole[:HEADER_SIZE] + data + whole[-16:] if dressed else data
    with pytest.raises(CorruptCheckpointError):
        SnapshotReader(InlineBytes(garbage))


def test_a_lie_about_lengths_allocates_nothing() -> None:
    data = inlined().data
    for claimed in (len(data), 2**40, 2**64 - 1):
        lying = data[:-16] + claimed.to_bytes(8, "little") + data[-8:]
        with pytest.raises(CorruptCheckpointError, match="end"):
            SnapshotReader(InlineBytes(lying))


def with_index(change: Callable[[Index], object]) -> InlineBytes:
    """A file whose index says something else, under a true checksum: what a writer with a fault would leave."""
    *blocks, footer, _ = encode_snapshot(CONTENTS)
    index = index_decoder.decode(footer)
    change(index)
    footer = index_encoder.encode(index)
    length = TRAILER_HEAD.pack(len(footer))
    trailer = length + TRAILER_TAIL.pack(checksum(length, checksum(footer)), END_MAGIC)
    return InlineBytes(b"".join((*blocks, footer, trailer)))


LIES: dict[str, Callable[[Index], object]] = {
    "a shorter block": lambda index: index.lengths.__setitem__(0, index.lengths[0] - 1),
    "a longer block": lambda index: index.lengths.__setitem__(0, 2**63),
    "a block less": lambda index: index.lengths.pop(),
    "a checksum less": lambda index: index.checksums.pop(),
    "a block of items less": lambda index: index.operators[0].lists.pop(0),
    "a run more in a block": lambda index: index.block_runs.__setitem__(0, index.block_runs[0] + 1),
    "a run less in a column": lambda index: index.operators[1].run_groups.pop(),
    "a longer run": lambda index: index.operators[1].run_lengths.__setitem__(0, 2**40),
    "a table that isn't there": lambda index: index.operators[1].run_tables.__setitem__(0, 9),
    "a negative group": lambda index: index.operators[1].run_groups.__setitem__(0, -1),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_contradicts_itself_is_not_followed(lie: str) -> None:
    with pytest.raises(CorruptCheckpointError, match="the index at offset"):
        SnapshotReader(with_index(LIES[lie]))


# ------------------------------------------------------------ readers that touch a part only


@pytest.fixture
def two_blocks(tmp_path: Path) -> Iterator[tuple[Path, SnapshotReader]]:
    """Groups 0 and 1 lie in blocks of their own; the second's payload is damaged once the reader has opened it."""
    runs = tuple(KeyedRun("sums", group, 1, bytes([group]) * PACKED) for group in (0, 1))
    chunks = encode_snapshot((OperatorContents(COUNT, (), runs, 0, 2),))
    handle = write_data_file(str(tmp_path), "part", chunks)
    with SnapshotReader(located(str(tmp_path), handle)) as reader:
        yield tmp_path / "part", reader


SECOND_BLOCK = HEADER_SIZE + BLOCK_HEADER_SIZE + PACKED


def test_a_damaged_block_is_named_with_file_number_and_offset(two_blocks: tuple[Path, SnapshotReader]) -> None:
    path, reader = two_blocks
    flip(path, SECOND_BLOCK + 1_000, 1)
    with pytest.raises(CorruptCheckpointError, match=rf"{path}: block 1 at offset {SECOND_BLOCK} was altered"):
        list(reader.runs(COUNT, 0, 2))


def test_what_does_not_touch_the_damage_can_still_be_read(two_blocks: tuple[Path, SnapshotReader]) -> None:
    path, reader = two_blocks
    flip(path, SECOND_BLOCK + 1_000, 1)
    assert [run.data for run in reader.runs(COUNT, 0, 1)] == [bytes(PACKED)]


def test_a_file_that_shrinks_while_it_is_open_is_noticed(two_blocks: tuple[Path, SnapshotReader]) -> None:
    path, reader = two_blocks
    with path.open("r+b") as file:
        file.truncate(SECOND_BLOCK + 10)
    with pytest.raises(CorruptCheckpointError, match="truncated"):
        list(reader.runs(COUNT, 1, 2))


def test_a_disk_that_fails_is_unreachable_not_corrupt(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_storage: LocalStorage, _path: str) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(LocalStorage, "read", broken)
    with pytest.raises(StorageUnreachableError, match="_metadata could not be read"):
        load_metadata(str(checkpoint))


# ------------------------------------------------------------ metadata that promises something else


def test_metadata_and_data_must_agree_on_lists_and_groups(tmp_path: Path) -> None:
    wrong_parts = {
        "lists": stored(0, inlined(CONTENTS[:1]), described((OperatorContents(CONTENTS[0].operator),))),
        "key range": stored(0, inlined(CONTENTS[1:]), described((OperatorContents(COUNT, (), (), 4, 9),))),
        "nothing of operator": stored(0, inlined(CONTENTS[:1]), described(CONTENTS[1:])),
        "no file": stored(0, None, described(CONTENTS)),
    }
    for number, (words, part) in enumerate(wrong_parts.items()):
        path = str(tmp_path / f"chk-{number}")
        publish_metadata(path, metadata(number, 1, (part,)))
        with pytest.raises(CorruptCheckpointError, match=words):
            verify_checkpoint(path)


def test_a_task_without_state_needs_no_file(tmp_path: Path) -> None:
    publish_metadata(str(tmp_path), metadata(1, 1, (stored(0, None, ()),)))
    verify_checkpoint(str(tmp_path))
