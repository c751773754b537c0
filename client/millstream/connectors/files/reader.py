"""Bytes become batches. A batch is the largest number of whole records within the limits of count and bytes, at least
one; so it depends on the file alone, and every run cuts the same (law 7.2).

The position is where the next batch begins: offset and number of its line. The number is unknown in a range that begins
inside of the file; it is counted when a malformed line must be named, in steps, and the batch waits for it. No call
reads or unpacks much more than a batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from millstream.connectors.files.paths import file_system
from millstream.connectors.files.splits import FileSplit
from millstream.connectors.files.streams import ByteStream, Window, is_gzip, open_stream
from millstream.formats.lines import FormatError, LineParser, Lines, Malformed, Parsed, newlines
from millstream.formats.stream_format import StreamFormat
from millstream_dataflow.connectors import Read, SourceContext, SplitReader
from millstream_dataflow.errors import NonRecoverableError

_TARGET = 1 << 20  # bytes of a batch, at most: what a channel flushes at
_STEP = 8 << 20  # bytes that one call skips or counts, at most: 25 ms of gzip
_HEADER = 1 << 16  # bytes of a header, at most: 1,000 columns of 60 characters
_SHOWN = 1_000  # characters of a malformed line
_BOM = b"\xef\xbb\xbf"

Position = tuple[int, int | None, bool]
"""Offset of the next record; the number of its line, from 1, None when it isn't counted yet; whether the offset is
within a line that was too long to be read."""


class MalformedLineError(NonRecoverableError, ValueError):
    """A line that can't be read, in a source that was asked to fail at the first one."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What the source says of all its files. `longest`: bytes of a record, at most."""

    format: StreamFormat
    fails: bool
    longest: int


class _Block(NamedTuple):
    """Lines, what came of them, and what is behind them."""

    lines: Lines
    parsed: Parsed
    length: int
    in_line: bool = False


_NOTHING = _Block(Lines(b"", np.empty(0, np.int64), np.empty(0, np.int64)), Parsed(None), 0)


