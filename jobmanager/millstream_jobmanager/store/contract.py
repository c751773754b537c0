"""What every job store does. All calls block. Those about records come from one thread, those about blobs from any."""

from collections.abc import Iterable
from typing import Protocol

from millstream_dataflow.identity import Digest, Epoch, JobId
from millstream_jobmanager.store.answers import StoreAnswer
from millstream_runtime.file_systems import OpenFile
from millstream_runtime.messages.record import JobRecord


class JobStore(Protocol):
    """Records and blobs under one leader. Everything but `open` is refused unless it is open."""

    def knows_epochs(self) -> bool:
        """Whether the store itself remembers all that were taken, so that nobody need look through the checkpoints, of
        which there may be many. Before `open`.
        """
        ...

    def open(self, floor: Epoch) -> Epoch:
        """Take the lock, or say in StoreLockedError who has it, unless it came with the office; then take the next
        epoch, above the stored one and above `floor`, durably (law 1.2).
        """
        ...

    def recover(self) -> list[JobRecord]:
        """Every job's record. StoreDamagedError names each that can't be read, and what to do."""
        ...

    def put(self, record: JobRecord) -> StoreAnswer:
        """Replace the job's record if its version is `record.version - 1` (0: there is none). The same version and
        nonce once more is done already.
        """
        ...

    def delete(self, job: JobId) -> None:
        """Forget a job. Nothing happens when there is no such job."""
        ...

    def put_blob(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Keep bytes; durable when this returns. BlobMismatchError when they don't have this SHA-256."""
        ...

    def open_blob(self, digest: Digest) -> OpenFile | None:
        """A blob for reading, in any thread; None when there is none. Whoever opens it closes it."""
        ...

    def collect_garbage(self) -> None:
        """Delete blobs that no job needs and that are older than an hour: a submit uploads them before its record is
        stored. Nothing happens when the last time was a few minutes ago.
        """
        ...

    def close(self) -> None:
        """Let go of what is the store's own."""
        ...
