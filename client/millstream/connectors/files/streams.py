"""The bytes of a file, in order, gzip or not. Offsets count what comes out, so for gzip the uncompressed bytes.

A file is read up to the size at which it was found: what is appended afterwards is not seen, so a restored reader sees
what the first one saw.
"""

import errno
import zlib
from typing import Protocol

from pyarrow import NativeFile, fs

from millstream_dataflow.errors import NonRecoverableError

_COMPRESSED = 1 << 18  # bytes of a gzip file that are read at once: about a batch when they are unpacked
_SKIPPED = 1 << 20  # bytes that are unpacked at once where nobody wants them


class DamagedFileError(NonRecoverableError, OSError):
    """A file whose content breaks off or can't be unpacked. Its records so far have been read; reading it again would
    come as far.
    """

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class ByteStream(Protocol):
    """Bytes from an offset on."""

    def read(self, length: int) -> bytes:
        """So many bytes or fewer, none at the end."""
        ...

    def seek(self, offset: int) -> None:
        """Go on at that offset, which for gzip lies ahead."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def open_stream(system: fs.FileSystem, path: str, size: int, *, gzip: bool) -> ByteStream:
    """A stream at its beginning."""
    source = _Limited(system.open_input_file(path), path, size)
    return _GzipStream(source, path) if gzip else source


def is_gzip(path: str) -> bool:
    """By its name: the enumerator, which must know, opens no file."""
    return path.endswith((".gz", ".gzip"))


class _Limited:
    """A file as long as it was when it was found."""

    def __init__(self, file: NativeFile, path: str, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size
        self._place = 0

    def read(self, length: int) -> bytes:
        data: bytes = self._file.read(min(length, self._size - self._place))
        self._place += len(data)
        if not data and self._place < self._size:
            what = f"the file ends at byte {self._place}, but had {self._size} when it was found"
            raise DamagedFileError(
                errno.EIO, f"{what}; write files elsewhere and move them here when whole", self._path
            )
        return data

    def seek(self, offset: int) -> None:
        self._place = min(offset, self._size)
        self._file.seek(self._place)

    def close(self) -> None:
        self._file.close()


class _GzipStream:
    """All members of a gzip file, one after the other, and the zeros that tapes put behind them."""

    def __init__(self, source: _Limited, path: str) -> None:
        self._source = source
        self._path = path
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False
        self._packed = b""
        self._place = 0

    def read(self, length: int) -> bytes:
        while True:
            packed = self._packed or self._source.read(_COMPRESSED)
            self._packed = b""
            if not packed:
                if self._begun:
                    mend = "its writer may not have finished it: copy it anew"
                    raise DamagedFileError(errno.EIO, f"the gzip file breaks off; {mend}", self._path)
                return b""
            if data := self._unpack(packed, length):
                self._place += len(data)
                return data

    def _unpack(self, packed: bytes, length: int) -> bytes:
        if not self._begun:
            packed = packed.lstrip(b"\0")
            if not packed:
                return b""
        try:
            data = self._member.decompress(packed, length)
        except zlib.error as error:
            raise DamagedFileError(
                errno.EIO, f"the gzip file is damaged ({error}); copy it anew", self._path
            ) from error
        self._begun = not self._member.eof
        self._packed = self._member.unconsumed_tail
        if self._member.eof:
            self._packed = self._member.unused_data
            self._member = zlib.decompressobj(wbits=31)
        return data

    def seek(self, offset: int) -> None:
        while self._place < offset:
            if not self.read(min(offset - self._place, _SKIPPED)):
                what = f"the file has {self._place} bytes, but was read up to {offset} before: it was changed meanwhile"
                raise DamagedFileError(errno.EIO, what, self._path)

    def close(self) -> None:
        self._source.close()
