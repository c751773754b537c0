"""One process leads at a time, each with a higher epoch than all before (law 1.2)."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import LocalJobStore, StoreDamagedError, StoreError, StoreLockedError
from tests.unit.jobmanager.store.samples import record
from tests.unit.runtime.checkpoint_files.disks import Journal
from tests.unit.runtime.checkpoint_files.samples import flip

HOLDER = """
import sys
from pathlib import Path
from millstream_jobmanager.store import LocalJobStore
print(LocalJobStore(Path(sys.argv[1])).open(0), flush=True)
sys.stdin.read()
"""


def opened(directory: Path, floor: int = 0) -> int:
    store = LocalJobStore(directory)
    try:
        return store.open(Epoch(floor))
    finally:
        store.close()


def test_epochs_grow_from_start_to_start(tmp_path: Path) -> None:
    assert [opened(tmp_path) for _ in range(3)] == [1, 2, 3]


def test_an_epoch_is_above_the_highest_found_in_checkpoints(tmp_path: Path) -> None:
    assert opened(tmp_path, 7) == 8
    assert opened(tmp_path, 3) == 9
    assert opened(tmp_path, 9) == 10


def test_an_epoch_is_durable_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path)
    journal = Journal(monkeypatch)
    opened(tmp_path)
    renaming = journal.calls.index("rename to epoch")
    assert journal.calls[renaming - 1].startswith("sync file .epoch.")
    assert journal.calls[renaming + 1] == f"sync directory {tmp_path.name}"


def test_every_flipped_byte_of_the_epoch_is_found(tmp_path: Path) -> None:
    opened(tmp_path)
    path = tmp_path / "epoch"
    for offset in range(path.stat().st_size):
        flip(path, offset, 0x01)
        with pytest.raises(StoreDamagedError, match="restart all TaskManagers"):
            opened(tmp_path)
        flip(path, offset, 0x01)
    assert opened(tmp_path) == 2


def test_a_second_store_on_one_directory_is_told_who_has_it(tmp_path: Path) -> None:
    first, second = LocalJobStore(tmp_path), LocalJobStore(tmp_path)
    first.open(Epoch(0))
    with pytest.raises(StoreLockedError, match=f"in use by process {os.getpid()}"):
        second.open(Epoch(0))
    first.close()
    assert second.open(Epoch(0)) == 2
    with pytest.raises(StoreLockedError):
        first.open(Epoch(0))
    second.close()


def test_a_store_is_opened_once(tmp_path: Path) -> None:
    store = LocalJobStore(tmp_path)
    store.open(Epoch(0))
    with pytest.raises(StoreError, match="open already"):
        store.open(Epoch(0))
    store.close()


def test_a_killed_leader_leaves_no_lock_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(StoreLockedError, match=f"process {holder.pid};"):
            opened(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert opened(tmp_path) == 2


def test_who_lost_the_lock_file_writes_nothing_more(tmp_path: Path) -> None:
    """Somebody removed it, so a second process could lead."""
    first, second = LocalJobStore(tmp_path), LocalJobStore(tmp_path)
    first.open(Epoch(0))
    first.put(record(1))
    (tmp_path / "lock").unlink()
    assert first.put(record(2)).outcome is Outcome.CONFLICT
    second.open(Epoch(0))
    assert first.put(record(2)).outcome is Outcome.CONFLICT
    assert second.recover() == [record(1)]
    assert second.put(record(2)).outcome is Outcome.DONE
    first.close()
    second.close()


def test_only_the_owner_reads_the_store(tmp_path: Path) -> None:
    opened(tmp_path / "new" / "store")
    for path in ("store", "store/jobs", "store/blobs"):
        assert stat.S_IMODE((tmp_path / "new" / path).stat().st_mode) == 0o700
