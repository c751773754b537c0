"""Records on disks that fail: they are replaced whole, with an answer that is true (law 2.1). The rest is in the
contract.
"""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch, JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import LocalJobStore, StoreDamagedError, StoreWriteError
from tests.unit.jobmanager.store.samples import DONE, JOB, OTHER, record
from tests.unit.runtime.checkpoint_files.disks import Journal, make_read_only, small_disk
from tests.unit.runtime.checkpoint_files.samples import flip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    opened = LocalJobStore(tmp_path / "store")
    opened.open(Epoch(0))
    yield opened
    opened.close()


def file_of(tmp_path: Path, job: JobId = JOB) -> Path:
    return tmp_path / "store" / "jobs" / f"{job}.record"


def test_a_record_is_synced_before_it_is_done(store: LocalJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(monkeypatch)
    store.put(record(1))
    writing, renaming, naming = journal.calls
    assert writing.startswith(f"sync file .{JOB}.record.")
    assert (renaming, naming) == (f"rename to {JOB}.record", "sync directory jobs")


@pytest.mark.parametrize("step", ["sync file", "rename", "sync directory"])
def test_a_broken_disk_leaves_the_outcome_unknown_and_repeating_settles_it(
    store: LocalJobStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store.put(record(1))
    journal = Journal(monkeypatch, step, errno.EIO)
    for _ in range(3):
        answer = store.put(record(2))
        assert answer.outcome is Outcome.UNKNOWN
        assert "Input/output error" in answer.reason
    journal.fails = ""
    assert store.put(record(2)) == DONE
    assert journal.calls[-1] == "sync directory jobs"
    assert store.recover() == [record(2)]


def test_a_record_that_is_there_but_perhaps_not_durable_is_written_anew(
    tmp_path: Path, store: LocalJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may have dropped what it couldn't write, and says so once: a second sync proves nothing."""
    journal = Journal(monkeypatch, "sync directory", errno.EIO)
    inodes: list[int] = []
    for _ in range(2):
        assert store.put(record(1)).outcome is Outcome.UNKNOWN
        inodes.append(file_of(tmp_path).stat().st_ino)
    journal.fails = ""
    journal.calls.clear()
    assert store.put(record(1)) == DONE
    inodes.append(file_of(tmp_path).stat().st_ino)
    assert inodes[0] != inodes[1] != inodes[2]
    writing, *after = journal.calls
    assert writing.startswith(f"sync file .{JOB}.record.")
    assert after == [f"rename to {JOB}.record", "sync directory jobs"]


def test_no_room_is_no_refusal_once_the_record_may_have_its_name(
    store: LocalJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(monkeypatch, "sync directory", errno.ENOSPC)
    assert store.put(record(1)).outcome is Outcome.UNKNOWN


def test_a_full_disk_refuses_and_keeps_what_it_had(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        store = LocalJobStore(disk / "store")
        store.open(Epoch(0))
        try:
            store.put(record(1))
            answer = store.put(replace(record(2), name="x" * (1 << 20)))
            assert answer.outcome is Outcome.REFUSED
            assert "No space left" in answer.reason
            assert store.recover() == [record(1)]
            assert store.put(record(2)) == DONE
        finally:
            store.close()


def test_a_read_only_disk_refuses(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        store = LocalJobStore(disk / "store")
        store.open(Epoch(0))
        store.put(record(1))
        store.close()
        make_read_only(disk, 64 << 10)
        with pytest.raises(StoreWriteError, match="Read-only") as caught:
            store.open(Epoch(0))
        assert caught.value.refused


# ------------------------------------------------------------ damage


def test_every_flipped_byte_and_every_truncation_is_found(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    path = file_of(tmp_path)
    whole = path.read_bytes()
    for offset in range(len(whole)):
        flip(path, offset, 0x11)
        with pytest.raises(StoreDamagedError, match=JOB):
            store.recover()
        path.write_bytes(whole[:offset])
        with pytest.raises(StoreDamagedError, match=JOB):
            store.recover()
        path.write_bytes(whole)
    assert store.recover() == [record(1)]


def test_a_record_under_another_jobs_name_is_damage(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    file_of(tmp_path).rename(file_of(tmp_path, OTHER))
    with pytest.raises(StoreDamagedError, match=f"it is the record of job {JOB}"):
        store.recover()


def test_a_damaged_record_is_never_written_over(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    file_of(tmp_path).write_bytes(b"garbage")
    answer = store.put(record(2))
    assert answer.outcome is Outcome.CONFLICT
    assert "altered from outside" in answer.reason
    assert file_of(tmp_path).read_bytes() == b"garbage"


def test_what_a_dead_writer_left_is_cleared_away_and_nothing_else(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    store.close()
    root = tmp_path / "store"
    for directory in (root, root / "jobs", root / "blobs"):
        (directory / ".half.0123456789abcdef.writing").write_bytes(b"half")
    by_a_task = root / "checkpoints" / JOB / "chk-1" / ".part.0123456789abcdef.writing"
    by_a_task.parent.mkdir(parents=True)
    by_a_task.write_bytes(b"half")
    store.open(Epoch(0))
    assert [path for path in root.rglob(".*") if path.is_file()] == [by_a_task]
    assert store.recover() == [record(1)]
