"""How the records of a file lie in it, and the plainest way: every line of text is a record."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from millstream.formats.charsets import check_utf8
from millstream.formats.lines import LineParser, Lines, Parsed, split_undecodable
from millstream_dataflow.records import RowBatch


@dataclass(frozen=True)
class StreamFormat(ABC):
    """How the records of a file lie in it, as the user configured it. PyFlink's name."""

    @staticmethod
    def text_line_format(charset_name: str = "UTF-8") -> "StreamFormat":
        """PyFlink's name for lines of text in UTF-8; ValueError for another charset."""
        check_utf8("StreamFormat.text_line_format", charset_name)
        return TextLineFormat()

    @property
    def has_header(self) -> bool:
        """Whether the first line is none of the records."""
        return False

    @property
    def fails_at_malformed(self) -> bool:
        """Whether a record that can't be read fails the job where the program doesn't say it."""
        return False

    @property
    def quote(self) -> bytes | None:
        """The character between two of which a newline doesn't end a record; None: every newline does."""
        return None

    @abstractmethod
    def parser(self, header: str | None) -> LineParser:
        """A parser, from the file's first line if there is a header. FormatError when it isn't as declared."""


@dataclass(frozen=True)
class TextLineFormat(StreamFormat):
    r"""UTF-8. Lines end with `\n` or `\r\n`; blank ones are records too. One that isn't UTF-8 is malformed."""

    def parser(self, header: str | None) -> LineParser:
        """It needs no header."""
        return _TextParser()


class _TextParser(LineParser):
    def parse(self, lines: Lines) -> Parsed:
        good, bad = split_undecodable(lines)
        texts = (lines.some(good) if bad else lines).texts()
        return Parsed(RowBatch(texts) if texts else None, bad)
