"""Blobs in a directory; what every store does with them is in the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.store import LocalJobStore, StoreWriteError
from tests.unit.jobmanager.store.samples import Clock, digest
from tests.unit.runtime.checkpoint_files.disks import small_disk

HOUR = 3_600.0


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


def test_a_clock_that_is_set_back_does_not_end_it(tmp_path: Path, store: LocalJobStore, clock: Clock) -> None:
    clock.now += 1e9
    store.collect_garbage()
    clock.now -= 1e9
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    clock.now += 2 * HOUR
    store.collect_garbage()
    assert there(tmp_path) == set()
