"""Durable before it is said to be (law 4.3), and the two ways in which a write fails (law 2.1)."""

import errno
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from millstream_runtime.checkpoint_files import (
    CheckpointConflictError,
    CheckpointFileError,
    StorageRefusedError,
    StorageUnreachableError,
    encode_snapshot,
    load_metadata,
    publish_metadata,
    verify_checkpoint,
    write_data_file,
)
from millstream_runtime.file_systems import UncertainWriteError, is_refusal
from millstream_runtime.file_systems.local import make_directories, write_durably
from tests.support.full_disk import files_of_at_most
from tests.unit.runtime.checkpoint_files.disks import Journal, make_read_only, small_disk
from tests.unit.runtime.checkpoint_files.samples import CONTENTS, JOB, metadata

CHUNKS = encode_snapshot(CONTENTS)
ROOT = Path(__file__).parents[4]


WITHOUT_PRIVILEGES = """
import os, sys
from pathlib import Path
from millstream_runtime.checkpoint_files import StorageRefusedError, publish_metadata
from tests.unit.runtime.checkpoint_files.samples import metadata

path, expected = sys.argv[1:]
if os.geteuid() == 0:
    os.seteuid(65534)
for _ in range(2):  # the second finds what the first has left
    try:
        publish_metadata(path, metadata(1))
        outcome = "published"
    except StorageRefusedError as error:
        outcome = f"refused {error}"
    assert outcome.startswith(expected), outcome
"""
"""Root may read every directory, so it becomes somebody else."""


def published_without_privileges(path: Path, expected: str) -> None:
    """In a process of its own."""
    command = [sys.executable, "-c", WITHOUT_PRIVILEGES, str(path), expected]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def passage() -> Generator[Path]:
    """`mine` in it belongs to whoever has no privileges. Below `tmp_path` nobody but root could reach it."""
    with TemporaryDirectory() as name:
        passage = Path(name)
        passage.chmod(0o755)
        mine = passage / "mine"
        mine.mkdir()
        if os.geteuid() == 0:
            os.chown(mine, 65534, 65534)
        yield passage
        passage.chmod(0o755)
        mine.chmod(0o755)


def test_the_bytes_are_synced_before_the_name_and_the_name_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(monkeypatch)
    write_data_file(str(tmp_path / JOB / "chk-1"), "part", CHUNKS)
    writing = next(place for place, call in enumerate(journal.calls) if call.startswith("sync file .part."))
    renaming = journal.calls.index("rename to part")
    naming = journal.calls.index("sync directory chk-1")
    assert writing < renaming < naming
    # The directories that lead to it were new, too.
    after = journal.calls[renaming:]
    assert f"sync directory {JOB}" in after
    assert f"sync directory {tmp_path.name}" in after


def test_metadata_is_durable_with_all_directories_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may have made them and not yet synced them when the others had all acknowledged."""
    path = tmp_path / JOB / "chk-1"
    path.mkdir(parents=True)
    journal = Journal(monkeypatch)
    publish_metadata(str(path), metadata(1))
    after = journal.calls[journal.calls.index("link to _metadata") :]
    assert {"sync directory chk-1", f"sync directory {JOB}", f"sync directory {tmp_path.name}"} <= set(after)


def test_what_was_published_by_a_write_of_unknown_outcome_is_synced_when_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / JOB / "chk-1")
    journal = Journal(monkeypatch, fails="sync directory chk-1")
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(path, metadata(1))
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(path, metadata(1))
    journal.fails = ""
    assert publish_metadata(path, metadata(1)) > 0
    assert journal.calls[-3:] == ["sync directory chk-1", f"sync directory {JOB}", f"sync directory {tmp_path.name}"]


@pytest.mark.parametrize("failed", ["chk-1", JOB])
def test_where_a_sync_has_failed_everything_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: str
) -> None:
    """The kernel may have dropped what it couldn't write, and says so once: a second sync proves nothing."""
    path = tmp_path / JOB / "chk-1"
    path.mkdir(parents=True)
    journal = Journal(monkeypatch, fails=f"sync directory {failed}")
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(str(path), metadata(1))
    first = (path / "_metadata").stat().st_ino
    journal.fails = ""
    journal.calls.clear()
    publish_metadata(str(path), metadata(1))
    assert (path / "_metadata").stat().st_ino != first
    assert [entry.name for entry in path.iterdir()] == ["_metadata"]
    writing, *after = journal.calls
    assert writing.startswith("sync file ._metadata.")
    above = [f"sync directory {JOB}", f"sync directory {tmp_path.name}"]
    assert after == ["rename to _metadata", "sync directory chk-1", *above]


