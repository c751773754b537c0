"""Graphs, functions and artifacts, addressed by their SHA-256."""

import hashlib
import os
import threading
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from millstream_dataflow.identity import Digest
from millstream_jobmanager.store.answers import StoreWriteError
from millstream_jobmanager.store.digests import checked_digest, is_digest, verified
from millstream_jobmanager.store.garbage import SPARED_S
from millstream_runtime.file_systems import is_refusal
from millstream_runtime.file_systems.local import write_durably


class Blobs:
    """In one directory, under the lock of the store; by any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._aging = threading.Lock()
        """Between the look at a blob's age and its end, nobody makes it young."""

    def path(self, digest: Digest) -> Path:
        """Where it lies or would lie."""
        return self._directory / checked_digest(digest)

    def put(self, digest: Digest, chunks: Iterable[bytes], now: float) -> None:
        """One that is there isn't written again, unless the disk has damaged it; it counts as new."""
        path = self.path(digest)
        try:
            with self._aging, suppress(FileNotFoundError):
                os.utime(path, (now, now))
            if not _is_whole(path, digest):
                write_durably(path, verified(digest, chunks))
            os.utime(path, (now, now))
        except OSError as error:
            raise StoreWriteError(f"blob {path} could not be written: {error}", refused=is_refusal(error)) from error

    def collect(self, needed: AbstractSet[Digest], now: float) -> None:
        """Delete the others, if they have been there for an hour."""
        for path in self._directory.iterdir():
            spared = path.name in needed or not is_digest(path.name)
            with self._aging:
                if not spared and path.stat().st_mtime < now - SPARED_S:
                    path.unlink()


def _is_whole(path: Path, digest: Digest) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False
