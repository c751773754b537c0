"""Other file systems (Hadoop's), by `pyarrow.fs`.

A file is written under a temporary name and moved; how durable that is, the file system decides, since pyarrow has no
call to sync.
"""

import errno
import secrets
from collections.abc import Iterable
from contextlib import suppress

from pyarrow import ArrowInvalid, NativeFile
from pyarrow.fs import FileSelector, FileSystem, FileType

from millstream_runtime.file_systems.errors import UncertainWriteError


def connect(uri: str) -> tuple["ArrowStorage", str]:
    """The file system of a URI, and the path in it that the URI stands for."""
    try:
        file_system, path = FileSystem.from_uri(uri)
    except ArrowInvalid as error:
        raise OSError(errno.EPROTONOSUPPORT, f"no file system for {uri}: {error}") from error
    return ArrowStorage(file_system), path


class ArrowFile:
    """An open file."""

    def __init__(self, file: NativeFile) -> None:
        self._file = file
        self.size = int(file.size())

    def read_at(self, offset: int, length: int) -> bytes:
        """One request."""
        self._file.seek(min(offset, self.size))
        return self._file.read(length)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class ArrowStorage:
    """One file system of pyarrow."""

    def __init__(self, file_system: FileSystem) -> None:
        self._files = file_system

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Closing the stream doesn't publish what came before a failure: it has another name."""
        directory, _, name = path.rpartition("/")
        self._files.create_dir(directory, recursive=True)
        temporary = f"{directory}/.{name}.{secrets.token_hex(8)}.writing"
        try:
            with self._files.open_output_stream(temporary) as stream:
                for chunk in chunks:
                    stream.write(chunk)
        except BaseException:
            with suppress(OSError):
                self._files.delete_file(temporary)
            raise
        try:
            self._files.move(temporary, path)
        except OSError as error:
            raise UncertainWriteError(error.errno, str(error), path) from error

    def make_private(self, directory: str) -> None:
        """Who may read what is said elsewhere."""

    def publish(self, path: str, data: bytes) -> bytes:
        """Somebody who publishes in the same moment isn't noticed: pyarrow has no call for it."""
        try:
            return self.read(path)
        except FileNotFoundError:
            self.write(path, [data])
            return data

    def read(self, path: str) -> bytes:
        """As it is."""
        with self._files.open_input_file(path) as file:
            return file.read()

    def open(self, path: str) -> ArrowFile:
        """For reading."""
        return ArrowFile(self._files.open_input_file(path))

    def entries(self, directory: str) -> list[str]:
        """One level."""
        found = self._files.get_file_info(FileSelector(directory, allow_not_found=True))
        return sorted(info.base_name for info in found)

    def find(self, directory: str, name: str) -> list[str]:
        """One listing of everything."""
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
        """With all that is below."""
        with suppress(FileNotFoundError):
            if self._files.get_file_info(path).type == FileType.File:
                self._files.delete_file(path)
            else:
                self._files.delete_dir(path)
