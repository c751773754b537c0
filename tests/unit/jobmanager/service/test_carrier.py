"""Threads that hang, as on a mount whose server is gone, hold nothing up."""

import asyncio
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from millstream_dataflow.identity import CheckpointId, Digest, Epoch, JobId
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.commands import DiscardJob, LoadMetadata, WriteMetadata
from millstream_jobmanager.core.events import Event, JobDiscarded, MetadataWritten, Outcome
from millstream_jobmanager.service import carrier as carrier_module
from millstream_jobmanager.service.carrier import Carrier
from millstream_jobmanager.store import LocalJobStore, StoreError, StoreLockedError
from millstream_runtime.checkpoint_files import publish_metadata
from millstream_runtime.file_systems import OpenFile
from millstream_runtime.messages.snapshots import CheckpointMetadata
from millstream_runtime.threads import Threads
from tests.support.graphs import JOB, VERSIONS
from tests.support.hanging_disk import HangingDisk

EMPTY = CheckpointMetadata(JOB, "job", Epoch(1), CheckpointId(1), SnapshotKind.CHECKPOINT, 0, (), {}, VERSIONS)
Ask = Callable[..., Coroutine[Any, Any, object]]


@pytest.fixture
def hang() -> Generator[Callable[[], None]]:
    """A call that hangs until the test's end, once begun."""
    over, threads = threading.Event(), set[threading.Thread]()

    def call() -> None:
        threads.add(threading.current_thread())
        over.wait()

    yield call
    over.set()
    for thread in threads:
        thread.join()


async def begun(ask: Ask, hang: Callable[[], None]) -> "asyncio.Task[object]":
    """The call hangs."""
    entered = threading.Event()

    def call(*_: object) -> None:
        entered.set()
        hang()

    task = asyncio.create_task(ask(call))
    assert await asyncio.to_thread(entered.wait, 20)
    return task


def _waits(event: threading.Event) -> None:
    assert event.wait(20)


@pytest.fixture
async def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Carrier:
    """One that leads, and doesn't wait for long."""
    monkeypatch.setattr(carrier_module, "CLOSING_S", 0.1)
    store = LocalJobStore(tmp_path)
    store.open(Epoch(0))
    return Carrier(store)


@pytest.mark.parametrize("ask", [Carrier.files, Carrier.upload, Carrier.read])
async def test_a_call_that_hangs_holds_the_end_up_for_a_while_only_and_the_store_is_closed(
    tmp_path: Path, carrier: Carrier, hang: Callable[[], None], ask: Ask
) -> None:
    hanging = await begun(partial(ask, carrier), hang)
    await asyncio.wait_for(asyncio.to_thread(carrier.close), 20)
    again = LocalJobStore(tmp_path)
    again.open(Epoch(0))
    again.close()
    hanging.cancel()


