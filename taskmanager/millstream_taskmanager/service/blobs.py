"""What messages name by digest, on this machine's disk: fetched once, verified, kept while somebody needs it.

A blob has owners: a job (its graph, functions, artifacts) or a single worker (its deployment and restore). The file
goes when the last of them lets go. Nothing here survives the TaskManager, so nothing is synced to the disk.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import BlobRef
from millstream_taskmanager.processes.disk import Disk

TRIES: Final = 3  # of one that was damaged or interrupted on its way
PAUSE_S: Final = 0.1  # before the next leader is asked, who may be the same one
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

Take = Callable[[bytes], Awaitable[None]]


class BlobError(RuntimeError):
    """A blob can't be had; the sentence says which and why."""


class InterruptedFetchError(BlobError):
    """It may go better the next time."""


class SourceGoneError(InterruptedFetchError):
    """Who was asked is gone. That is nobody's fault, and the next one is asked, however often it happens."""


class BlobSource(Protocol):
    """Where blobs come from."""

    async def fetch(self, digest: Digest, take: Take) -> None:
        """Hand every piece to `take`, in order. InterruptedFetchError, or BlobError when it is no use to try again.
        Waits as long as nobody is there to be asked.
        """
        ...


@dataclass(slots=True)
class _Blob:
    """One that somebody owns."""

    path: Path
    owners: set[str] = field(default_factory=set[str])
    fetching: "asyncio.Task[None] | None" = None
    waiting: int = 0
    here: bool = False


class BlobCache:
    """One fetch a digest at a time, whoever asks. Files are written by a thread, so a slow disk holds no heartbeat."""

    def __init__(self, directory: Path, source: BlobSource) -> None:
        self._directory = directory
        self._source = source
        self._blobs: dict[Digest, _Blob] = {}
        self._disk = Disk("blobs", "what it still does there is of no use to anybody")
        self._number = 0

    async def need(self, reference: BlobRef, owner: str) -> Path:
        """The blob's file, there until its owner is released. BlobError when it can't be had."""
        if not _DIGEST.fullmatch(reference.digest):
            raise BlobError(f"{reference.digest[:80]!r} is no SHA-256, so there can be no blob of that name")
        blob = self._blobs.get(reference.digest)
        if blob is None:
            blob = self._blobs[reference.digest] = _Blob(self._directory / reference.digest)
        blob.owners.add(owner)
        if not blob.here:
            await self._arrival(reference, blob)
        return blob.path

    async def _arrival(self, reference: BlobRef, blob: _Blob) -> None:
        """Join the fetch. It ends when nobody waits for it any more, not when the first one stops waiting."""
        if blob.fetching is None:
            blob.fetching = asyncio.create_task(self._fetch(reference, blob), name=f"blob {reference.digest[:12]}")
        task = blob.fetching
        blob.waiting += 1
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                raise BlobError(f"the fetch of blob {reference.digest[:12]} was given up") from None
            raise
        finally:
            blob.waiting -= 1
            if not blob.waiting and not task.done():
                blob.fetching = None
                task.cancel()

    async def _fetch(self, reference: BlobRef, blob: _Blob) -> None:
        try:
            tries = 0
            while not blob.here:
                try:
                    await self._fetch_once(reference, blob.path)
                    blob.here = True
                except SourceGoneError:
                    await asyncio.sleep(PAUSE_S)
                except InterruptedFetchError:
                    tries += 1
                    if tries == TRIES:
                        raise
        finally:
            blob.fetching = None

    async def _fetch_once(self, reference: BlobRef, path: Path) -> None:
        self._number += 1
        arriving = _Arriving(reference, path.with_name(f"{path.name}.{self._number}.part"))
        try:
            await self._disk.ask(arriving.open)
            await self._source.fetch(reference.digest, lambda data: self._disk.ask(lambda: arriving.take(data)))
            await self._disk.ask(lambda: arriving.finish(path))
        except OSError as error:
            raise _unwritable(reference, error) from error
        finally:
            # The thread does one thing after the other, so what was still under way comes before this.
            self._disk.start(arriving.discard)

    async def read(self, path: Path) -> bytes:
        """The bytes of a blob that is here."""
        return await self._disk.ask(path.read_bytes)

    def unlink(self, path: Path) -> None:
        """Sooner or later, if it is there: another file of this TaskManager's."""
        self._disk.start(partial(path.unlink, missing_ok=True))

    def release(self, owner: str) -> None:
        """This owner needs nothing more."""
        for digest, blob in list(self._blobs.items()):
            blob.owners.discard(owner)
            if blob.owners:
                continue
            del self._blobs[digest]
            if blob.fetching is not None:
                blob.fetching.cancel()
            if blob.here:
                self.unlink(blob.path)

    async def stop(self) -> None:
        """End every fetch and the thread, unless the disk hangs."""
        tasks = [blob.fetching for blob in self._blobs.values() if blob.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._disk.end()


class _Arriving:
    """A file that is being written; its methods run on the disk's thread."""

    def __init__(self, reference: BlobRef, path: Path) -> None:
        self._reference = reference
        self._path = path
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._size = 0

    def open(self) -> None:
        """Before the first piece."""
        self._file = self._path.open("xb")

    def take(self, data: bytes) -> None:
        """The next piece. More than was promised is refused before it fills the disk."""
        self._size += len(data)
        if self._size > self._reference.size:
            raise InterruptedFetchError(self._wrong(f"more than its {self._reference.size:,} bytes came"))
        self._hash.update(data)
        self._opened().write(data)

    def finish(self, path: Path) -> None:
        """All is there: it gets its name if it is what was asked for."""
        self._opened().close()
        if self._size != self._reference.size:
            raise InterruptedFetchError(self._wrong(f"{self._size:,} of its {self._reference.size:,} bytes came"))
        if self._hash.hexdigest() != self._reference.digest:
            raise InterruptedFetchError(self._wrong("what came has another SHA-256, so it was damaged on its way"))
        self._path.rename(path)

    def discard(self) -> None:
        """Whatever is left of a try that failed."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self._path} is not open")
        return self._file

    def _wrong(self, what: str) -> str:
        return f"blob {self._reference.digest[:12]} could not be fetched, {TRIES} times: {what}"


def _unwritable(reference: BlobRef, error: OSError) -> BlobError:
    return BlobError(
        f"blob {reference.digest[:12]} ({reference.size:,} bytes) can't be written into the TaskManager's working "
        f"directory: {error}; make room there, or set io.tmp.dirs to a larger disk"
    )


def _is_cancelled() -> bool:
    """Whether the present task itself is asked to end, rather than what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
