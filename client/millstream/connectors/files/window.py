"""What a reader has of its file at the moment. All that may block (open, read, seek, unpack, close) is done in a thread
of the task; the reader asks for bytes and gets them, or learns that it must wait.

The stream belongs to the job that is under way, and to nobody else meanwhile: there is one at a time, and what it has
fetched is taken over in the loop when it is told that the job is through. So nothing is locked. What a job raises is
raised where the bytes are asked for, behind all that came before them.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from millstream.connectors.files.streams import ByteStream

_LEAST = 1 << 18  # bytes that are fetched at once, at least: a round through the thread costs 0.1 ms
_COUNTED = 1 << 20  # bytes that are counted at once: the loop waits for less than 1 ms

RunBlocking = Callable[[Callable[[], None], Callable[[Exception | None], None]], None]
"""See SourceContext."""


class NotThereYetError(Exception):
    """It is being fetched; the reader will be called."""


class _Piece(NamedTuple):
    """Bytes, and whether the file has no more behind them."""

    data: bytes
    last: bool


class Window:
    """The bytes at hand: `data`, which begin at `offset`. `exhausted`: the file has no more behind them."""

    def __init__(self, open_: Callable[[], ByteStream], run_blocking: RunBlocking) -> None:
        """`open_` is called in the thread."""
        self._open = open_
        self._run_blocking = run_blocking
        self._stream: ByteStream | None = None
        self._goal: int | None = None  # where the stream goes before it is read next
        self._fetched: _Piece | None = None  # what the job has got
        self._ahead: _Piece | None = None  # the same, taken over
        self._error: Exception | None = None
        self._under_way = False
        self._closed = False
        self.data = b""
        self.offset = 0
        self.exhausted = False

    def fill(self, length: int) -> None:
        """Have at least so many bytes at hand, or all that are left."""
        while len(self.data) < length and not self.exhausted:
            self.fetch_ahead(length)
            if self._error is not None:
                raise self._error
            if self._ahead is None:
                raise NotThereYetError
            self._take(self._ahead)

    def fetch_ahead(self, length: int) -> None:
        """See to it that so many bytes will be at hand, unless something is being fetched, or lies there, already."""
        missing = length - len(self.data)
        idle = not self._under_way and self._ahead is None and self._error is None
        if missing > 0 and idle and not self.exhausted:
            self._under_way = True
            self._run_blocking(partial(self._fetch, max(missing, _LEAST)), self._told)

    def drop(self, length: int) -> None:
        """Those bytes are done with."""
        self.data = self.data[length:]
        self.offset += length

    def go_to(self, goal: int) -> None:
        """Go on at an offset, which for gzip lies ahead."""
        if goal == self.offset:
            return
        if self._under_way:
            raise NotThereYetError
        if self._ahead is not None:
            self._take(self._ahead)
        if self.offset < goal <= self.offset + len(self.data):
            self.drop(goal - self.offset)
        else:
            self.data, self.offset, self.exhausted, self._goal = b"", goal, False, goal

    def close(self) -> None:
        """Let go of the file: a job that is under way does so at its end."""
        self._closed = True
        if not self._under_way:
            self._let_go()

    def _take(self, piece: _Piece) -> None:
        self.data += piece.data
        self.exhausted, self._ahead = piece.last, None

    def _told(self, error: Exception | None) -> None:
        self._under_way = False
        self._error = error
        self._ahead, self._fetched = self._fetched, None
        if self._closed:
            self._let_go()

    def _let_go(self) -> None:
        stream, self._stream, self._ahead = self._stream, None, None
        if stream is not None:
            self._run_blocking(stream.close, _ignored)

    def _fetch(self, length: int) -> None:
        """In the thread."""
        if self._closed:  # it has waited for others
            return
        if self._stream is None:
            self._stream = self._open()
        if self._goal is not None:
            self._stream.seek(self._goal)
            self._goal = None
        parts: list[bytes] = []
        while length > 0 and (part := self._stream.read(length)):
            parts.append(part)
            length -= len(part)
        self._fetched = _Piece(b"".join(parts), last=length > 0)


class LineCount:
    """Counts the lines before an offset of a plain file, in a thread, by a stream of its own."""

    def __init__(self, open_: Callable[[], ByteStream], run_blocking: RunBlocking, offset: int) -> None:
        self._open = open_
        self._left = offset
        self._lines = 1
        self._error: Exception | None = None
        self._under_way, self._closed = True, False
        run_blocking(self._count, self._told)

    @property
    def line(self) -> int:
        """The number of the line at the offset, from 1."""
        if self._under_way:
            raise NotThereYetError
        if self._error is not None:
            raise self._error
        return self._lines

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._closed = True

    def _told(self, error: Exception | None) -> None:
        self._under_way = False
        self._error = error

    def _count(self) -> None:
        """In the thread."""
        if self._closed:
            return
        stream = self._open()
        try:
            while self._left and not self._closed:
                data = stream.read(min(self._left, _COUNTED))
                self._left -= len(data)
                self._lines += data.count(b"\n")
        finally:
            stream.close()


def _ignored(_error: Exception | None) -> None:
    """Nothing was written to it."""
