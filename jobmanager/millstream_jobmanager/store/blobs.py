"""Graphs, functions and artifacts, addressed by their SHA-256."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from millstream_dataflow.identity import Digest
from millstream_jobmanager.store.answers import BlobMismatchError, StoreError, StoreWriteError
from millstream_runtime.file_systems import is_refusal
from millstream_runtime.file_systems.local import write_durably

_DIGEST = re.compile(r"[0-9a-f]{64}")
SPARED_S = 3_600
"""How long a blob may wait for the record that needs it: the largest upload at 10 MB/s is 36 GB."""


class Blobs:
    """In one directory, under the lock of the store."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, digest: Digest) -> Path:
        """Where it lies or would lie. A digest comes from a client, and becomes the name of a file here."""
        if not _DIGEST.fullmatch(digest):
            raise StoreError(f"{digest!r} is no SHA-256 in 64 hexadecimal digits")
        return self._directory / digest

    def put(self, digest: Digest, chunks: Iterable[bytes], now: float) -> None:
        """One that is there isn't written again, unless the disk has damaged it; it counts as new."""
        path = self.path(digest)
        try:
            if not _is_whole(path, digest):
                write_durably(path, _verified(digest, chunks))
            os.utime(path, (now, now))
        except OSError as error:
            raise StoreWriteError(f"blob {path} could not be written: {error}", refused=is_refusal(error)) from error

    def collect(self, needed: AbstractSet[Digest], now: float) -> None:
        """Delete the others, if they have been there for an hour."""
        for path in self._directory.iterdir():
            spared = path.name in needed or not _DIGEST.fullmatch(path.name)
            if not spared and path.stat().st_mtime < now - SPARED_S:
                path.unlink()


def _is_whole(path: Path, digest: Digest) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def _verified(digest: Digest, chunks: Iterable[bytes]) -> Iterator[bytes]:
    found = hashlib.sha256()
    size = 0
    for chunk in chunks:
        found.update(chunk)
        size += len(chunk)
        yield chunk
    if found.hexdigest() != digest:
        text = f"{size} bytes came under the digest {digest}, theirs is {found.hexdigest()}; upload them again"
        raise BlobMismatchError(text)
