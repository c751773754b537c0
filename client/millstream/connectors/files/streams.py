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
_CHUNK = 1 << 18  # bytes that are read at once, at least


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

    def seek(self, offset: int) -> bool:
        """Go on at that offset, if that costs nothing; False: read up to there."""
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

    def seek(self, offset: int) -> bool:
        self._place = min(offset, self._size)
        self._file.seek(self._place)
        return True

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

    def seek(self, offset: int) -> bool:
        return False

    def close(self) -> None:
        self._source.close()


class Window:
    """The bytes at hand: `data`, which begin at `offset`. `exhausted`: the file has no more behind them."""

    def __init__(self, stream: ByteStream, path: str) -> None:
        self._stream = stream
        self._path = path
        self.data = b""
        self.offset = 0
        self.exhausted = False

    def fill(self, length: int) -> None:
        """Have at least so many bytes at hand, or all that are left."""
        while len(self.data) < length and not self.exhausted:
            more = self._stream.read(max(length - len(self.data), _CHUNK))
            self.exhausted = not more
            self.data += more

    def drop(self, length: int) -> None:
        """Those bytes are done with."""
        self.data = self.data[length:]
        self.offset += length

    def go_to(self, goal: int, budget: int) -> bool:
        """Go on at an offset; where bytes must be read to get there, at most about `budget` of them, and False."""
        if not self.offset <= goal <= self.offset + len(self.data) and self._stream.seek(goal):
            self.data, self.offset, self.exhausted = b"", goal, False
        while self.offset < goal and budget > 0:
            self.fill(1)
            if not self.data:
                what = f"the file has {self.offset} bytes, but was read up to {goal} before: it was changed meanwhile"
                raise DamagedFileError(errno.EIO, what, self._path)
            skipped = min(len(self.data), goal - self.offset)
            self.drop(skipped)
            budget -= skipped
        return self.offset == goal

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
