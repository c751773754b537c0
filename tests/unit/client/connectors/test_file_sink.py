"""`FileSink`: names, commits, leftovers, and what happens when the disk is full or somebody meddles."""

import errno
import os
import pickle
import re
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from millstream import Encoder, FileSink, FileSource, OutputFileConfig
from millstream.connectors.files.committer import LostFileError
from millstream.connectors.files.directories import LocalDirectory, LostWritesError
from millstream.connectors.files.writer import FileCommittable
from millstream_dataflow.connectors import SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_runtime.file_systems.local import sync_directory
from tests.unit.client.connectors.surroundings import Around, read_all


def barrier(
    writer: SinkWriter[FileCommittable], checkpoint: int, *, end_of_input: bool = False
) -> list[FileCommittable]:
    """What a task does at one, and the pool behind it."""
    prepared = writer.prepare_commit(CheckpointId(checkpoint), end_of_input=end_of_input)
    if (job := writer.make_durable()) is not None:
        job()
    return list(prepared)


def prepare(sink: FileSink, around: Around, checkpoint: int, *values: object) -> list[FileCommittable]:
    """A writer's life up to a barrier."""
    writer = sink.create_writer(around, ())
    if values:
        writer.write(RowBatch(list(values)))
    prepared = barrier(writer, checkpoint)
    writer.close()
    return prepared


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class TestFiles:
    """What lies in the directory at each moment."""

    def test_a_file_is_hidden_until_it_is_committed(self, tmp_path: Path) -> None:
        around = Around(region=2, subtask_index=5, attempt=7)
        sink = FileSink.csv(tmp_path, ["a", "b"])
        writer = sink.create_writer(around, ())
        writer.write(RowBatch([(1, "x")]))
        place = r"part-01234567-fedcba98-2-5-7-[0-9a-f]{12}"
        [name] = names(tmp_path)
        assert re.fullmatch(rf"\.{place}-0\.csv\.inprogress", name)
        prepared = writer.prepare_commit(CheckpointId(9), end_of_input=False)
        assert names(tmp_path) == [name], "the task's own thread waits for no disk"
        job = writer.make_durable()
        assert job is not None
        job()
        [name] = names(tmp_path)
        assert re.fullmatch(rf"\.{place}-0-9\.csv\.pending", name)
        assert writer.make_durable() is None
        sink.create_committer(around).commit(prepared)
        [name] = names(tmp_path)
        assert re.fullmatch(rf"{place}-0-9\.csv", name)
        assert (tmp_path / name).read_text() == "a,b\n1,x\n"

    def test_it_rolls_at_every_barrier_and_makes_no_empty_files(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        writer = sink.create_writer(Around(), ())
        prepared: list[FileCommittable] = []
        for checkpoint, values in enumerate([["a"], [], ["b", "c"], []], start=1):
            writer.write(RowBatch(list(values)))
            prepared += barrier(writer, checkpoint, end_of_input=checkpoint == 4)
        assert len(prepared) == len(names(tmp_path)) == 2
        sink.create_committer(Around()).commit(prepared)
        assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["a\n", "b\nc\n"]

    def test_no_directory_is_made_for_nothing(self, tmp_path: Path) -> None:
        assert prepare(FileSink.text(tmp_path / "deep/er"), Around(), 1) == []
        assert names(tmp_path) == []

    def test_a_writer_that_closes_takes_what_no_barrier_closed_with_it(self, tmp_path: Path) -> None:
        writer = FileSink.text(tmp_path).create_writer(Around(), ())
        writer.write(RowBatch(["a"]))
        writer.close()
        assert names(tmp_path) == []

    def test_two_writers_of_one_place_never_meet(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        prepared = [item for _ in range(20) for item in prepare(sink, Around(), 1, "a")]
        assert len({name for item in prepared for name in item[:2]}) == 40

    def test_files_are_called_as_configured(self, tmp_path: Path) -> None:
        config = OutputFileConfig.builder().with_part_prefix("flight").with_part_suffix(".log").build()
        builder = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder())
        sink = builder.with_output_file_config(config).build()
        sink.create_committer(Around()).commit(prepare(sink, Around(), 1, "x"))
        [name] = names(tmp_path)
        assert re.fullmatch(r"flight-.*-0-1\.log", name)

    @pytest.mark.parametrize(("prefix", "suffix"), [("", ""), (".x", ""), ("_x", ""), ("a/b", ""), ("a", "/b")])
    def test_names_that_would_be_hidden_are_refused(self, prefix: str, suffix: str) -> None:
        with pytest.raises(ValueError, match="can't be called"):
            OutputFileConfig(prefix, suffix)

    def test_what_it_writes_the_source_reads_and_nothing_hidden(self, tmp_path: Path) -> None:
        sink = FileSink.csv(f"file://{tmp_path}", ["a", "b"])
        sink.create_committer(Around()).commit(prepare(sink, Around(), 1, (1, "x"), (2, None)))
        prepare(sink, Around(), 2, (3, "pending"))
        assert read_all(FileSource.csv(tmp_path, {"a": int, "b": str | None})) == [(1, "x"), (2, None)]

    def test_it_travels_by_reference(self, tmp_path: Path) -> None:
        sink = FileSink.csv(tmp_path, ["a"])
        assert pickle.loads(pickle.dumps(sink)) == sink
        assert sink.commits_outside

    def test_columns_in_one_str_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="list of names"):
            FileSink.csv(tmp_path, "a,b")


