"""`FileSink`: names, commits, leftovers, and what happens when the disk is full or somebody meddles."""

import errno
import os
import pickle
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from pyarrow import fs

from millstream import Encoder, FileSink, FileSource, OutputFileConfig
from millstream.connectors.files.committer import LostFileError
from millstream.connectors.files.directories import LocalDirectory, LostWritesError, RemoteDirectory
from millstream.connectors.files.names import first_part
from millstream.connectors.files.writer import FileCommittable, FileWriter
from millstream.formats.encoding import LineEncoder
from millstream_dataflow.connectors import SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import ColumnBatch, RowBatch
from tests.support.full_disk import files_of_at_most
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
    with ExitStack() as full:
        full.enter_context(files_of_at_most(1 << 16))
        yield full.close


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


@pytest.fixture
def broken_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first fsync of a directory fails; every later one finds nothing wrong."""
    errors = [OSError(errno.EIO, "Input/output error")]

    def fsync(descriptor: int) -> None:
        if errors and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise errors.pop()

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.usefixtures("broken_directory")
def test_a_name_that_the_disk_has_lost_is_never_called_durable(tmp_path: Path) -> None:
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    writer.prepare_commit(CheckpointId(1), end_of_input=False)
    job = writer.make_durable()
    assert job is not None
    for _ in range(2):
        with pytest.raises(LostWritesError, match=re.escape(str(tmp_path))):
            job()
    with pytest.raises(LostWritesError):
        writer.prepare_commit(CheckpointId(2), end_of_input=False)
    writer.close()
    assert names(tmp_path) == []


def test_a_commit_whose_names_the_disk_has_lost_says_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    sink = FileSink.text(tmp_path)
    prepared = prepare(sink, Around(), 1, "a")
    request.getfixturevalue("broken_directory")
    with pytest.raises(LostWritesError, match=re.escape(str(tmp_path))):
        sink.create_committer(Around()).commit(prepared)


def test_who_commits_what_was_committed_syncs_the_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever renamed them may have died before its own sync, or was told that they are lost."""
    sink = FileSink.text(tmp_path)
    prepared = prepare(sink, Around(), 1, "a")
    synced: list[tuple[int, list[str]]] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, names(tmp_path))))
    for _ in range(2):
        sink.create_committer(Around()).commit(prepared)
    assert synced == [(tmp_path.stat().st_ino, [prepared[0][1]])] * 2, "behind the rename"

    def lost(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", lost)
    with pytest.raises(LostWritesError):
        sink.create_committer(Around()).commit(prepared)


def test_a_directory_that_is_gone_is_named_by_the_commit(tmp_path: Path) -> None:
    sink = FileSink.text(tmp_path / "out")
    prepared = prepare(sink, Around(), 1, "a")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(LostFileError, match="out is not there, though a checkpoint names files in it; if somebody"):
        sink.create_committer(Around()).commit(prepared)


def test_a_directory_that_could_not_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened before anything is renamed: whoever opens it later may not be told of what failed before."""
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    writer.write(RowBatch(["a"]))
    [in_progress] = names(tmp_path)
    errors = [OSError(errno.EMFILE, "Too many open files")]
    found: list[list[str]] = []
    really_open = os.open

    def open_(path: Path, flags: int) -> int:
        found.append(names(tmp_path))
        if errors:
            raise errors.pop()
        return really_open(path, flags)

    monkeypatch.setattr(os, "open", open_)
    with pytest.raises(OSError, match="Too many"):
        barrier(writer, 1)
    assert barrier(writer, 2) == []
    assert found == [[in_progress]] * 2
    [name] = names(tmp_path)
    assert name.endswith("-1.txt.pending")
    assert writer.make_durable() is None
    writer.close()
    assert names(tmp_path) == [name]


class SlowStore:
    """A file system elsewhere: it takes what a stream holds when that is closed, once it may. One upload fails."""

    def __init__(self) -> None:
        self.files = fs.LocalFileSystem()
        self.may_upload = threading.Event()
        self.closed: list[str] = []

    def create_dir(self, path: str, *, recursive: bool) -> None:
        self.files.create_dir(path, recursive=recursive)

    def open_output_stream(self, path: str, compression: str | None) -> "Upload":
        return Upload(self, Path(path))

    def get_file_info(self, path: str) -> fs.FileInfo:
        return self.files.get_file_info(path)

    def delete_file(self, path: str) -> None:
        self.files.delete_file(path)


@dataclass
class Upload:
    """A stream into it."""

    store: SlowStore
    path: Path

    def write(self, data: bytes) -> None:
        """Not there before it is closed."""

    def close(self) -> None:
        self.path.touch()
        assert self.store.may_upload.wait(20)
        self.store.closed.append(self.path.name)
        if len(self.store.closed) == 1:
            raise OSError(errno.EIO, "the connection was lost")


@pytest.fixture
def store() -> Iterator[SlowStore]:
    store = SlowStore()
    yield store
    store.may_upload.set()


def test_to_drop_a_remote_part_holds_up_neither_its_task_nor_the_other_parts(tmp_path: Path, store: SlowStore) -> None:
    directory = RemoteDirectory(cast(fs.FileSystem, store), str(tmp_path))
    writer = FileWriter(directory, LineEncoder("", ""), first_part(Around(), "part", "", "0123456789ab"))
    for checkpoint in (1, 2):
        writer.write(RowBatch(["a"]))
        writer.prepare_commit(CheckpointId(checkpoint), end_of_input=False)
    writer.write(RowBatch(["a"]))
    writer.close()
    assert store.closed == []
    store.may_upload.set()
    for thread in threading.enumerate():
        if thread.name == "discard":
            thread.join(20)
    assert len(store.closed) == 3
    assert names(tmp_path) == []


def test_a_local_part_that_cannot_be_deleted_keeps_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FileSink.text(tmp_path).create_writer(Around(), ())
    for checkpoint in (1, 2):
        writer.write(RowBatch(["a"]))
        writer.prepare_commit(CheckpointId(checkpoint), end_of_input=False)
    writer.write(RowBatch(["a"]))
    stays, *_ = names(tmp_path)
    unlink = Path.unlink

    def refusing(path: Path, *, missing_ok: bool) -> None:
        if path.name == stays:
            raise OSError(errno.EBUSY, "Device or resource busy")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    writer.close()
    assert names(tmp_path) == [stays]


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
