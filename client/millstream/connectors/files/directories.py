"""The few things that a file sink does to a directory.

On a disk a name changes by rename: at once or not at all, and durable when the directory is synced (law 4.3). The
descriptor for that is opened before the rename, since one that is opened later isn't told of what failed in between
when somebody else has heard of it: all writers of a sink share the directory. Elsewhere
(`pyarrow.fs`) an object is durable when its stream is closed, and a move is a copy and then a delete. Between the two
both names are there, and the move is done again: the copy takes the place of an equal one. So what law 6.1 asks holds
there too, and a reader sees an object whole or not at all wherever a PUT is atomic.
"""

import os
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
from pyarrow import fs

from millstream.connectors.files.paths import file_system
from millstream_runtime.file_systems.local import make_directories, opened_directory

_BUFFER = 1 << 20  # bytes that are written at once


class LostWritesError(OSError):
    """The system couldn't bring to the disk what it had taken. It says so once, forgets the data, and succeeds the next
    time (PostgreSQL's wiki: "Fsync Errors"); so trying again would prove nothing.
    """


class PartFile(Protocol):
    """A file that is being written."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    def write(self, data: bytes) -> None:
        """More of it."""
        ...

    def finish(self) -> None:
        """Close it; all of it is durable, though its name may not be. May block. LostWritesError when its content is
        lost; after any other error it may be tried again.
        """
        ...

    def abandon(self) -> None:
        """Close it, whatever becomes of it."""
        ...


class Leftover(NamedTuple):
    """What nobody needs any more: a file, if it is still open, and the names that it may have."""

    file: PartFile | None
    names: tuple[str, ...]


class Directory(Protocol):
    """A directory of one file system."""

    def create(self, name: str) -> PartFile:
        """A new file, and the directory where it isn't there yet."""
        ...

    def rename(self, source: str, target: str) -> None:
        """FileNotFoundError when the source isn't there."""
        ...

    def durable_names(self, folder: str = "") -> AbstractContextManager[None]:
        """What is renamed within the block, in the directory or into that folder of it, is durable behind it. The
        folder is made where it isn't there. LostWritesError when that is lost; after any other error it may be tried
        again. FileNotFoundError where the directory isn't there.
        """
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file; None: there is none."""
        ...

    def names(self) -> Iterable[str]:
        """Of all files; none where the directory isn't there."""
        ...

    def delete(self, name: str) -> None:
        """A file, if it is there."""
        ...

    def discard(self, leftovers: Sequence[Leftover]) -> None:
        """Delete these; what can't be deleted stays hidden. It raises nothing, and takes no longer than `create`."""
        ...


def open_directory(path: str) -> Directory:
    """Of a path or URI; it need not exist."""
    system, inside = file_system(path)
    local = isinstance(system, fs.LocalFileSystem)
    return LocalDirectory(Path(inside)) if local else RemoteDirectory(system, inside.rstrip("/"))


class LocalDirectory:
    """On a disk, or mounted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, name: str) -> PartFile:
        """See Directory."""
        make_directories(self._path)
        return _LocalFile(self._path / name)

    def rename(self, source: str, target: str) -> None:
        """See Directory."""
        (self._path / source).rename(self._path / target)

    @contextmanager
    def durable_names(self, folder: str = "") -> Generator[None]:
        """See Directory."""
        with ExitStack() as stack:
            opened = [(self._path, stack.enter_context(opened_directory(self._path)))]
            for path in self._folders(folder):
                make_directories(path)
                opened.append((path, stack.enter_context(opened_directory(path))))
            yield
            for path, descriptor in opened:
                _sync(descriptor, path)

    def _folders(self, folder: str) -> list[Path]:
        """It and those above it, outer ones first: another writer may have just made them, and not synced them yet."""
        inside = Path(folder)
        return [self._path / path for path in reversed((inside, *inside.parents)) if path.name]

    def size(self, name: str) -> int | None:
        """See Directory."""
        try:
            return (self._path / name).stat().st_size
        except FileNotFoundError:
            return None

    def names(self) -> Iterable[str]:
        """See Directory."""
        try:
            return sorted(os.listdir(self._path))  # noqa: PTH208  # names, not paths
        except FileNotFoundError:
            return ()

    def delete(self, name: str) -> None:
        """See Directory."""
        (self._path / name).unlink(missing_ok=True)

    def discard(self, leftovers: Sequence[Leftover]) -> None:
        """See Directory."""
        _discard(self, leftovers)


def _sync(descriptor: int, path: Path) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise LostWritesError(error.errno, error.strerror, str(path)) from error


def _discard(directory: Directory, leftovers: Sequence[Leftover]) -> None:
    """Each for itself: one that can't be closed or deleted keeps no other."""
    for file, names in leftovers:
        if file is not None:
            with suppress(OSError, pa.ArrowException):
                file.abandon()
        for name in names:
            with suppress(OSError, pa.ArrowException):
                directory.delete(name)


class _LocalFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=_BUFFER)

    def write(self, data: bytes) -> None:
        self._file.write(data)

    @property
    def size(self) -> int:
        return self._file.tell()

    def finish(self) -> None:
        self._file.flush()  # what a full disk didn't take stays in the buffer
        _sync(self._file.fileno(), self._path)
        self.abandon()

    def abandon(self) -> None:
        with suppress(OSError):  # of a full disk: the descriptor is closed all the same
            self._file.close()


class RemoteDirectory:
    """On any other file system of pyarrow."""

    def __init__(self, system: fs.FileSystem, path: str) -> None:
        self._system = system
        self._path = path

    def create(self, name: str) -> PartFile:
        """See Directory."""
        self._system.create_dir(self._path, recursive=True)
        path = f"{self._path}/{name}"
        return _RemoteFile(self._system.open_output_stream(path, compression=None), path)

    def rename(self, source: str, target: str) -> None:
        """See Directory."""
        if self.size(source) is None:
            raise FileNotFoundError(f"{self._path}/{source}")
        self._system.move(f"{self._path}/{source}", f"{self._path}/{target}")

    def durable_names(self, folder: str = "") -> AbstractContextManager[None]:
        """Nothing but the folder: what was acknowledged is durable."""
        if folder:
            self._system.create_dir(f"{self._path}/{folder}", recursive=True)
        return nullcontext()

    def size(self, name: str) -> int | None:
        """See Directory."""
        info = self._system.get_file_info(f"{self._path}/{name}")
        return info.size if info.type == fs.FileType.File else None

    def names(self) -> Iterable[str]:
        """See Directory."""
        found = self._system.get_file_info(fs.FileSelector(self._path, allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == fs.FileType.File)

    def delete(self, name: str) -> None:
        """See Directory."""
        if self.size(name) is not None:
            self._system.delete_file(f"{self._path}/{name}")

    def discard(self, leftovers: Sequence[Leftover]) -> None:
        """In a thread of its own: pyarrow has no way to give a stream up, so closing it uploads what it holds."""
        if leftovers:
            threading.Thread(target=_discard, args=(self, leftovers), name="discard", daemon=True).start()


class _RemoteFile:
    def __init__(self, stream: pa.NativeFile, path: str) -> None:
        self._stream = stream
        self._path = path
        self.size = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self.size += len(data)

    def finish(self) -> None:
        try:
            self._stream.close()
        except OSError as error:  # it may be closed all the same, and closing it again would find no error
            raise LostWritesError(error.errno, str(error), self._path) from error

    def abandon(self) -> None:
        self._stream.close()