async def test_threads_of_every_kind_that_hang_hold_the_end_up_no_longer_than_one(
    carrier: Carrier, hang: Callable[[], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By one deadline: 30 s are all that a process gets."""
    monkeypatch.setattr(carrier_module, "CLOSING_S", 1.0)
    hanging = [await begun(ask, hang) for ask in (carrier.upload, carrier.read, carrier.files, carrier.store)]
    begin = time.monotonic()
    await asyncio.to_thread(carrier.close)
    assert time.monotonic() - begin < 1.0 + carrier_module.LETTING_GO_S + 0.5
    assert caplog.text.count("has not answered for 1.0 s") == 3
    for task in hanging:
        task.cancel()


async def test_only_what_hangs_is_named(
    carrier: Carrier, hang: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The others had as much time to end."""
    go_on = threading.Event()
    slow = await begun(carrier.files, lambda: _waits(go_on))
    hanging = await begun(carrier.read, hang)
    closing = asyncio.create_task(asyncio.to_thread(carrier.close))
    go_on.set()
    await closing
    await slow
    assert [record.args for record in caplog.records] == [("the storage of blobs", 0.1)]
    hanging.cancel()


async def test_a_store_that_hangs_keeps_its_lock_for_it_may_still_write(
    tmp_path: Path, carrier: Carrier, hang: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    hanging = await begun(carrier.store, hang)
    await asyncio.wait_for(asyncio.to_thread(carrier.close), 20)
    assert "the job store has not answered for 0.1 s" in caplog.text
    with pytest.raises(StoreLockedError):
        LocalJobStore(tmp_path).open(Epoch(0))
    hanging.cancel()


async def test_uploads_that_take_long_hold_up_no_fetch_and_no_submit(carrier: Carrier) -> None:
    """As many as there are threads for them, and one more that waits."""
    disk, kept, digest = HangingDisk(), b"functions", Digest(hashlib.sha256(b"functions").hexdigest())
    await carrier.put_blob(digest, [kept])

    def slow() -> Iterator[bytes]:
        disk.pass_by()
        yield b""

    other = Digest(hashlib.sha256(b"").hexdigest())
    uploads = [asyncio.create_task(carrier.put_blob(other, slow())) for _ in range(carrier_module.UPLOAD_THREADS + 1)]
    async with asyncio.timeout(15):
        await disk.busy.wait()
        assert await carrier.blob_size(digest) == len(kept)
        assert await carrier.read_blob(digest) == kept
    assert not disk.free.is_set()
    disk.free.set()
    await asyncio.gather(*uploads)
    await asyncio.to_thread(carrier.close)


class SlowlyOpened:
    """A file of a disk that answers nobody for a while."""

    size = 0

    def __init__(self, disk: HangingDisk) -> None:
        disk.pass_by()
        self.closed = threading.Event()

    def read_at(self, offset: int, length: int) -> bytes:
        raise AssertionError(f"nobody asks for {length} bytes at {offset}")

    def close(self) -> None:
        assert not self.closed.is_set(), "its descriptor may be another one's by now"
        self.closed.set()


@pytest.mark.parametrize("opened", [False, True], ids=["before it is open", "before it is heard of"])
async def test_a_blob_that_nobody_waits_for_any_more_is_closed(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    """A call that is cancelled leaves its thread behind, which opens it."""
    disk, is_open, files = HangingDisk(), threading.Event(), list[SlowlyOpened]()

    def slow(*_: object) -> OpenFile:
        files.append(SlowlyOpened(disk))
        is_open.set()
        return files[0]

    monkeypatch.setattr(LocalJobStore, "open_blob", slow)
    opening = asyncio.create_task(carrier.open_blob(Digest("0" * 64)))
    async with asyncio.timeout(15):
        await disk.busy.wait()
        if opened:
            disk.free.set()
            assert is_open.wait(15)  # the loop stands still, so nobody hears of it
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    disk.free.set()
    assert await asyncio.to_thread(is_open.wait, 15)
    await asyncio.to_thread(carrier.close)
    assert files[0].closed.wait(15)


async def test_the_hanging_storage_of_one_job_holds_up_no_other(
    tmp_path: Path, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every order that the core may give for the one, and a checkpoint of the other is published."""
    disk = HangingDisk()

    def pass_by(path: str, *_: object) -> CheckpointMetadata:
        if "/stuck/" in path:
            disk.pass_by()
        return EMPTY

    def publish(path: str, metadata: CheckpointMetadata) -> int:
        pass_by(path)
        return publish_metadata(path, metadata)

    monkeypatch.setattr(carrier_module, "load_metadata", pass_by)
    monkeypatch.setattr(carrier_module, "discard_checkpoint", pass_by)
    monkeypatch.setattr(carrier_module, "publish_metadata", publish)
    hanging, sound = JobId("1" * 32), JobId("2" * 32)
    events = asyncio.Queue[Event]()
    for number in range(10):
        path = f"{tmp_path}/stuck/chk-{number}"
        carrier.load_metadata(LoadMetadata(hanging, path), events.put_nowait)
        carrier.write_metadata(WriteMetadata(hanging, CheckpointId(number), path, EMPTY), events.put_nowait)
        carrier.discard_checkpoint(hanging, path)
    command = WriteMetadata(sound, CheckpointId(1), f"{tmp_path}/sound/chk-1", EMPTY)
    carrier.write_metadata(command, events.put_nowait)
    async with asyncio.timeout(15):
        await disk.busy.wait()
        written = await events.get()
    assert isinstance(written, MetadataWritten)
    assert (written.job, written.outcome) == (sound, Outcome.DONE)
    assert not disk.free.is_set()
    disk.free.set()
    async with asyncio.timeout(15):
        for _ in range(20):
            await events.get()
    await asyncio.to_thread(carrier.close)


@pytest.mark.parametrize("keeps", [True, False], ids=["refused", "done"])
async def test_whether_a_jobs_data_are_gone_is_told(tmp_path: Path, carrier: Carrier, *, keeps: bool) -> None:
    (tmp_path / JOB / "chk-1").mkdir(parents=True)
    events = asyncio.Queue[Event]()
    directory = f"{tmp_path}/nowhere\0" if keeps else str(tmp_path)  # no storage can answer for such a name
    carrier.discard_job(DiscardJob(JOB, (), 3), directory, events.put_nowait)
    async with asyncio.timeout(15):
        told = await events.get()
    assert isinstance(told, JobDiscarded)
    assert (told.job, told.sweep) == (JOB, 3)
    assert bool(told.problem) is keeps
    assert (tmp_path / JOB).exists() is keeps
    await asyncio.to_thread(carrier.close)


async def test_what_is_deleted_holds_up_no_checkpoint_of_its_own_job(
    tmp_path: Path, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = HangingDisk()
    monkeypatch.setattr(carrier_module, "discard_checkpoint", lambda _: disk.pass_by())
    monkeypatch.setattr(carrier_module, "discard_job", lambda *_: disk.pass_by())
    events = asyncio.Queue[Event]()
    for number in range(10):
        carrier.discard_checkpoint(JOB, f"{tmp_path}/chk-{number}")
        carrier.discard_job(DiscardJob(JOB, (), number), str(tmp_path), lambda _: None)
    carrier.write_metadata(WriteMetadata(JOB, CheckpointId(11), f"{tmp_path}/chk-11", EMPTY), events.put_nowait)
    async with asyncio.timeout(15):
        await disk.busy.wait()
        written = await events.get()
    assert isinstance(written, MetadataWritten)
    assert written.outcome is Outcome.DONE
    assert not disk.free.is_set()
    disk.free.set()
    await asyncio.to_thread(carrier.close)


async def test_nothing_is_begun_behind_the_end(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may lead by now: no file is deleted any more."""
    deleted: list[str] = []
    monkeypatch.setattr(carrier_module, "discard_checkpoint", deleted.append)
    await asyncio.to_thread(carrier.close)
    with pytest.raises(RuntimeError, match="no more"):
        carrier.discard_checkpoint(JOB, "chk-1")
    assert (deleted, carrier._files) == ([], {})


async def test_a_job_with_nothing_to_do_has_no_threads(tmp_path: Path, carrier: Carrier) -> None:
    events = asyncio.Queue[Event]()
    job = JobId("1" * 32)
    carrier.load_metadata(LoadMetadata(job, f"{tmp_path}/missing"), events.put_nowait)
    assert carrier._files
    await events.get()
    async with asyncio.timeout(15):
        while carrier._files:  # noqa: ASYNC110  # threads that end tell no event
            await asyncio.sleep(0)
    await asyncio.to_thread(carrier.close)


_PROCESS = """
import asyncio, sys, threading
from pathlib import Path
from millstream_jobmanager.service import carrier
from millstream_jobmanager.store import LocalJobStore

carrier.CLOSING_S = 0.1

async def main():
    threads = carrier.Carrier(LocalJobStore(Path(sys.argv[1])))
    begun = threading.Event()
    hanging = asyncio.ensure_future(threads.files(lambda: begun.set() or threading.Event().wait()))
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(threads.close)

asyncio.run(main())
"""


def test_a_process_ends_though_a_thread_hangs(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROCESS, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "the storage of checkpoints has not answered" in ended.stderr


class TestThreads:
    """Instead of ThreadPoolExecutor."""

    def test_calls_are_answered_in_order_by_as_many_threads_as_allowed(self) -> None:
        threads = Threads(1, "one")
        seen: list[int] = []
        futures = [threads.submit(seen.append, number) for number in range(100)]
        for future in futures:
            future.result(20)
        assert seen == list(range(100))
        assert threads.submit(threading.current_thread).result(20).name == "one-0"
        assert threads.close(20)

    def test_an_error_is_whoever_s_who_waits(self) -> None:
        threads = Threads(2, "two")
        with pytest.raises(ZeroDivisionError):
            threads.submit(lambda: 1 / 0).result(20)
        assert threads.close(20)

    def test_the_last_call_comes_behind_what_runs_and_what_waits_is_dropped(self) -> None:
        threads, seen = Threads(1, "one"), list[str]()
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            go_on.wait(20)
            seen.append("slow")

        threads.submit(slow)
        assert begun.wait(20)
        waiting = threads.submit(seen.append, "waiting")
        waiting.add_done_callback(lambda _: go_on.set())
        assert threads.close(20, lambda: seen.append("last"))
        assert waiting.cancelled()
        assert seen == ["slow", "last"]
        with pytest.raises(RuntimeError, match="no more calls"):
            threads.submit(slow)

    def test_the_last_call_s_error_is_raised(self) -> None:
        def fails() -> None:
            raise StoreError("no")

        with pytest.raises(StoreError):
            Threads(1, "one").close(20, fails)
