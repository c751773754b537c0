"""Disks and mounted file systems.

What is said to be written survives a power cut (law 4.3): a temporary name, fsync of the file, rename, fsync of the
directory. Up to the rename nothing has happened; from the rename on a failure leaves open what the disk holds. So a
directory in which a name is made is opened before: one that may be passed through but not read refuses in time.

A name that must be new is a hard link instead, which fails where there is one, on NFS too. Where a file system has no
links, somebody who takes the name in the same moment isn't noticed.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from millstream_runtime.file_systems.errors import UncertainWriteError

TEMPORARY_SUFFIX = ".writing"
_MOST_BUFFERS = 512  # half of what Linux takes in one writev
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_LEVELS = 3  # chk-7, the job's directory and the directory of all jobs: another task may have just made them


def write_durably(path: Path, chunks: Iterable[bytes], *, new: bool = False) -> None:
    """Replace a file in a directory that exists, or with `new` make it: FileExistsError when there is one. What
    `chunks` raises leaves nothing behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    with opened_directory(path.parent) as directory:
        try:
            _write_new(temporary, chunks)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        try:
            if new:
                _take_name(temporary, path)
            else:
                temporary.rename(path)
            os.fsync(directory)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            if new and isinstance(error, FileExistsError):
                raise
            raise UncertainWriteError(error.errno, f"{error.strerror}, while it took its name", str(path)) from error


def _take_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.rename(path)
    else:
        temporary.unlink()


def _write_new(path: Path, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        waiting: list[memoryview] = []
        for chunk in chunks:
            if chunk:
                waiting.append(memoryview(chunk))
            if len(waiting) == _MOST_BUFFERS:
                _write_all(descriptor, waiting)
        _write_all(descriptor, waiting)
        os.fsync(descriptor)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, waiting: list[memoryview]) -> None:
    """Until nothing waits: one call takes at most 2 GiB, and less when the disk is nearly full."""
    while waiting:
        written = os.writev(descriptor, waiting)
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if waiting:
            waiting[0] = waiting[0][written:]


def sync_directory(directory: Path) -> None:
    """Names in it are durable: made, renamed and removed ones."""
    with opened_directory(directory) as descriptor:
        os.fsync(descriptor)


@contextmanager
def opened_directory(directory: Path) -> Generator[int]:
    """For reading: only so it can be synced."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_directories(directory: Path, mode: int = 0o777) -> None:
    """A directory and what is missing above it, durably; the last one has the mode."""
    missing = [directory]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for one in reversed(missing):
        with suppress(FileExistsError), opened_directory(one.parent) as parent:
            one.mkdir(mode if one is directory else 0o777)
            try:
                os.fsync(parent)
            except OSError:
                with suppress(OSError):
                    one.rmdir()  # who tries again would take it for durable
                raise
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(directory))


def _sync_above(path: str, directories: Sequence[Path]) -> None:
    """Another task may have just made names in them; not in one that may not be read, for that would have refused."""
    try:
        for directory in directories:
            with suppress(PermissionError):
                sync_directory(directory)
    except OSError as error:
        raise UncertainWriteError(error.errno, error.strerror, path) from error


class LocalFile:
    """An open file on disk."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """One pread takes at most 2 GiB, so there may be several."""
        parts: list[bytes] = []
        while length > 0 and (part := os.pread(self._descriptor, length, offset)):
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Once."""
        os.close(self._descriptor)


class LocalStorage:
    """The file system of this machine; it has no state, so one object serves everybody."""

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """The directories above are durable too."""
        target = Path(path)
        make_directories(target.parent)
        write_durably(target, chunks)
        _sync_above(path, target.parents[1:_LEVELS])

    def make_private(self, directory: str) -> None:
        """What is made above it is as everywhere."""
        make_directories(Path(directory), 0o700)

    def publish(self, path: str, data: bytes) -> bytes:
        """The same bytes are written anew: where a sync has failed, a second one that doesn't proves nothing."""
        target = Path(path)
        make_directories(target.parent)
        with suppress(FileExistsError):
            if not target.exists():
                write_durably(target, [data], new=True)
                _sync_above(path, target.parents[1:_LEVELS])
                return data
        try:
            there = target.read_bytes()
        except FileNotFoundError as error:
            raise UncertainWriteError(error.errno, "somebody's was there, and has gone", path) from error
        if there == data:
            self.write(path, [data])
        return there

    def read(self, path: str) -> bytes:
        """As it is."""
        return Path(path).read_bytes()

    def open(self, path: str) -> LocalFile:
        """For reading."""
        return LocalFile(path)

    def entries(self, directory: str) -> list[str]:
        """Hidden ones too."""
        try:
            return sorted(entry.name for entry in Path(directory).iterdir())
        except FileNotFoundError:
            return []

    def find(self, directory: str, name: str) -> list[str]:
        """Two listings deep, whatever lies further below."""
        found: list[str] = []
        for entry in self.entries(directory):
            below = f"{directory}/{entry}"
            if not Path(below).is_dir():
                continue
            deeper = (f"{below}/{inner}" for inner in self.entries(below))
            found += [path for path in (below, *deeper) if Path(path, name).is_file()]
        return [f"{path}/{name}" for path in found]

    def identity(self, path: str) -> str:
        """Links above the entry are followed, the entry itself isn't."""
        absolute = Path(path).absolute()
        return str(Path(os.path.realpath(absolute.parent), absolute.name))

    def is_link(self, path: str) -> bool:
        """A symbolic one."""
        return Path(path).is_symlink()

    def remove_file(self, path: str) -> None:
        """With its name."""
        try:
            Path(path).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        sync_directory(Path(path).parent)

    def remove_tree(self, path: str) -> None:
        """`rmtree` walks by descriptors, so a link that is put into its way isn't followed either."""
        target = Path(path)
        with suppress(FileNotFoundError):
            if target.is_symlink() or not target.is_dir():
                target.unlink()
            else:
                shutil.rmtree(target)
