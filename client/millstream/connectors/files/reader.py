"""Bytes become batches. A batch is the largest number of whole records within the limits of count and bytes, at least
one; so it depends on the file alone, and every run cuts the same (law 7.2).

The position is where the next batch begins: offset and number of its line. The number is unknown in a range that begins
inside of the file; it is counted when a malformed line must be named, and the batch waits for it.

No call waits for a disk: the file is opened, read, unpacked and counted in a thread (`window`), a batch ahead. A call
that comes too early changes nothing, and says that it waits; so the position is right whatever is under way.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from millstream.connectors.files.paths import file_system
from millstream.connectors.files.splits import FileSplit
from millstream.connectors.files.streams import ByteStream, is_gzip, open_stream
from millstream.connectors.files.window import LineCount, NotThereYetError, Window
from millstream.formats.lines import FormatError, LineParser, Lines, Malformed, Parsed, newlines
from millstream.formats.stream_format import StreamFormat
from millstream_dataflow.connectors import Read, SourceContext, SplitReader
from millstream_dataflow.errors import NonRecoverableError

_TARGET = 1 << 20  # bytes of a batch, at most: what a channel flushes at
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
        self._window = Window(self._open, context.run_blocking)
        self._window.fetch_ahead(_HEADER)
        self._parser: LineParser | None = None
        self._end = None if is_gzip(split.path) else split.end
        self._waiting: _Block | None = None
        self._counter: LineCount | None = None
        self._next: int | None = None
        self._line: int | None = None
        self._in_line = False
        if position is not None:
            self._next, self._line, self._in_line = position

    def _open(self) -> ByteStream:
        system, _ = file_system(self._split.origin)
        return open_stream(system, self._split.path, self._split.size, gzip=is_gzip(self._split.path))

    def _behind_header(self) -> LineParser:
        """Once, before all else: what the header says, and where the first record is, if that follows from it."""
        window = self._window
        window.fill(_HEADER)
        parser = self._parser_of_header()
        if self._next is None and self._split.start <= window.offset:  # a range that begins within it begins behind it
            self._next, self._line = window.offset, 1 + self._settings.format.has_header
        return parser

    def _parser_of_header(self) -> LineParser:
        window, header = self._window, None
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
        try:
            return self._read(limit)
        except NotThereYetError:
            return Read(waits=True)

    def _read(self, limit: int) -> Read:
        again = Read(ready_at=self._context.now())
        parser = self._parser = self._parser or self._behind_header()
        if not self._arrived():
            return again
        if self._in_line:
            self._leave_line()
            return again
        block = self._waiting or self._block(parser, limit)
        if block.parsed.malformed:
            self._waiting = block
            self._report(block, self._line_at_hand())
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
        """At the first record, or where a former reader stopped."""
        if self._next is None:
            return self._aligned()
        self._window.go_to(self._next)
        return True

    def _aligned(self) -> bool:
        """Behind the first newline at or after the byte before the range."""
        window = self._window
        if window.offset < self._split.start - 1:
            window.go_to(self._split.start - 1)
        window.fill(_TARGET)
        newline = window.data.find(b"\n")
        window.drop(len(window.data) if newline < 0 else newline + 1)
        if newline >= 0 or window.exhausted:
            self._next = window.offset
        return self._next is not None

    def _block(self, parser: LineParser, limit: int) -> _Block:
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
            return self._without_end(parser)
        ends = ends[:limit]
        starts = np.concatenate(([0], ends[:-1] + 1))
        if self._end is not None:
            owned = int(np.searchsorted(starts, self._end - window.offset))
            starts, ends = starts[:owned], ends[:owned]
        length = min(int(ends[-1]) + 1, len(window.data))
        if self._end is None or window.offset + length < self._end:
            window.fetch_ahead(length + _TARGET)  # while this batch goes its way
        lines = Lines(window.data[:length], starts, ends)
        return _Block(lines, parser.parse(lines), length)

    def _without_end(self, parser: LineParser) -> _Block:
        """A record that has no end within the limit, or within the file: the last one, or one that can't be read."""
        window, longest = self._window, self._settings.longest
        data = window.data[:longest]
        newline = data.find(b"\n")
        if window.exhausted and len(window.data) < longest and (newline < 0 or data.count(self._quote or b"") % 2 == 0):
            lines = Lines(data, np.array([0]), np.array([len(data)]))
            return _Block(lines, parser.parse(lines), len(data))
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

    def _line_at_hand(self) -> int:
        """The number of the next line; those before a range are counted."""
        if self._line is None:
            self._counter = self._counter or LineCount(self._open, self._context.run_blocking, self._window.offset)
            self._line = self._counter.line
        return self._line

    def _report(self, block: _Block, first: int) -> None:
        data = block.lines.data
        for index, reason in block.parsed.malformed:
            start = int(block.lines.starts[index])
            [line] = block.lines.some([index])
            number = first + data.count(b"\n", 0, start)
            place = f"{self._split.path}:{number}"
            text = line[: 4 * _SHOWN].decode(errors="backslashreplace")[:_SHOWN]
            if self._settings.fails:
                raise MalformedLineError(f"{place}: {reason}: {text}")
            self._context.malformed(text, place, reason)

    def position(self) -> Position | None:
        """See SplitReader. None before the first record of a range is found."""
        return None if self._next is None else (self._next, self._line, self._in_line)

    def close(self) -> None:
        """Lets go of the file."""
        self._window.close()
        if self._counter is not None:
            self._counter.close()
