"""Columns in Arrow's stream format: the schema once, at the head of the first piece; then dictionaries where they have
grown, and record batches. The buffers of a batch go out as they lie in memory, and what comes in is looked at in place.
"""

from typing import Any, Literal

import pyarrow as pa

from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.errors import ExchangeError

_TOGETHER = 4 << 10  # bytes: neighbours up to here are joined; copying one costs less than handling it alone
_DICTIONARY_HEAD = 512  # bytes before a dictionary, at most
_OPTIONS = pa.ipc.IpcWriteOptions(use_threads=False, emit_dictionary_deltas=True)


class ColumnWriter:
    """The sending end of one channel's columns."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def size(self, columns: pa.RecordBatch) -> int:
        """The bytes of a batch's piece, or some more: dictionaries count as if they hadn't been sent before."""
        head = columns.schema.serialize().size if self._is_new(columns.schema) else 0
        dictionaries = [column.dictionary for column in columns.columns if isinstance(column, pa.DictionaryArray)]
        body: int = pa.ipc.get_record_batch_size(columns)
        return head + body + sum(_DICTIONARY_HEAD + dictionary.nbytes for dictionary in dictionaries)

    def write(self, columns: pa.RecordBatch) -> tuple[bool, list[memoryview]]:
        """Whether another stream begins, and the piece of it, in parts."""
        fresh = self._is_new(columns.schema)
        if fresh:
            self._schema = columns.schema
            self._writer = pa.ipc.new_stream(_file(self._sink, "w"), columns.schema, options=_OPTIONS)
        self._writer.write_batch(columns)
        return fresh, self._sink.take()

    def _is_new(self, schema: pa.Schema) -> bool:
        return self._schema is None or not self._schema.equals(schema, check_metadata=True)


class ColumnReader:
    """The receiving end of one stream. Its pieces are read in their order.

    Behind the first, a piece of a stream without dictionaries is one message, which is read by itself: 5 us instead of
    17.
    """

    def __init__(self) -> None:
        self._source = _Source()
        self._reader: Any = None
        self._schema: pa.Schema | None = None  # of a stream without dictionaries

    def read(self, piece: Buffer) -> pa.RecordBatch:
        """The batch of a piece, a view of it. ExchangeError for what can't be read."""
        try:
            columns, left = self._next(piece) if self._schema is None else _message(piece, self._schema)
        except (pa.ArrowInvalid, OSError, EOFError, StopIteration) as error:
            raise ExchangeError(f"columns of {len(piece)} bytes can't be read: {error}") from error
        if left:
            raise ExchangeError(f"{left} bytes came behind the columns of a frame")
        return columns

    def _next(self, piece: Buffer) -> tuple[pa.RecordBatch, int]:
        """What comes next in the stream, and how many bytes are left."""
        self._source.feed(piece)
        if self._reader is None:
            self._reader = pa.ipc.open_stream(_file(self._source, "r"))
        columns: pa.RecordBatch = self._reader.read_next_batch()
        if not self._reader.stats.num_dictionary_batches:  # all of them stand before the first batch
            self._schema = self._reader.schema
        return columns, self._source.left


def _message(piece: Buffer, schema: pa.Schema) -> tuple[pa.RecordBatch, int]:
    """The one message of a piece, and how many bytes are left."""
    source = pa.BufferReader(pa.py_buffer(piece))
    columns: pa.RecordBatch = pa.ipc.read_record_batch(pa.ipc.read_message(source), schema)
    return columns, source.size() - source.tell()


def _file(file: Any, mode: Literal["r", "w"]) -> pa.PythonFile:  # noqa: ANN401  # what Arrow asks of a file, no more
    return pa.PythonFile(file, mode=mode)


class _Sink:
    """A file that Arrow writes to. Buffers of columns come as such, all else as bytes."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[Any] = []

    def write(self, part: Any) -> int:  # noqa: ANN401  # bytes, or a buffer of Arrow's
        """As a file's."""
        self._parts.append(part)
        return len(part)

    def writable(self) -> bool:
        """As a file's."""
        return True

    def flush(self) -> None:
        """As a file's."""

    def close(self) -> None:
        """As a file's."""

    def take(self) -> list[memoryview]:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        taken: list[memoryview] = []
        small: list[Any] = []
        for part in parts:
            if len(part) <= _TOGETHER:
                small.append(part)
            else:
                if small:
                    taken.append(memoryview(b"".join(small)))
                    small = []
                taken.append(memoryview(part).cast("B"))
        if small:
            taken.append(memoryview(b"".join(small)))
        return taken


class _Source:
    """A file that Arrow reads from: the piece that was fed last."""

    closed = False

    def __init__(self) -> None:
        self._piece = pa.py_buffer(b"")
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return self._piece.size - self._at

    def feed(self, piece: Buffer) -> None:
        """The next piece."""
        self._piece = pa.py_buffer(piece)
        self._at = 0

    def read(self, size: int) -> pa.Buffer:
        """As a file's, without a copy."""
        part = self._piece.slice(self._at, min(size, self.left))
        self._at += part.size
        return part

    def readable(self) -> bool:
        """As a file's."""
        return True

    def seekable(self) -> bool:
        """As a file's."""
        return False

    def close(self) -> None:
        """As a file's."""