def test_a_directory_whose_name_may_be_lost_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries again would find it, and take it for durable."""
    journal = Journal(monkeypatch, fails=f"sync directory {tmp_path.name}")
    for _ in range(2):
        with pytest.raises(StorageUnreachableError):
            write_data_file(str(tmp_path / JOB / "chk-1"), "part", CHUNKS)
        assert list(tmp_path.iterdir()) == []
    journal.fails = ""
    journal.calls.clear()
    write_data_file(str(tmp_path / JOB / "chk-1"), "part", CHUNKS)
    assert journal.calls[:2] == [f"sync directory {tmp_path.name}", f"sync directory {JOB}"]


@pytest.mark.parametrize("step", ["sync file", "rename"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE])
def test_a_disk_that_fails_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    Journal(monkeypatch, step, number)
    with pytest.raises(StorageUnreachableError, match="part could not be written"):
        write_data_file(str(tmp_path), "part", CHUNKS)
    assert list(tmp_path.iterdir()) == []


def test_from_the_rename_or_link_on_no_failure_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may have done it before it said that there is no room."""
    for call in ("rename", "link"):
        Journal(monkeypatch, call, errno.ENOSPC)
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        write_data_file(str(tmp_path), "part", CHUNKS)
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(str(tmp_path), metadata(1))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_where_there_are_no_links_metadata_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    journal = Journal(monkeypatch, "link", number)
    publish_metadata(str(tmp_path), metadata(1))
    assert "rename to _metadata" in journal.calls
    assert [path.name for path in tmp_path.iterdir()] == ["_metadata"]
    with pytest.raises(CheckpointConflictError):
        publish_metadata(str(tmp_path), metadata(2))
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "_metadata", [b"another's"], new=True)
    assert load_metadata(str(tmp_path)) == metadata(1)


def test_a_full_disk_refuses_and_keeps_what_it_had(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        publish_metadata(str(disk / JOB / "chk-1"), metadata(1))
        with pytest.raises(StorageRefusedError, match=r"No space left.*make room"):
            write_data_file(str(disk / JOB / "chk-2"), "part", [bytes(1 << 20), *CHUNKS])
        assert list((disk / JOB / "chk-2").iterdir()) == []
        verify_checkpoint(str(disk / JOB / "chk-1"))


def test_a_read_only_disk_refuses_and_can_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        publish_metadata(str(disk / JOB / "chk-1"), metadata(1))
        make_read_only(disk, 64 << 10)
        for path in (disk / JOB / "chk-1", disk / JOB / "chk-2"):
            with pytest.raises(StorageRefusedError, match="Read-only"):
                write_data_file(str(path), "part", CHUNKS)
        assert load_metadata(str(disk / JOB / "chk-1")) == metadata(1)


def test_a_directory_above_that_may_only_be_passed_through_is_no_hindrance(passage: Path) -> None:
    """As /home on many machines: nobody of us can have made a name there."""
    passage.chmod(0o111)
    published_without_privileges(passage / "mine" / "savepoint", "published")
    assert load_metadata(str(passage / "mine" / "savepoint")) == metadata(1)


def test_a_directory_in_which_names_can_be_made_but_not_seen_refuses_before_anything_is_there(passage: Path) -> None:
    savepoint = passage / "mine" / "savepoint"
    savepoint.parent.chmod(0o333)
    published_without_privileges(savepoint, "refused")
    savepoint.parent.chmod(0o755)
    assert list(savepoint.parent.iterdir()) == []
    savepoint.mkdir()
    savepoint.chmod(0o333)
    published_without_privileges(savepoint, "refused")
    savepoint.chmod(0o755)
    assert list(savepoint.iterdir()) == []


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    with files_of_at_most(100), pytest.raises(StorageRefusedError, match="File too large"):
        write_data_file(str(tmp_path), "part", CHUNKS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_directory_should_be_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "chk-1"):
        with pytest.raises(StorageRefusedError, match="Not a directory"):
            write_data_file(str(path), "part", CHUNKS)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is where nobody can make a directory")
def test_a_directory_that_can_t_be_made_is_a_refusal() -> None:
    with pytest.raises(StorageRefusedError, match="No such file"):
        write_data_file("/proc/nope/chk-1", "part", CHUNKS)
    with pytest.raises(StorageRefusedError, match="No such file"):
        publish_metadata("/proc/nope/chk-1", metadata(1))


def test_a_file_of_many_chunks_is_written_whole(tmp_path: Path) -> None:
    """More than one call takes, empty ones among them."""
    chunks = [b"%d," % number * (number % 3) for number in range(3_000)]
    write_durably(tmp_path / "file", chunks)
    assert (tmp_path / "file").read_bytes() == b"".join(chunks)


def test_whoever_gives_the_chunks_may_fail(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the client has gone")

    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(RuntimeError, match="gone"):
        write_durably(tmp_path / "file", chunks())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_directories_are_made_by_several_at_once(tmp_path: Path) -> None:
    make_directories(tmp_path / "a" / "b" / "c")
    make_directories(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


REFUSALS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOENT, errno.ENODEV]


@pytest.mark.parametrize("number", REFUSALS)
def test_want_of_room_or_permission_or_of_the_place_is_a_refusal(number: int) -> None:
    assert is_refusal(OSError(number, "words"))
    assert not is_refusal(UncertainWriteError(number, "words"))


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.ECONNRESET, None])
def test_everything_else_is_unknown(number: int | None) -> None:
    assert not is_refusal(OSError(number, "words") if number else OSError("words"))


def test_every_error_is_one_of_the_family() -> None:
    assert issubclass(StorageRefusedError, CheckpointFileError)
    assert issubclass(StorageUnreachableError, CheckpointFileError)
