"""Blobs are what their digest says, and stay while a job needs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import Digest, Epoch
from millstream_jobmanager.store import BlobMismatchError, LocalJobStore, StoreError, StoreWriteError
from millstream_jobmanager.store.local import COLLECTION_INTERVAL_S
from tests.unit.jobmanager.store.samples import JOB, OTHER, digest, found, put_job
from tests.unit.runtime.checkpoint_files.disks import small_disk
from tests.unit.runtime.checkpoint_files.samples import flip

HOUR = 3_600.0


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[LocalJobStore]:
    opened = LocalJobStore(tmp_path, clock)
    opened.open(Epoch(0))
    yield opened
    opened.close()


def there(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "blobs").iterdir()}


def test_a_blob_comes_in_chunks(store: LocalJobStore) -> None:
    data = bytes(range(256)) * 1_000
    assert found(store, digest(data)) is None
    store.put_blob(digest(data), (data[at : at + 999] for at in range(0, len(data), 999)))
    assert found(store, digest(data)) == data


def test_an_empty_blob_is_one(store: LocalJobStore) -> None:
    store.put_blob(digest(b""), [])
    assert found(store, digest(b"")) == b""


def test_other_bytes_than_the_digest_names_are_refused(tmp_path: Path, store: LocalJobStore) -> None:
    with pytest.raises(BlobMismatchError, match="5 bytes came under the digest"):
        store.put_blob(digest(b"right"), [b"wr", b"ong"])
    assert found(store, digest(b"right")) is None
    assert there(tmp_path) == set()


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path, store: LocalJobStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the client has gone")

    with pytest.raises(RuntimeError, match="gone"):
        store.put_blob(digest(b"first and second"), chunks())
    assert there(tmp_path) == set()


def test_a_blob_that_the_disk_has_damaged_is_mended_by_the_next_upload(tmp_path: Path, store: LocalJobStore) -> None:
    store.put_blob(digest(b"content"), [b"content"])
    path = tmp_path / "blobs" / digest(b"content")
    flip(path, 3, 1)
    store.put_blob(digest(b"content"), [b"content"])
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("wrong", ["", "..", "../jobs/x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 64 + "\n"])
def test_a_digest_that_is_none_reaches_no_file(tmp_path: Path, store: LocalJobStore, wrong: str) -> None:
    with pytest.raises(StoreError, match="SHA-256"):
        store.put_blob(Digest(wrong), [b"data"])
    with pytest.raises(StoreError, match="SHA-256"):
        store.open_blob(Digest(wrong))
    assert there(tmp_path) == set()


def test_no_room_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        store = LocalJobStore(disk)
        store.open(Epoch(0))
        try:
            data = bytes(1 << 20)
            with pytest.raises(StoreWriteError, match="No space left") as caught:
                store.put_blob(digest(data), [data])
            assert caught.value.refused
            assert there(disk) == set()
        finally:
            store.close()


# ------------------------------------------------------------ garbage


def test_what_no_job_needs_goes_after_an_hour(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    put_job(store, JOB, b"functions", b"shared code")
    put_job(store, OTHER, b"other functions", b"shared code")
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    everything = there(tmp_path)
    clock.now += HOUR
    store.collect_garbage()
    assert there(tmp_path) == everything
    clock.now += COLLECTION_INTERVAL_S
    store.collect_garbage()
    assert there(tmp_path) == everything - {digest(b"never submitted")}
    store.delete(OTHER)
    clock.now += COLLECTION_INTERVAL_S
    store.collect_garbage()
    needed = {digest(b"functions"), digest(b"shared code"), store.recover()[0].graph.digest}
    assert there(tmp_path) == needed


def test_it_is_looked_for_at_most_once_in_ten_minutes(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    """Every record and graph is read for it, and after each job that ends."""
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    clock.now += HOUR
    store.collect_garbage()
    clock.now += 599
    store.collect_garbage()
    assert there(tmp_path) == {digest(b"never submitted")}
    clock.now += 1
    store.collect_garbage()
    assert there(tmp_path) == set()


def test_a_clock_that_is_set_back_does_not_end_it(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    clock.now += 1e9
    store.collect_garbage()
    clock.now -= 1e9
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    clock.now += 2 * HOUR
    store.collect_garbage()
    assert there(tmp_path) == set()


def test_an_upload_of_what_is_there_makes_it_new(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    """The submit that follows needs it."""
    store.put_blob(digest(b"functions"), [b"functions"])
    clock.now += 2 * HOUR
    store.put_blob(digest(b"functions"), [b"functions"])
    store.collect_garbage()
    assert there(tmp_path) == {digest(b"functions")}


@pytest.mark.parametrize("damage", ["record", "graph", "no graph"])
def test_nothing_goes_while_it_is_unknown_what_is_needed_and_that_is_said_once(
    tmp_path: Path, store: LocalJobStore, clock: Clock, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    put_job(store, JOB, b"functions", b"code")
    graph = tmp_path / "blobs" / store.recover()[0].graph.digest
    damaged = tmp_path / "jobs" / f"{JOB}.record" if damage == "record" else graph
    whole = damaged.read_bytes()
    if damage == "no graph":
        damaged.unlink()
    else:
        damaged.write_bytes(b"\xff" * 10)
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    before = there(tmp_path)
    for _ in range(3):
        clock.now += 2 * HOUR
        store.collect_garbage()
    assert there(tmp_path) == before
    (warning,) = caplog.records
    assert (warning.name, warning.levelname) == ("millstream.jobmanager.store", "WARNING")
    assert str(damaged) in warning.message
    damaged.write_bytes(whole)
    clock.now += 2 * HOUR
    store.collect_garbage()
    assert digest(b"never submitted") not in there(tmp_path)


def test_what_is_not_ours_is_left_alone(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    (tmp_path / "blobs" / "README").write_text("mine")
    clock.now += 1e9
    store.collect_garbage()
    assert there(tmp_path) == {"README"}
