"""Object stores and other file systems, by `pyarrow.fs`.

On an object store an acknowledged PUT is durable and whole (law 4.3). Elsewhere a file is written under a temporary
name and moved; how durable that is, the file system decides, since pyarrow has no call to sync.
"""

import errno
import secrets
from collections.abc import Sequence
from contextlib import suppress

from pyarrow import ArrowInvalid, NativeFile
from pyarrow.fs import FileSelector, FileSystem, FileType

from millstream_runtime.file_systems.errors import UncertainWriteError

_OBJECT_STORES = {"s3", "gcs", "abfs"}


def connect(uri: str) -> tuple["ArrowStorage", str]:
    """The file system of a URI, and the path in it that the URI stands for."""
    try:
        file_system, path = FileSystem.from_uri(uri)
    except ArrowInvalid as error:
        raise OSError(errno.EPROTONOSUPPORT, f"no file system for {uri}: {error}") from error
    return ArrowStorage(file_system), path


class ArrowFile:
    """An open file or object."""

    def __init__(self, file: NativeFile) -> None:
        self._file = file
        self.size = int(file.size())

    def read_at(self, offset: int, length: int) -> bytes:
        """One request."""
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class ArrowStorage:
    """One file system of pyarrow."""

    def __init__(self, file_system: FileSystem) -> None:
        self._files = file_system
        self._whole_puts = file_system.type_name in _OBJECT_STORES

    def write(self, path: str, chunks: Sequence[bytes]) -> None:
        """In one call of `write`: when it fails halfway, closing the stream would publish the half."""
        data = b"".join(chunks)
        if self._whole_puts:
            self._put(path, data)
            return
        directory, _, name = path.rpartition("/")
        self._files.create_dir(directory, recursive=True)
        temporary = f"{directory}/.{name}.{secrets.token_hex(8)}.writing"
        with self._files.open_output_stream(temporary) as stream:
            stream.write(data)
        try:
            self._files.move(temporary, path)
        except OSError as error:
            raise UncertainWriteError(error.errno, str(error), path) from error

    def _put(self, path: str, data: bytes) -> None:
        upload = self._files.open_output_stream(path)
        try:
            with upload as stream:
                stream.write(data)
        except FileNotFoundError as error:  # an upload that isn't there any more may be one that has landed
            raise UncertainWriteError(error.errno, str(error), path) from error

    def confirm(self, path: str, chunks: Sequence[bytes]) -> None:
        """What is seen was acknowledged."""

    def open(self, path: str) -> ArrowFile:
        """For reading."""
        return ArrowFile(self._files.open_input_file(path))

    def entries(self, directory: str) -> list[str]:
        """One level."""
        found = self._files.get_file_info(FileSelector(directory, allow_not_found=True))
        return sorted(info.base_name for info in found)

    def find(self, directory: str, name: str) -> list[str]:
        """One listing of everything: an object store has no levels, and gives 1,000 names a request."""
        found = self._files.get_file_info(FileSelector(directory, allow_not_found=True, recursive=True))
        paths = sorted(info.path for info in found if info.base_name == name and info.type == FileType.File)
        return [path for path in paths if path.count("/") - directory.count("/") in (2, 3)]

    def identity(self, path: str) -> str:
        """With the kind of file system, so that no path on disk is equal to it."""
        return f"{self._files.type_name}:{path.strip('/')}"

    def is_link(self, path: str) -> bool:
        """There are no links."""
        return False

    def remove_file(self, path: str) -> None:
        """Gone with the answer."""
        with suppress(FileNotFoundError):
            self._files.delete_file(path)

    def remove_tree(self, path: str) -> None:
        """With all objects below."""
        with suppress(FileNotFoundError):
            if self._files.get_file_info(path).type == FileType.File:
                self._files.delete_file(path)
            else:
                self._files.delete_dir(path)
