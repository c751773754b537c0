"""One process at a time has the store: a lock file, held by `flock` for the life of the process that leads.

The kernel lets go of it when the process ends, however it ends, so there is no stale lock. The process id in the file
is for people alone.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from millstream_jobmanager.store.answers import StoreLockedError


class StoreLock:
    """Held from the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "that is just starting"
            raise StoreLockedError(
                f"the job store {self._path.parent} is in use by process {holder}; stop that JobManager, or give this "
                "one another high-availability.storageDir"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def lost(self) -> bool:
        """Somebody has removed or replaced the lock file, so a second process could take a lock of its own."""
        try:
            there = self._path.stat()
        except OSError:
            return True
        own = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino)

    def release(self) -> None:
        """The file stays: who removes it takes away the lock of somebody that is just taking it."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
