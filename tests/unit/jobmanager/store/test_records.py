"""Records are replaced whole, under conditions, with an answer that is true (law 2.1)."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import Epoch, JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import LocalJobStore, StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_runtime.messages.record import RECORD_FORMAT, JobRecord
from tests.unit.jobmanager.store.samples import JOB, OTHER, record
from tests.unit.runtime.checkpoint_files.disks import Journal, make_read_only, small_disk
from tests.unit.runtime.checkpoint_files.samples import flip

DONE = StoreAnswer(Outcome.DONE)
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    opened = LocalJobStore(tmp_path / "store")
    opened.open(Epoch(0))
    yield opened
    opened.close()


def file_of(tmp_path: Path, job: JobId = JOB) -> Path:
    return tmp_path / "store" / "jobs" / f"{job}.record"


@given(st.from_type(JobRecord))
def test_any_record_is_recovered_as_it_was_put(tmp_path_factory: pytest.TempPathFactory, written: JobRecord) -> None:
    written = replace(written, job=JOB, version=1, format=RECORD_FORMAT)
    store = LocalJobStore(tmp_path_factory.mktemp("store"))
    store.open(Epoch(0))
    try:
        assert store.put(written) == DONE
        assert store.recover() == [written]
    finally:
        store.close()


def test_records_outlive_the_process_that_put_them(tmp_path: Path, store: LocalJobStore) -> None:
    for version in (1, 2):
        assert store.put(record(version)) == DONE
    assert store.put(record(1, OTHER)) == DONE
    store.close()
    successor = LocalJobStore(tmp_path / "store")
    successor.open(Epoch(0))
    assert successor.recover() == [record(1, OTHER), record(2)]
    assert successor.put(record(3)) == DONE
    successor.close()


def test_the_same_put_again_is_done(store: LocalJobStore) -> None:
    assert store.put(record(1)) == store.put(record(1)) == DONE
    assert store.put(record(2)) == store.put(record(2)) == DONE


@pytest.mark.parametrize("wrong", [record(2, nonce="another's"), record(1), record(4), record(0), record(-1)])
def test_a_put_that_follows_no_version_is_a_conflict(store: LocalJobStore, wrong: JobRecord) -> None:
    store.put(record(1))
    store.put(record(2))
    answer = store.put(wrong)
    assert answer.outcome is Outcome.CONFLICT
    assert "has version 2" in answer.reason
    assert store.recover() == [record(2)]


def test_the_first_version_is_one(store: LocalJobStore) -> None:
    assert store.put(record(2)).outcome is Outcome.CONFLICT
    assert store.recover() == []


def test_a_deleted_job_is_forgotten(store: LocalJobStore) -> None:
    store.put(record(1))
    store.delete(JOB)
    store.delete(JOB)
    assert store.recover() == []
    assert store.put(record(2)).outcome is Outcome.CONFLICT


@pytest.mark.parametrize("job", ["", ".", "..", "../evil", "a/b", "/etc/passwd", "a\0b", "x" * 300, "-\n"])
def test_a_job_id_that_is_a_path_reaches_no_file(tmp_path: Path, store: LocalJobStore, job: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="job id"):
        store.put(record(1, JobId(job)))
    with pytest.raises(StoreError, match="job id"):
        store.delete(JobId(job))
    assert sorted(tmp_path.rglob("*")) == before


# ------------------------------------------------------------ disks that fail


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


def test_all_damaged_records_are_named_with_what_to_do(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    store.put(record(1, OTHER))
    file_of(tmp_path).write_bytes(b"garbage" * 10)
    file_of(tmp_path, OTHER).write_bytes(b"")
    with pytest.raises(StoreDamagedError, match="move the file away") as caught:
        store.recover()
    assert str(file_of(tmp_path)) in str(caught.value)
    assert str(file_of(tmp_path, OTHER)) in str(caught.value)


def test_a_record_under_another_jobs_name_is_damage(tmp_path: Path, store: LocalJobStore) -> None:
    store.put(record(1))
    file_of(tmp_path).rename(file_of(tmp_path, OTHER))
    with pytest.raises(StoreDamagedError, match=f"it is the record of job {JOB}"):
        store.recover()


def test_a_record_of_a_newer_format_is_not_guessed_at(store: LocalJobStore) -> None:
    store.put(replace(record(1), format=RECORD_FORMAT + 1))
    with pytest.raises(StoreDamagedError, match="use a newer one"):
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


def test_a_closed_store_does_nothing(tmp_path: Path, store: LocalJobStore) -> None:
    store.close()
    store.close()
    for call in (store.recover, store.collect_garbage, lambda: store.put(record(1)), lambda: store.delete(JOB)):
        with pytest.raises(StoreError, match="isn't open"):
            call()
    assert list((tmp_path / "store" / "jobs").iterdir()) == []
