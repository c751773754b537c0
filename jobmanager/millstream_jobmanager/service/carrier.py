"""Carries out what blocks: one thread for the records, a few for each job's checkpoint files, a few for blobs.

Each order of the core becomes a job of a thread, whose end is an event. What goes wrong is sorted here and nowhere
else, for law 2.1 hangs on it: `REFUSED` only where it is certain that nothing was written and nothing will be,
`CONFLICT` only where somebody else's bytes were seen, `UNKNOWN` for everything else.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from millstream_dataflow.identity import Digest, JobId
from millstream_jobmanager.core.commands import DiscardJob, LoadMetadata, StoreRecord, WriteMetadata
from millstream_jobmanager.core.events import (
    Event,
    JobDiscarded,
    LoadProblem,
    MetadataLoaded,
    MetadataWritten,
    Outcome,
    RecordStored,
)
from millstream_jobmanager.store import JobStore
from millstream_runtime.checkpoint_files import (
    CheckpointConflictError,
    CorruptCheckpointError,
    StorageRefusedError,
    discard_checkpoint,
    discard_job,
    load_metadata,
    publish_metadata,
)
from millstream_runtime.file_systems import OpenFile
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.threads import Threads

T = TypeVar("T")

FILE_THREADS = 2
"""Of each job, and as many for what it deletes: storage that hangs holds up nobody else's, and what is deleted holds up
no checkpoint.
"""
UPLOAD_THREADS = 2
"""A blob that is kept holds one until all of it is written: a disk is no faster with more."""
READ_THREADS = 2
"""Of their own, for what a worker fetches and a submit looks at is short, and two uploads of a GiB would hold it
up for as long as they take. A read that hangs leaves another thread.
"""
CLOSING_S = 3.0
"""A record is written in milliseconds, a checkpoint's metadata to an object store in a second."""
LETTING_GO_S = 0.5
"""For the store's last call, when other threads have hung until then: it closes a file, in less than a millisecond."""

_log = logging.getLogger("millstream.jobmanager.carrier")


class LeadershipLostError(Exception):
    """This JobManager leads no more; the request was perhaps carried out, and the next leader knows."""


