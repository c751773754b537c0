"""Folders below a file sink's directory: which one it is at what time, and that their files are as safe as others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from pyarrow import fs

from millstream import BucketAssigner, Encoder, FileSink, FileSource
from millstream.connectors.files.committer import FileCommitter, LostFileError
from millstream.connectors.files.directories import RemoteDirectory
from millstream.connectors.files.writer import MOST_FILES, FileCommittable
from millstream_dataflow.connectors import SinkWriter
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import RowBatch
from tests.unit.client.connectors.surroundings import Around, read_all

SECOND = 1_000
HOUR = 3_600 * SECOND
NOON = 1_577_880_000_000  # 2020-01-01 12:00 UTC


@dataclass
class Clocked(Around):
    """A task whose clock is set."""

    time: int = NOON

    def now(self) -> int:
        return self.time


def sink_of(folder: Path, buckets: BucketAssigner) -> FileSink:
    encoder = Encoder.simple_string_encoder()
    return FileSink.for_row_format(folder, encoder).with_bucket_assigner(buckets).build()


def barrier(writer: SinkWriter[FileCommittable], checkpoint: int) -> Sequence[FileCommittable]:
    prepared = writer.prepare_commit(CheckpointId(checkpoint), end_of_input=False)
    if (job := writer.make_durable()) is not None:
        job()
    return prepared


def contents(folder: Path) -> dict[str, list[str]]:
    """By folder, what its visible files hold."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("part-*")):
        found.setdefault(str(path.parent.relative_to(folder)), []).append(path.read_text(encoding="utf-8"))
    return found


