"""The job store of a single JobManager: one directory.

    lock                  held by flock, with the holder's process id
    epoch                 the highest epoch taken here
    jobs/<job>.record     one a job
    blobs/<digest>        graphs, functions, artifacts

Everything is replaced atomically and durable before it counts, so a JobManager that was killed at any moment leaves
the state before its last write or the one after it. The directory is readable by its owner alone: blobs are code that
workers run.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from millstream_dataflow.identity import Digest, Epoch, JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store.answers import StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.blobs import Blobs
from millstream_jobmanager.store.contract import JobStore
from millstream_jobmanager.store.garbage import Collections, needed_blobs
from millstream_jobmanager.store.lock import StoreLock
from millstream_jobmanager.store.records import Records
from millstream_jobmanager.store.sealed import DamagedError, seal, unseal
from millstream_runtime.file_systems import OpenFile, is_refusal
from millstream_runtime.file_systems.local import TEMPORARY_SUFFIX, LocalStorage, make_directories, write_durably
from millstream_runtime.messages.record import JobRecord

_log = logging.getLogger("millstream.jobmanager.store")


class LocalJobStore(JobStore):
    """A directory. `clock` gives seconds since 1970, as the times of files are."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._records = Records(directory / "jobs")
        self._blobs = Blobs(directory / "blobs")
        self._lock: StoreLock | None = None
        self._collections = Collections()

    def knows_epochs(self) -> bool:
        """Its file may be older than the checkpoints: a copy that somebody has put back."""
        return False

    def open(self, floor: Epoch) -> Epoch:
        """Also clears away what a predecessor was writing when it died."""
        if self._lock is not None:
            raise StoreError(f"the job store {self._directory} is open already")
        try:
            # Not what else lies below: by default the checkpoints do, and running tasks write there meanwhile.
            ours = (self._directory, self._directory / "jobs", self._directory / "blobs")
            for directory in ours:
                make_directories(directory, 0o700)
            self._lock = StoreLock(self._directory / "lock")
            for leftover in [path for directory in ours for path in directory.glob(f".*{TEMPORARY_SUFFIX}")]:
                leftover.unlink()
            return self._next_epoch(floor)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                text = f"the job store {self._directory} can't be opened: {error}"
                raise StoreWriteError(text, refused=is_refusal(error)) from error
            raise

    def _next_epoch(self, floor: Epoch) -> Epoch:
        path = self._directory / "epoch"
        try:
            stored = int(unseal(path.read_bytes()))
        except FileNotFoundError:
            stored = 0
        except DamagedError as error:
            raise StoreDamagedError(
                f"{path} can't be read: {error}. Put back a copy; or delete it and restart all TaskManagers, since "
                "they may follow a higher epoch than the one that is then taken from the checkpoints"
            ) from error
        epoch = Epoch(max(stored, floor) + 1)
        write_durably(path, [seal(str(epoch).encode())])
        return epoch

    def recover(self) -> list[JobRecord]:
        """In the order of their ids."""
        self._held()
        return self._records.read_all()

    def put(self, record: JobRecord) -> StoreAnswer:
        """A lock that was taken away is a conflict: another may lead by now."""
        if self._held().lost():
            return StoreAnswer(Outcome.CONFLICT, f"the lock file of the job store {self._directory} was replaced")
        return self._records.put(record)

    def delete(self, job: JobId) -> None:
        """StoreWriteError when it could not be deleted; its blobs go with the next collection."""
        self._held()
        self._records.delete(job)

    def put_blob(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """The chunks of one that is there already aren't read. StoreWriteError when there is no room."""
        self._held()
        self._blobs.put(digest, chunks, self._clock())

    def open_blob(self, digest: Digest) -> OpenFile | None:
        """It stays whole while it is open, also when it is collected meanwhile."""
        self._held()
        try:
            return LocalStorage().open(str(self._blobs.path(digest)))
        except FileNotFoundError:
            return None

    def collect_garbage(self) -> None:
        """Nothing is collected while a record or a graph can't be read: what it needs isn't known."""
        self._held()
        now = self._clock()
        if not self._collections.is_due(now):
            return
        try:
            needed = {digest for record in self._records.read_all() for digest in self._needed(record)}
        except (StoreDamagedError, DamagedError, OSError) as error:
            self._collections.hindered(str(error))
            return
        self._collections.went_well()
        self._blobs.collect(needed, now)

    def _needed(self, record: JobRecord) -> Iterable[Digest]:
        path = self._blobs.path(record.graph.digest)
        return needed_blobs(record, path.read_bytes() if path.exists() else None, str(path))

    def close(self) -> None:
        """Once or more often."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _held(self) -> StoreLock:
        if self._lock is None:
            raise StoreError(f"the job store {self._directory} isn't open")
        return self._lock
