"""Records become bytes. An `Encoder` takes whole batches: a call a record would cost more than most records do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from millstream.formats.charsets import check_utf8
from millstream_dataflow.records import Batch, ColumnBatch


class Encoder(ABC):
    """How a file sink writes records (Flink's `Encoder`). Pickled with its fields."""

    @property
    def suffix(self) -> str:
        """What the names of its files end in."""
        return ""

    def header(self) -> bytes:
        """What every file begins with."""
        return b""

    @abstractmethod
    def encode(self, batch: Batch) -> bytes:
        """The records of a batch, each whole."""

    @staticmethod
    def simple_string_encoder(charset_name: str = "UTF-8") -> "Encoder":
        """`str(record)` and a newline, UTF-8; ValueError for another charset. PyFlink's name."""
        check_utf8("Encoder.simple_string_encoder", charset_name)
        return LineEncoder()


@dataclass(frozen=True)
class BulkWriterFactory:
    """PyFlink's name for how a file of a bulk format is written: by an encoder, here too."""

    encoder: Encoder


@dataclass(frozen=True)
class LineEncoder(Encoder):
    """A line a record: `str(record)`, or a dict a row of columns. `first_line` begins every file unless it is empty."""

    first_line: str = ""
    file_suffix: str = ""

    @property
    def suffix(self) -> str:
        """See Encoder."""
        return self.file_suffix

    def header(self) -> bytes:
        """See Encoder."""
        return f"{self.first_line}\n".encode() if self.first_line else b""

    def encode(self, batch: Batch) -> bytes:
        """ValueError for a record whose text has a newline: it would be read as two."""
        values = batch.columns.to_pylist() if isinstance(batch, ColumnBatch) else batch.values
        lines = list(map(str, values))
        text = "\n".join(lines)
        if text.count("\n") != max(len(lines) - 1, 0):
            record = next(line for line in lines if "\n" in line)
            raise ValueError(f"a record of a text file can't have a newline inside: {record[:1_000]!r}")
        return f"{text}\n".encode() if lines else b""