class TestCommits:
    """Law 6.1."""

    def test_it_may_be_repeated(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        prepared = prepare(sink, Around(), 1, "a") + prepare(sink, Around(), 1, "b")
        for committables in (prepared[:1], prepared, prepared, []):
            sink.create_committer(Around(attempt=2)).commit(committables)
        assert sorted((tmp_path / name).read_text() for name in names(tmp_path)) == ["a\n", "b\n"]

    def test_when_both_are_gone_it_names_both(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        [(pending, visible, size)] = prepare(sink, Around(), 1, "a")
        (tmp_path / pending).unlink()
        with pytest.raises(LostFileError, match=rf"neither {re.escape(pending)} nor {re.escape(visible)} is in .*"):
            sink.create_committer(Around()).commit([(pending, visible, size)])

    def test_a_file_that_was_changed_is_not_published(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        [committable] = prepare(sink, Around(), 1, "a")
        with (tmp_path / committable[0]).open("a") as file:
            file.write("more")
        with pytest.raises(LostFileError, match="has 6 bytes, but the checkpoint says 2"):
            sink.create_committer(Around()).commit([committable])
        assert names(tmp_path) == [committable[0]]


class TestLeftovers:
    """Law 6.2: hidden files of this job, sink and region, of lower attempts, closed behind all that is spared."""

    def test_only_what_nobody_can_need_is_deleted(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        kept = [
            prepare(sink, Around(attempt=1), 4, "of a retained checkpoint"),
            prepare(sink, Around(attempt=3), 9, "of this attempt"),
            prepare(sink, Around(attempt=1, job="another"), 9, "of another job"),
            prepare(sink, Around(attempt=1, operator="another"), 9, "of another sink"),
            prepare(sink, Around(attempt=1, region=1), 9, "of another region"),
        ]
        committed = prepare(sink, Around(attempt=1), 9, "committed")
        sink.create_committer(Around()).commit(committed)
        prepare(sink, Around(attempt=2, subtask_index=3), 5, "of an aborted checkpoint")
        half = sink.create_writer(Around(attempt=2), ())
        half.write(RowBatch(["never closed"]))
        (tmp_path / ".part-of-somebody-else").touch()
        sink.create_committer(Around()).drop_leftovers(Around(attempt=3), [CheckpointId(2), CheckpointId(4)])
        there = {item[0] for items in kept for item in items} | {committed[0][1], ".part-of-somebody-else"}
        assert set(names(tmp_path)) == there
        half.close()

    def test_a_writer_that_was_given_up_fails_when_it_goes_on(self, tmp_path: Path) -> None:
        sink = FileSink.text(tmp_path)
        old = sink.create_writer(Around(attempt=1), ())
        old.write(RowBatch(["from the former attempt"]))
        new = sink.create_writer(Around(attempt=2), ())
        new.write(RowBatch(["from this one"]))
        committer = sink.create_committer(Around(attempt=2))
        committer.drop_leftovers(Around(attempt=2), [])
        old.write(RowBatch(["more"]))
        with pytest.raises(FileNotFoundError):
            barrier(old, 5)
        old.close()
        committer.commit(barrier(new, 5))
        assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["from this one\n"]

    def test_a_directory_that_never_was_has_none(self, tmp_path: Path) -> None:
        FileSink.text(tmp_path / "never").create_committer(Around()).drop_leftovers(Around(attempt=2), [])
        assert names(tmp_path) == []


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """No file may become longer than 64 KiB. Gives what makes room again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def make_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield make_room
    make_room()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_fails_the_checkpoint_and_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["x" * 100_000]))
    with pytest.raises(OSError, match="large"):
        barrier(writer, 1)
    writer.close()
    assert names(tmp_path) == []


def test_when_there_is_room_again_the_next_checkpoint_takes_all(tmp_path: Path, full_disk: Callable[[], None]) -> None:
    sink = FileSink.text(tmp_path)
    writer = sink.create_writer(Around(), ())
    writer.write(RowBatch(["x" * 100_000]))
    prepared = writer.prepare_commit(CheckpointId(1), end_of_input=False)
    job = writer.make_durable()
    assert job is not None
    for _ in range(3):
        with pytest.raises(OSError, match="large"):
            job()
    full_disk()
    writer.write(RowBatch(["y"]))
    sink.create_committer(Around()).commit([*prepared, *barrier(writer, 2)])
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["x" * 100_000 + "\n", "y\n"]


def test_a_writer_goes_on_while_its_last_file_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_descriptor: int) -> None:
        begun.set()
        assert may_end.wait(20)

    sink = FileSink.text(tmp_path)
    writer = sink.create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    monkeypatch.setattr(os, "fsync", slow)
    prepared = list(writer.prepare_commit(CheckpointId(1), end_of_input=False))
    job = writer.make_durable()
    assert job is not None
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(job)
        assert begun.wait(20)
        writer.write(RowBatch(["b"]))
        prepared += writer.prepare_commit(CheckpointId(2), end_of_input=False)
        assert not running.done()
        may_end.set()
        running.result(20)
    sink.create_committer(Around()).commit(prepared + barrier(writer, 3))
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["a\n", "b\n"]


def test_a_file_that_the_disk_has_lost_is_never_called_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system tells of lost writes once: the second fsync finds nothing wrong."""
    errors = [OSError(errno.EIO, "Input/output error")]

    def fsync(_descriptor: int) -> None:
        if errors:
            raise errors.pop()

    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    monkeypatch.setattr(os, "fsync", fsync)
    writer.prepare_commit(CheckpointId(1), end_of_input=False)
    job = writer.make_durable()
    assert job is not None
    for _ in range(2):
        with pytest.raises(LostWritesError, match=r"inprogress"):
            job()
    writer.write(RowBatch(["b"]))
    with pytest.raises(LostWritesError, match=r"inprogress"):
        writer.prepare_commit(CheckpointId(2), end_of_input=False)
    writer.close()
    assert names(tmp_path) == []


def test_a_name_that_did_not_become_durable_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    errors = [OSError(errno.EMFILE, "Too many open files")]

    def sync(directory: Path) -> None:
        if errors:
            raise errors.pop()
        sync_directory(directory)

    monkeypatch.setattr("millstream.connectors.files.directories.sync_directory", sync)
    with pytest.raises(OSError, match="Too many"):
        barrier(writer, 1)
    assert barrier(writer, 2) == []
    [name] = names(tmp_path)
    assert name.endswith("-1.txt.pending")
    assert writer.make_durable() is None
    writer.close()
    assert names(tmp_path) == [name]


def test_a_file_that_somebody_deleted_is_missed(tmp_path: Path) -> None:
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    [name] = names(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError):
        barrier(writer, 1)
    with pytest.raises(FileNotFoundError):
        writer.prepare_commit(CheckpointId(2), end_of_input=False)
    writer.close()


def test_a_directory_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    writer = FileSink.text(tmp_path / "out").create_writer(Around(), ())
    with pytest.raises(OSError, match=r"out"):
        writer.write(RowBatch(["a"]))
    writer.close()


def test_columns_are_written_as_rows_are(tmp_path: Path) -> None:
    columns = pa.RecordBatch.from_pydict({"b": ["x", None], "a": [1, 2], "c": [None, None]})
    sink = FileSink.csv(tmp_path, ["a", "b"], null="NA")
    writer = sink.create_writer(Around(), ())
    writer.write(ColumnBatch(columns))
    sink.create_committer(Around()).commit(barrier(writer, 1, end_of_input=True))
    [name] = names(tmp_path)
    assert (tmp_path / name).read_text() == "a,b\n1,x\n2,NA\n"


def test_a_listing_gives_names_only(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert list(LocalDirectory(tmp_path).names()) == ["a"]
