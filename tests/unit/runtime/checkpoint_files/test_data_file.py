"""What goes into a data file comes out of it, and no more is read than is asked for."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import OperatorId
from millstream_runtime.checkpoint_files import (
    CorruptCheckpointError,
    KeyedRun,
    OperatorContents,
    SnapshotReader,
    StoredList,
    encode_snapshot,
    withdraw_data_file,
    write_data_file,
)
from millstream_runtime.checkpoint_files.layout import PACKED
from millstream_runtime.file_systems.local import LocalFile
from millstream_runtime.messages.snapshots import FileRef, InlineBytes, Redistribution
from tests.unit.runtime.checkpoint_files.samples import CONTENTS, COUNT, SOURCE, inlined, located, read_back

# Sizes around the point where runs and items stop sharing a block.
data = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda size: b"\xa5" * size, st.sampled_from([PACKED - 9, PACKED - 8, PACKED - 1, PACKED, PACKED + 1])),
)
lists = st.lists(
    st.builds(StoredList, st.text(max_size=8), st.sampled_from(Redistribution), st.lists(data, max_size=9).map(tuple)),
    max_size=3,
    unique_by=lambda one: one.name,
)
runs = st.lists(
    st.builds(KeyedRun, st.sampled_from(["", "sums", "timers"]), st.integers(3, 9), st.integers(0, 2**40), data),
    max_size=12,
)
operators = st.builds(
    lambda name, its_lists, its_runs: OperatorContents(name, tuple(its_lists), tuple(its_runs), 3, 10),
    st.text("abc", min_size=1, max_size=4).map(OperatorId),
    lists,
    runs,
)
snapshots = st.lists(operators, max_size=4, unique_by=lambda one: one.operator).map(tuple)


def in_order(contents: OperatorContents) -> list[KeyedRun]:
    return sorted(contents.runs, key=lambda run: (run.group, run.table))


@given(snapshots)
def test_what_was_stored_is_read_again(contents: tuple[OperatorContents, ...]) -> None:
    with SnapshotReader(inlined(contents)) as reader:
        assert read_back(reader) == {
            one.operator: ({stored.name: list(stored.items) for stored in one.lists}, in_order(one)) for one in contents
        }
        reader.verify()


@given(operators, st.integers(3, 10), st.integers(3, 10))
def test_any_range_of_groups_can_be_read(contents: OperatorContents, first: int, end: int) -> None:
    with SnapshotReader(inlined((contents,))) as reader:
        found = list(reader.runs(contents.operator, first, end))
    assert found == [run for run in in_order(contents) if first <= run.group < end]


@given(st.lists(data, max_size=12).map(tuple), st.data())
def test_any_range_of_items_can_be_read(items: tuple[bytes, ...], draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, len(items)))
    end = draw.draw(st.integers(first, len(items)))
    contents = OperatorContents(SOURCE, (StoredList("items", Redistribution.SPLIT, items),))
    with SnapshotReader(inlined((contents,))) as reader:
        assert reader.list_items(SOURCE, "items", first, end) == list(items[first:end])


def test_runs_of_one_group_keep_their_order() -> None:
    with SnapshotReader(inlined()) as reader:
        found = [run.data for run in reader.runs(COUNT, 4, 5)]
    assert found == [b"one sum", b"three more"]


def test_a_file_on_disk_is_read_by_its_reference(tmp_path: Path) -> None:
    handle = write_data_file(str(tmp_path / "chk-1"), "part", encode_snapshot(CONTENTS))
    assert handle.path == "part"
    assert handle.size == (tmp_path / "chk-1" / "part").stat().st_size
    with SnapshotReader(located(str(tmp_path / "chk-1"), handle)) as reader, SnapshotReader(inlined()) as same:
        assert read_back(reader) == read_back(same)


def test_many_small_runs_cost_little_more_than_their_bytes() -> None:
    runs = tuple(KeyedRun("sums", group, 3, b"x" * 60) for group in range(128))
    size = len(inlined((OperatorContents(COUNT, (), runs, 0, 128),)).data)
    assert size < 128 * 60 * 1.1


@pytest.mark.parametrize(
    "wrong",
    [
        (CONTENTS[0], CONTENTS[0]),
        (replace(CONTENTS[0], lists=(CONTENTS[0].lists[0], CONTENTS[0].lists[0])),),
        (replace(CONTENTS[1], first_group=5),),
        (replace(CONTENTS[1], end_group=7),),
    ],
    ids=["operator twice", "list twice", "group below", "group above"],
)
def test_what_could_not_be_found_again_is_not_written(wrong: tuple[OperatorContents, ...]) -> None:
    with pytest.raises(ValueError, match="operator"):
        encode_snapshot(wrong)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../up", "a?b", "a%2f", "a\0b", "x" * 300])
def test_a_data_file_is_named_by_one_plain_component(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name"):
        write_data_file(str(tmp_path), name, encode_snapshot(CONTENTS))
    assert list(tmp_path.iterdir()) == []


def test_chunks_without_their_end_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="encode_snapshot"):
        write_data_file(str(tmp_path), "part", encode_snapshot(CONTENTS)[:-1])
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------ what isn't there

ASKED: list[tuple[str, Callable[[SnapshotReader], object]]] = [
    ("nothing of operator", lambda reader: reader.lists("f" * 32)),
    ("nothing of operator", lambda reader: list(reader.runs("f" * 32, 0, 0))),
    ("no list", lambda reader: reader.list_items(SOURCE, "other", 0, 0)),
    ("no items 0 to 4", lambda reader: reader.list_items(SOURCE, "splits", 0, 4)),
    ("no items 2 to 1", lambda reader: reader.list_items(SOURCE, "splits", 2, 1)),
    ("key groups 4 to 7", lambda reader: list(reader.runs(COUNT, 3, 5))),
    ("key groups 4 to 7", lambda reader: list(reader.runs(COUNT, 7, 9))),
    ("key groups none", lambda reader: list(reader.runs(SOURCE, 0, 1))),
]


@pytest.mark.parametrize(("words", "ask"), ASKED, ids=range(len(ASKED)))
def test_what_the_metadata_promised_and_the_file_has_not_is_damage(
    words: str, ask: Callable[[SnapshotReader], object]
) -> None:
    with SnapshotReader(inlined()) as reader, pytest.raises(CorruptCheckpointError, match=words):
        ask(reader)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    with pytest.raises(CorruptCheckpointError, match=f"{gone} is missing"):
        SnapshotReader(FileRef(gone, 100, 1))


def test_a_file_of_another_checkpoint_does_not_pass(tmp_path: Path) -> None:
    mine = write_data_file(str(tmp_path), "mine", encode_snapshot(CONTENTS))
    other = replace(CONTENTS[0].lists[0], items=(b"split 9", b"", b"split 3"))
    write_data_file(
        str(tmp_path),
        "other",
        encode_snapshot((replace(CONTENTS[0], lists=(other, *CONTENTS[0].lists[1:])), CONTENTS[1])),
    )
    assert (tmp_path / "other").stat().st_size == mine.size
    (tmp_path / "other").replace(tmp_path / "mine")
    with pytest.raises(CorruptCheckpointError, match="belongs to another checkpoint"):
        SnapshotReader(located(str(tmp_path), mine))


# ------------------------------------------------------------ how much is read


@contextmanager
def reads() -> Generator[list[tuple[int, int]]]:
    """(offset, length) of each read of a local file."""
    seen: list[tuple[int, int]] = []
    real = LocalFile.read_at

    def noted(self: LocalFile, offset: int, length: int) -> bytes:
        seen.append((offset, length))
        return real(self, offset, length)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFile, "read_at", noted)
        yield seen


def test_a_restore_at_another_parallelism_reads_only_its_groups(tmp_path: Path) -> None:
    runs = tuple(KeyedRun(table, group, 1, bytes(50_000)) for table in ("a", "b") for group in range(128))
    chunks = encode_snapshot((OperatorContents(COUNT, (), runs, 0, 128),))
    handle = located(str(tmp_path), write_data_file(str(tmp_path), "part", chunks))
    with reads() as seen, SnapshotReader(handle) as reader:
        opened = sum(length for _, length in seen)
        found = list(reader.runs(COUNT, 32, 64))
    assert len(found) == 64
    wanted = 64 * 50_000
    assert wanted <= sum(length for _, length in seen) - opened < wanted * 1.05
    assert opened < 70_000
    assert len(seen) <= 3, "blocks that lie together are read together"


def test_a_restore_reads_only_the_items_of_its_range(tmp_path: Path) -> None:
    items = tuple(b"%07d" % number + bytes(993) for number in range(5_000))
    contents = OperatorContents(SOURCE, (StoredList("items", Redistribution.SPLIT, items),))
    handle = located(str(tmp_path), write_data_file(str(tmp_path), "part", encode_snapshot((contents,))))
    with reads() as seen, SnapshotReader(handle) as reader:
        assert reader.list_items(SOURCE, "items", 2_000, 2_100) == list(items[2_000:2_100])
    assert sum(length for _, length in seen) < 64_000 + 100 * 1_000 + 2 * PACKED


def test_a_large_snapshot_is_read_in_spans(tmp_path: Path) -> None:
    """Else a restore would need twice the memory of its state."""
    runs = tuple(KeyedRun("sums", group, 1, bytes(1 << 20)) for group in range(32))
    chunks = encode_snapshot((OperatorContents(COUNT, (), runs, 0, 128),))
    handle = located(str(tmp_path), write_data_file(str(tmp_path), "part", chunks))
    with reads() as seen, SnapshotReader(handle) as reader:
        assert list(reader.runs(COUNT, 0, 128)) == list(runs)
    assert max(length for _, length in seen) <= 8 << 20


def test_inlined_bytes_need_no_file() -> None:
    with reads() as seen, SnapshotReader(InlineBytes(inlined().data)) as reader:
        assert reader.lists(SOURCE) == ["splits", "none"]
    assert seen == []


def test_a_file_that_came_too_late_is_withdrawn_with_the_directory_that_it_made(tmp_path: Path) -> None:
    chunks = encode_snapshot([OperatorContents(OperatorId("op"))])
    home = tmp_path / "chk-7"
    for name in ("one", "two"):
        write_data_file(str(home), name, chunks)
    withdraw_data_file(str(home), "one")
    assert [path.name for path in home.iterdir()] == ["two"]
    withdraw_data_file(str(home), "two")
    assert not home.exists()
