"""Graphs, functions and artifacts in a directory that several JobManagers reach.

    <digest>.<epoch of the leader that wrote it>

What a client brings is written anew under the leader's own epoch, whoever has written it before. So a deposed leader
that comes late deletes nothing that was brought to a successor: it knows names of older epochs alone. A submit may name
any blob that is listed: one that was brought to a former leader less than an hour ago is spared by all.
"""

import hashlib
import re
import threading
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from re import Match
from typing import Final

from millstream_dataflow.identity import Digest, Epoch
from millstream_jobmanager.store.digests import checked_digest, verified
from millstream_runtime.file_systems import Location, OpenFile

FILE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})(?:\.(?P<epoch>[0-9]{1,19}))?")
"""The name of a blob's file; without an epoch, of a store that has one leader."""
PIECE: Final = 1 << 20


def newest_files(names: Iterable[str]) -> dict[Digest, str]:
    """For each blob in a listing the file that was written last."""
    found: dict[Digest, str] = {}
    for match in sorted(_matches(names), key=_epoch):
        found[Digest(match["digest"])] = match.group()
    return found


def _matches(names: Iterable[str]) -> list[Match[str]]:
    return [match for name in names if (match := FILE.fullmatch(name))]


def _epoch(match: Match[str]) -> int:
    return int(match["epoch"] or 0)


class SharedBlobs:
    """Of one leader, from its epoch on; by any thread."""

    def __init__(self, place: Location, epoch: Epoch) -> None:
        self._place = place
        self._epoch = epoch
        self._lock = threading.Lock()
        self._files = newest_files(place.storage.entries(place.path))

    def own_file(self, digest: Digest) -> str:
        """The path at which this leader writes it. StoreError for what is no digest."""
        return (self._place / f"{checked_digest(digest)}.{self._epoch}").path

    def put(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Unless this very leader has written it, and it is whole. OSError when there is no room."""
        path = self.own_file(digest)
        if not self._is_whole(path, digest):
            self._place.storage.write(path, verified(digest, chunks))
        with self._lock:
            self._files[digest] = path.rpartition("/")[2]

    def _is_whole(self, path: str, digest: Digest) -> bool:
        try:
            file = self._place.storage.open(path)
        except FileNotFoundError:
            return False
        try:
            found = hashlib.sha256()
            for start in range(0, file.size, PIECE):
                found.update(file.read_at(start, PIECE))
            return found.hexdigest() == digest
        finally:
            file.close()

    def open(self, digest: Digest) -> OpenFile | None:
        """For reading; None when there is none."""
        with self._lock:
            name = self._files.get(checked_digest(digest))
        try:
            return None if name is None else self._place.storage.open((self._place / name).path)
        except FileNotFoundError:
            return None

    def read(self, digest: Digest) -> bytes | None:
        """All of a small one; None when there is none."""
        file = self.open(digest)
        if file is None:
            return None
        try:
            return file.read_at(0, file.size)
        finally:
            file.close()

    def path(self, digest: Digest) -> str:
        """Where it lies or would lie, for people."""
        with self._lock:
            name = self._files.get(digest, digest)
        return (self._place / name).path

    def unneeded(self, needed: AbstractSet[Digest]) -> list[str]:
        """Paths of those that nobody needs, and of older copies of the others."""
        names = self._place.storage.entries(self._place.path)
        kept = {name for digest, name in newest_files(names).items() if digest in needed}
        return [(self._place / match.group()).path for match in _matches(names) if match.group() not in kept]
