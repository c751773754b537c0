"""Text: every line is a record, a `str` without its newline. PyFlink's `StreamFormat.text_line_format()`."""

from dataclasses import dataclass

from millstream.formats.lines import LineParser, Lines, Parsed, StreamFormat, split_undecodable
from millstream_dataflow.records import RowBatch


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