class FileReader(SplitReader):
    """Reads one split. See the module."""

    def __init__(
        self, context: SourceContext, split: FileSplit, position: Position | None, settings: ReaderSettings
    ) -> None:
        self._context = context
        self._split = split
        self._settings = settings
        self._quote = settings.format.quote
        self._window = Window(self._open(), split.path)
        try:
            self._parser = self._parser_of_header()
        except BaseException:
            self._window.close()
            raise
        self._end = None if is_gzip(split.path) else split.end
        self._waiting: _Block | None = None
        self._counter: _LineCounter | None = None
        if position is not None:
            self._next: int | None = position[0]
            self._line, self._in_line = position[1:]
        elif split.start <= self._window.offset:  # a range that begins within the header begins behind it
            self._next, self._line, self._in_line = self._window.offset, 1 + settings.format.has_header, False
        else:
            self._next, self._line, self._in_line = None, None, False

    def _open(self) -> ByteStream:
        system, _ = file_system(self._split.origin)
        return open_stream(system, self._split.path, self._split.size, gzip=is_gzip(self._split.path))

    def _parser_of_header(self) -> LineParser:
        window, header = self._window, None
        window.fill(_HEADER)
        if window.data.startswith(_BOM):
            window.drop(len(_BOM))
        try:
            if self._settings.format.has_header:
                end = window.data.find(b"\n", 0, _HEADER)
                if end < 0 and len(window.data) >= _HEADER:
                    raise FormatError(f"its first {_HEADER} bytes hold no newline, so it has no header")
                header = window.data[: end if end >= 0 else None].decode().rstrip("\r")
                window.drop(len(window.data) if end < 0 else end + 1)
            return self._settings.format.parser(header)
        except ValueError as error:
            raise FormatError(f"{self._split.path} can't be read: {error}") from error

    # --------------------------------------------------------------------------------------------- reading

    def read(self, limit: int) -> Read:
        """See SplitReader."""
        again = Read(ready_at=self._context.now())
        if not self._arrived():
            return again
        if self._in_line:
            self._leave_line()
            return again
        block = self._waiting or self._block(limit)
        if block.parsed.malformed:
            self._waiting = block
            if not self._line_is_known():
                return again
            self._report(block)
        self._waiting = None
        self._go_behind(block)
        if block.parsed.batch is None and not self._ended:
            return again
        return Read(block.parsed.batch, ended=self._ended)

    @property
    def _ended(self) -> bool:
        window = self._window
        at_end = self._end is not None and not self._in_line and window.offset >= self._end
        return at_end or (window.exhausted and not window.data)

    def _arrived(self) -> bool:
        """At the first record, or where a former reader stopped; in steps."""
        if self._next is None:
            return self._aligned()
        return self._window.go_to(self._next, _STEP)

    def _aligned(self) -> bool:
        """Behind the first newline at or after the byte before the range."""
        window = self._window
        if window.offset < self._split.start - 1:
            window.go_to(self._split.start - 1, _STEP)
        window.fill(_TARGET)
        newline = window.data.find(b"\n")
        window.drop(len(window.data) if newline < 0 else newline + 1)
        if newline >= 0 or window.exhausted:
            self._next = window.offset
        return self._next is not None

    def _block(self, limit: int) -> _Block:
        """The next batch, in the window."""
        window = self._window
        window.fill(_TARGET)
        if self._ended:
            return _NOTHING
        ends = newlines(window.data, _TARGET, self._quote)
        whole = window.exhausted and len(window.data) < _TARGET and self._quote is None
        if whole and not window.data.endswith(b"\n"):
            ends = np.append(ends, len(window.data))
        if not len(ends):
            window.fill(self._settings.longest)
            ends = newlines(window.data, self._settings.longest, self._quote)[:1]
        if not len(ends):
            return self._without_end()
        ends = ends[:limit]
        starts = np.concatenate(([0], ends[:-1] + 1))
        if self._end is not None:
            owned = int(np.searchsorted(starts, self._end - window.offset))
            starts, ends = starts[:owned], ends[:owned]
        length = min(int(ends[-1]) + 1, len(window.data))
        lines = Lines(window.data[:length], starts, ends)
        return _Block(lines, self._parser.parse(lines), length)

    def _without_end(self) -> _Block:
        """A record that has no end within the limit, or within the file: the last one, or one that can't be read."""
        window, longest = self._window, self._settings.longest
        data = window.data[:longest]
        newline = data.find(b"\n")
        if window.exhausted and len(window.data) < longest and (newline < 0 or data.count(self._quote or b"") % 2 == 0):
            lines = Lines(data, np.array([0]), np.array([len(data)]))
            return _Block(lines, self._parser.parse(lines), len(data))
        end = newline if newline >= 0 else len(data)
        lines = Lines(data, np.array([0]), np.array([end]))
        reason = f"its quotes don't close within {longest} bytes" if newline >= 0 else f"it has over {longest} bytes"
        return _Block(lines, Parsed(None, [Malformed(0, reason)]), end + (newline >= 0), in_line=newline < 0)

    def _leave_line(self) -> None:
        """To the end of a line that is too long, in steps."""
        window = self._window
        window.fill(_TARGET)
        newline = window.data.find(b"\n")
        window.drop(len(window.data) if newline < 0 else newline + 1)
        self._next = window.offset
        self._in_line = newline < 0 and not window.exhausted
        if newline >= 0 and self._line is not None:
            self._line += 1

    def _go_behind(self, block: _Block) -> None:
        if self._line is not None:
            self._line += block.lines.data.count(b"\n", 0, block.length)
        self._window.drop(block.length)
        self._next = self._window.offset
        self._in_line = block.in_line

    # ------------------------------------------------------------------------------------- malformed lines

    def _line_is_known(self) -> bool:
        """Count the lines before a range, a step a call."""
        if self._line is None:
            self._counter = self._counter or _LineCounter(self._open(), self._window.offset)
            self._line = self._counter.step()
            if self._line is None:
                return False
            self._close_counter()
        return True

    def _report(self, block: _Block) -> None:
        first, data = self._line or 1, block.lines.data
        for index, reason in block.parsed.malformed:
            start = int(block.lines.starts[index])
            [line] = block.lines.some([index])
            number = first + data.count(b"\n", 0, start)
            place = f"{self._split.path}:{number}"
            text = line[: 4 * _SHOWN].decode(errors="backslashreplace")[:_SHOWN]
            if self._settings.fails:
                raise MalformedLineError(f"{place}: {reason}: {text}")
            self._context.malformed(text, place, reason)

    def _close_counter(self) -> None:
        if self._counter is not None:
            self._counter.close()
            self._counter = None

    def position(self) -> Position | None:
        """See SplitReader. None before the first record of a range is found."""
        return None if self._next is None else (self._next, self._line, self._in_line)

    def close(self) -> None:
        """Lets go of the file."""
        self._window.close()
        self._close_counter()


class _LineCounter:
    """Counts the lines before an offset of a plain file."""

    def __init__(self, stream: ByteStream, offset: int) -> None:
        self._stream = stream
        self._left = offset
        self._lines = 1

    def step(self) -> int | None:
        """The number of the line at the offset, once it is known."""
        data = self._stream.read(min(self._left, _STEP))
        self._left -= len(data)
        self._lines += data.count(b"\n")
        return None if self._left else self._lines

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