class Carrier:
    """The threads, and what runs in each. Made inside the running loop."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._store_thread = Threads(1, "millstream-store")
        self._files: dict[_Purpose, _Files] = {}
        self._closed = False
        self._uploads = Threads(UPLOAD_THREADS, "millstream-uploads")
        self._reads = Threads(READ_THREADS, "millstream-reads")

    def close(self) -> None:
        """Wait for what runs, drop what waits, close the store. Blocks, for CLOSING_S and LETTING_GO_S at most, however
        many hang: a process that is told to end has 30 s for all that it does, as it is shipped.

        What hangs for longer, as it does on a mount whose server is gone, has an unknown outcome then, as when this
        process is killed. A store whose thread hangs isn't let go of before the process ends.
        """
        self._closed = True
        until = time.monotonic() + CLOSING_S
        blobs, checkpoints = [self._uploads, self._reads], [each.threads for each in self._files.values()]
        for threads in blobs + checkpoints:
            threads.close(0)  # so that none begins anything while another one is waited for
        ended = {
            "the storage of blobs": _have_ended(blobs, until),
            "the storage of checkpoints": _have_ended(checkpoints, until),
            "the job store": self._store_thread.close(max(LETTING_GO_S, until - time.monotonic()), self._store.close),
        }
        for place in [place for place, has_ended in ended.items() if not has_ended]:
            _log.warning("%s has not answered for %s s; this JobManager ends without its answer", place, CLOSING_S)

    # ------------------------------------------------------------ asked and awaited

    async def store(self, call: Callable[[JobStore], T]) -> T:
        """Ask the store, in its own thread. LeadershipLostError when the term of office is over."""
        self._check_open()
        return await self._loop.run_in_executor(self._store_thread, call, self._store)

    async def files(self, call: Callable[[], T]) -> T:
        """Ask the storage of checkpoints."""
        return await asyncio.wrap_future(self._on_files((None, False), call))

    async def upload(self, call: Callable[[], T]) -> T:
        """A part of an upload."""
        self._check_open()
        return await self._loop.run_in_executor(self._uploads, call)

    async def read(self, call: Callable[[], T]) -> T:
        """Something short with a blob of the store."""
        self._check_open()
        return await self._loop.run_in_executor(self._reads, call)

    async def open_blob(self, digest: Digest) -> OpenFile | None:
        """A blob of the store, for reading by `read`."""
        self._check_open()
        opening = self._reads.submit(self._store.open_blob, digest)
        try:
            return await asyncio.wrap_future(opening)
        except asyncio.CancelledError:  # the thread goes on, and no one else knows of the file
            opening.add_done_callback(_close_unclaimed)
            raise

    async def read_blob(self, digest: Digest) -> bytes | None:
        """All of a blob; None when there is none."""
        file = await self.open_blob(digest)
        if file is None:
            return None
        try:
            return await self.read(lambda: file.read_at(0, file.size))
        finally:
            file.close()

    async def blob_size(self, digest: Digest) -> int | None:
        """How many bytes a blob has; None when there is none."""
        file = await self.open_blob(digest)
        if file is None:
            return None
        file.close()
        return file.size

    async def put_blob(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Keep a blob; BlobMismatchError when the chunks are other bytes."""
        await self.upload(lambda: self._store.put_blob(digest, chunks))

    # ------------------------------------------------------------ the core's orders

    def store_record(self, command: StoreRecord, post: Callable[[Event], None]) -> None:
        """Answered by RecordStored."""
        self._answer(self._store_thread.submit(lambda: _store_record(self._store, command.record)), post)

    def write_metadata(self, command: WriteMetadata, post: Callable[[Event], None]) -> None:
        """Answered by MetadataWritten."""
        self._answer(self._on_files((command.job, False), lambda: _write_metadata(command)), post)

    def load_metadata(self, command: LoadMetadata, post: Callable[[Event], None]) -> None:
        """Answered by MetadataLoaded."""
        self._answer(self._on_files((command.job, False), lambda: _load_metadata(command)), post)

    def delete_record(self, job: JobId) -> None:
        """Not answered. Afterwards its blobs are nobody's."""
        doubt = "its record could not be deleted"
        self._store_thread.submit(lambda: _try(lambda: self._store.delete(job), job, doubt))
        self._store_thread.submit(lambda: self._in_loop(self._collect_unless_closed))

    def collect_garbage(self) -> None:
        """Not answered."""
        doubt = "unused blobs could not be deleted"
        self._on_files((None, True), lambda: _try(self._store.collect_garbage, None, doubt))

    def _collect_unless_closed(self) -> None:
        if not self._closed:
            self.collect_garbage()

    def discard_checkpoint(self, job: JobId, path: str) -> None:
        """Not answered: what stays is found again at the job's end."""
        doubt = f"{path} could not be deleted"
        self._on_files((job, True), lambda: _try(lambda: discard_checkpoint(path), job, doubt))

    def discard_job(self, command: DiscardJob, directory: str, post: Callable[[Event], None]) -> None:
        """Answered by JobDiscarded."""
        self._answer(self._on_files((command.job, True), lambda: _discard_job(command, directory)), post)

    # ------------------------------------------------------------ threads

    def _check_open(self) -> None:
        if self._closed:
            raise LeadershipLostError

    def _on_files(self, purpose: "_Purpose", call: Callable[[], T]) -> Future[T]:
        """In threads that are there while they have something to do."""
        if self._closed:
            raise RuntimeError("the threads of checkpoint files take no more calls")
        files = self._files.get(purpose)
        if files is None:
            job, deletes = purpose
            name = f"millstream-{'deletes' if deletes else 'files'}-{job or 'own'}"
            files = self._files[purpose] = _Files(Threads(FILE_THREADS, name))

        def ended() -> None:
            files.calls -= 1
            if not files.calls and self._files.get(purpose) is files:
                files.threads.close(0)
                del self._files[purpose]

        files.calls += 1
        future = files.threads.submit(call)
        future.add_done_callback(lambda _: self._in_loop(ended))
        return future

    def _answer(self, future: Future[Event], post: Callable[[Event], None]) -> None:
        def done(future: Future[Event]) -> None:
            if not future.cancelled():
                self._in_loop(partial(post, future.result()))

        future.add_done_callback(done)

    def _in_loop(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed while this was hanging
            self._loop.call_soon_threadsafe(call)


_Purpose = tuple[JobId | None, bool]
"""Whose checkpoint files, the leader's own for None; and whether they are deleted."""


@dataclass(slots=True)
class _Files:
    """The threads of one purpose."""

    threads: Threads
    calls: int = 0
    """Begun and waiting ones."""


def _have_ended(closed: Iterable[Threads], until: float) -> bool:
    """By that time, however many hang."""
    ended = [threads.close(max(0.0, until - time.monotonic())) for threads in closed]
    return all(ended)


def _close_unclaimed(opening: "Future[OpenFile | None]") -> None:
    if not opening.cancelled() and opening.exception() is None and (file := opening.result()) is not None:
        file.close()


def _try(call: Callable[[], None], about: JobId | None, doubt: str) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # nobody waits, so it is said
        _log.warning("%s%s: %s", f"job {about}: " if about else "", doubt, error)


def _discard_job(command: DiscardJob, directory: str) -> Event:
    try:
        discard_job(directory, command.job, command.kept)
    except Exception as error:  # noqa: BLE001  # whatever it is, they may be there
        problem = f"its files in {directory} could not all be deleted: {error}"
        return JobDiscarded(command.job, command.sweep, problem)
    return JobDiscarded(command.job, command.sweep)


def _store_record(store: JobStore, record: JobRecord) -> Event:
    try:
        answer = store.put(record)
    except Exception as error:  # noqa: BLE001  # whatever it is, nobody knows what was written
        _log.error(
            "job %s: the store failed in a way it shouldn't; the write counts as unknown", record.job, exc_info=error
        )
        return RecordStored(record.job, record.nonce, Outcome.UNKNOWN, str(error))
    return RecordStored(record.job, record.nonce, answer.outcome, answer.reason)


def _write_metadata(command: WriteMetadata) -> Event:
    def answer(outcome: Outcome, reason: str) -> Event:
        return MetadataWritten(command.job, command.checkpoint, outcome, reason=reason)

    try:
        size = publish_metadata(command.path, command.metadata)
    except CheckpointConflictError as error:
        return answer(Outcome.CONFLICT, str(error))
    except StorageRefusedError as error:
        return answer(Outcome.REFUSED, str(error))
    except Exception as error:  # noqa: BLE001  # whatever it is, nobody knows what was written
        _log.warning("job %s: checkpoint %s: %s", command.job, command.checkpoint, error)
        return answer(Outcome.UNKNOWN, str(error))
    return MetadataWritten(command.job, command.checkpoint, Outcome.DONE, size)


def _load_metadata(command: LoadMetadata) -> Event:
    try:
        metadata = load_metadata(command.path)
    except CorruptCheckpointError as error:
        return MetadataLoaded(command.job, command.path, None, LoadProblem.CORRUPT, str(error))
    except Exception as error:  # noqa: BLE001  # it may be there: asking again makes sense
        _log.warning("job %s: %s", command.job, error)
        return MetadataLoaded(command.job, command.path, None, LoadProblem.UNREACHABLE, str(error))
    return MetadataLoaded(command.job, command.path, metadata)