class TestWhich:
    """The name of a bucket at a time."""

    @pytest.mark.parametrize(
        ("pattern", "zone", "folder"),
        [
            ("yyyy-MM-dd--HH", "UTC", "2020-01-01--12"),
            ("yyyy-MM-dd--HH", "Asia/Shanghai", "2020-01-01--20"),
            ("yyyy/MM/dd/HH", "UTC", "2020/01/01/12"),
            ("'dt='yyyyMMdd'/h='H", "UTC", "dt=20200101/h=12"),
            ("yy-M-d H:m:s", "UTC", "20-1-1 12:0:0"),
            ("uuuu''mm'o''clock'ss", "UTC", "2020'00o'clock00"),
        ],
    )
    def test_a_pattern_is_read_as_java_reads_it(self, pattern: str, zone: str, folder: str) -> None:
        assert BucketAssigner.date_time_bucket_assigner(pattern, zone).folder(NOON) == folder

    def test_by_default_it_is_flinks_hour_in_the_machines_zone(self) -> None:
        here = datetime.fromtimestamp(NOON / SECOND).astimezone()
        assert BucketAssigner.date_time_bucket_assigner().folder(NOON) == here.strftime("%Y-%m-%d--%H")

    def test_without_one_files_lie_in_the_directory(self) -> None:
        assert BucketAssigner.base_path_bucket_assigner().folder(NOON) == ""

    @pytest.mark.parametrize(
        ("pattern", "zone", "words"),
        [
            ("", None, "takes a format such as yyyy-MM-dd--HH, but got an empty one"),
            ("yyyy-MMM", None, "MMM in the format 'yyyy-MMM' isn't known: y, M, d, H, m and s are"),
            ("EEE", None, "EEE in the format 'EEE' isn't known"),
            ("yyyy'T", None, 'the single quote at 4 of the format "yyyy\'T" is never closed'),
            ("'_hidden'", None, "can't be called \"'_hidden'\": names that begin with . or _ are hidden"),
            ("/yyyy", None, "can't be called '/yyyy'.*none may be empty"),
            ("yyyy/../HH", None, "can't be called 'yyyy/../HH'"),
            ("yyyy", "Europe/Atlantis", "no time zone is called 'Europe/Atlantis'; give a name such as Europe/Berlin"),
            ("yyyy", "/etc/passwd", "no time zone is called '/etc/passwd'"),
        ],
    )
    def test_what_makes_no_folder_is_refused(self, pattern: str, zone: str | None, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            BucketAssigner.date_time_bucket_assigner(pattern, zone)


class TestFiles:
    """What lies where."""

    def test_each_hour_has_its_folder_and_files_are_hidden_until_they_are_committed(self, tmp_path: Path) -> None:
        around = Clocked()
        sink = sink_of(tmp_path, BucketAssigner.date_time_bucket_assigner(timezone_id="UTC"))
        writer = sink.create_writer(around, ())
        writer.write(RowBatch(["a", "b"]))
        around.time += HOUR - 1
        writer.write(RowBatch(["c"]))
        around.time += 1
        writer.write(RowBatch(["d"]))
        prepared = barrier(writer, 1)
        assert contents(tmp_path) == {}
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
        sink.create_committer(around).commit(prepared)
        assert contents(tmp_path) == {"2020-01-01--12": ["a\nb\nc\n"], "2020-01-01--13": ["d\n"]}
        writer.write(RowBatch(["e"]))
        sink.create_committer(around).commit(barrier(writer, 2))
        assert contents(tmp_path)["2020-01-01--13"] == ["d\n", "e\n"]
        writer.close()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        assert read_all(FileSource.text(tmp_path)) == ["a", "b", "c", "d", "e"]

    def test_a_commit_may_be_repeated_and_what_is_lost_is_named(self, tmp_path: Path) -> None:
        around = Clocked()
        sink = sink_of(tmp_path, BucketAssigner.date_time_bucket_assigner("yyyy/MM", "UTC"))
        writer = sink.create_writer(around, ())
        writer.write(RowBatch(["a"]))
        prepared = barrier(writer, 1)
        for _ in range(2):
            sink.create_committer(around).commit(prepared)
        assert contents(tmp_path) == {"2020/01": ["a\n"]}
        (tmp_path / prepared[0][1]).unlink()
        with pytest.raises(LostFileError, match=r"nor 2020/01/part-.* is in .*though a checkpoint names them"):
            sink.create_committer(around).commit(prepared)

    def test_what_a_former_attempt_left_is_found_in_one_place(self, tmp_path: Path) -> None:
        sink = sink_of(tmp_path, BucketAssigner.date_time_bucket_assigner("ss", "UTC"))
        died = Clocked(attempt=1)
        writer = sink.create_writer(died, ())
        for value in ("a", "b", "c"):
            writer.write(RowBatch([value]))
            died.time += SECOND
        barrier(writer, 1)
        assert len(list(tmp_path.iterdir())) == 3
        after = Clocked(attempt=2)
        sink.create_committer(after).drop_leftovers(after, ())
        assert list(tmp_path.iterdir()) == []

    def test_a_bucket_has_its_own_file_however_many_there_are(self, tmp_path: Path) -> None:
        around = Clocked()
        sink = sink_of(tmp_path, BucketAssigner.date_time_bucket_assigner("mm-ss", "UTC"))
        writer = sink.create_writer(around, ())
        for number in range(MOST_FILES + 10):
            writer.write(RowBatch([number]))
            around.time += SECOND
        prepared = barrier(writer, 1)
        sink.create_committer(around).commit(prepared)
        assert len(contents(tmp_path)) == len(prepared) == MOST_FILES + 10
        writer.close()

    def test_elsewhere_folders_are_made_too(self, tmp_path: Path) -> None:
        around = Clocked()
        sink = sink_of(tmp_path, BucketAssigner.date_time_bucket_assigner("yyyy/MM", "UTC"))
        writer = sink.create_writer(around, ())
        writer.write(RowBatch(["a"]))
        prepared = barrier(writer, 1)
        remote = RemoteDirectory(fs.LocalFileSystem(), str(tmp_path))
        FileCommitter(remote, str(tmp_path), "part", "").commit(prepared)
        assert contents(tmp_path) == {"2020/01": ["a\n"]}


def test_the_builder_takes_only_what_assigns_buckets(tmp_path: Path) -> None:
    builder = FileSink.for_row_format(tmp_path, Encoder.simple_string_encoder())
    with pytest.raises(TypeError, match="takes one that BucketAssigner makes, but got 'hours'"):
        builder.with_bucket_assigner("hours")  # type: ignore[arg-type]  # what is tested
