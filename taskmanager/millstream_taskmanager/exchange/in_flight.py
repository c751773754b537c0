"""Elements of one channel as a checkpoint stores them: the frames that would carry them, so that a restore reads them
with the codecs of the wire.

    version u8 | kind u8 | flags u8 | zero u8 | records u32 | payload      (little endian)

Batches and watermarks are stored, in their order, so that a record is late or not as it would have been. What others
say isn't lost: a sender that is restored is active until it says that it is idle, tells the end of its data again, and
the highest watermark before that; a barrier that stands here belongs to a checkpoint that was given up. (Were `idle`
stored, its sender, active again, would count for no watermark.)
Columns are a stream of their own, which begins with its schema. Rows that have come by a wire are stored as they came,
unread; what lies here by reference is encoded now, for its task may change it (law 4.5).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from millstream_dataflow.records import Batch, ColumnBatch, Element, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.exchange.codecs.controls import decode_control, encode_control
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import NO_CHANNEL, Frame, Kind

StoredElement = Batch | Watermark
"""What a checkpoint stores of a channel."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBBxI")
_NO_LIMIT: Final = 1 << 40  # bytes: no peer has to make room for what is stored
_KINDS: Final = frozenset({Kind.ROWS, Kind.COLUMNS, Kind.WATERMARK})


class ChannelWriter:
    """What is to be stored of one channel, as it grows."""

    def __init__(self, codec: ChannelCodec) -> None:
        self._encoder = BatchEncoder(codec, _NO_LIMIT)
        self.items: list[bytes] = []
        """The frames."""
        self.records = 0
        """In all of them."""
        self.size = 0
        """Bytes."""

    def add(self, element: Element | Parcel) -> None:
        """The next element; a parcel of rows, for one of columns is to be opened before. UserCodeError names a record
        that can't be stored.
        """
        if isinstance(element, Parcel):
            if element.payload is None:
                raise ExchangeError("columns are to be stored that are not opened yet")
            self._add(Kind.ROWS, element.payload[0], element.rows, element.payload[1])
        elif isinstance(element, RowBatch | ColumnBatch):
            for payload in self._encoder.encode(element):
                self._add(payload.kind, payload.flags, payload.rows, *payload.parts)
        elif isinstance(element, Watermark) and element.time < MAX_TIME:
            kind, body = encode_control(element)
            self._add(kind, 0, 0, body)

    def _add(self, kind: Kind, flags: int, rows: int, *parts: Buffer) -> None:
        item = b"".join((_HEAD.pack(_VERSION, kind, flags, rows), *parts))
        self.items.append(item)
        self.records += rows
        self.size += len(item)


def read_stored(codec: ChannelCodec, items: Iterable[bytes]) -> Iterator[StoredElement]:
    """The elements of one channel. ExchangeError for what can't be read, UserCodeError where a class can't be."""
    decoder = BatchDecoder(codec)
    for item in items:
        kind, flags, payload = _frame(item)
        if kind in {Kind.ROWS, Kind.COLUMNS}:
            element = decoder.parcel(Frame(kind, flags, NO_CHANNEL, 0, payload)).open()
        else:
            element = decode_control(kind, payload)
        if isinstance(element, RowBatch | ColumnBatch | Watermark):
            yield element


def _frame(item: bytes) -> tuple[Kind, int, Buffer]:
    version, number, flags, _ = _HEAD.unpack_from(item) if len(item) >= _HEAD.size else (0, 0, 0, 0)
    if version != _VERSION or number not in _KINDS:
        found = f"version {version}, kind {number}"
        raise ExchangeError(f"a stored frame of {len(item)} bytes is none that this Millstream reads ({found})")
    return Kind(number), flags, memoryview(item)[_HEAD.size :]
