"""Frames: what a data connection carries. Pure: bytes go in as they come, frames come out.

    length u32 | kind u8 | flags u8 | edge u16 | from u16 | to u16 | sequence u32 | payload      (little endian)

`length` is that of the payload. Edge, from and to name the channel, which both ends know from the deployment. Every
channel counts its frames, the controls too; a gap or a repeat is an error (law 9.2). Frames of the
connection itself (credit, handshake) have no channel and count by themselves. Counters wrap at 2^32.

    ROWS     u32 rows, u32 zero, [i64 times]  msgpack or pickle, the flags say which        the bracket: flag TIMES
    COLUMNS  u32 rows, u32 zero, [i64 times]  a piece of an Arrow stream that ends with one record batch; flag STREAM:
                                              another stream begins, with its schema
    CREDIT   for each channel edge u16, from u16, to u16, zero u16, amount u64, bytes of a turn u64 (0: as before)
"""

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.errors import ExchangeError

HEADER: Final = struct.Struct("<IBBHHHI")
MAX_ORDINAL: Final = 0xFFFF
"""The highest edge or subtask index that a header can name."""

_SEQUENCES = 1 << 32
_CREDIT = struct.Struct("<HHHxxQQ")


class Kind(IntEnum):
    """What a frame carries."""

    ROWS = 1
    COLUMNS = 2
    WATERMARK = 16
    STATUS = 17
    BARRIER = 18
    NO_SPLIT_NOW = 19
    END_OF_DATA = 20
    END = 21
    CREDIT = 32
    HELLO = 48
    CHALLENGE = 49
    PROOF = 50


BACKLOG: Final = 1
"""Flag of data: its sender is left without credit and has more to send."""
TIMES: Final = 2
"""Flag of data: times stand before the records."""
MSGPACK: Final = 4
"""Flag of rows."""
PICKLE: Final = 8
"""Flag of rows."""
STREAM: Final = 16
"""Flag of columns: they begin an Arrow stream, with its schema."""

_KINDS: Mapping[int, Kind] = {kind.value: kind for kind in Kind}

ChannelKey = tuple[int, int, int]
"""Edge, source and target: a plain tuple is found ten times as fast as a ChannelId."""

NO_CHANNEL: Final[ChannelKey] = (0, 0, 0)


class Frame(NamedTuple):
    """A frame that came."""

    kind: Kind
    flags: int
    channel: ChannelKey
    sequence: int
    payload: Buffer


def key_of(channel: ChannelId) -> ChannelKey:
    """How frames name a channel. ExchangeError for one that they can't."""
    key = (channel.edge, channel.source, channel.target)
    if max(key) > MAX_ORDINAL:
        raise ExchangeError(f"{channel} can't be named in a frame: edges and subtasks go to {MAX_ORDINAL}")
    return key


def channel_of(key: ChannelKey) -> ChannelId:
    """The other way round."""
    return ChannelId(EdgeId(key[0]), key[1], key[2])


def pack_header(kind: Kind, flags: int, channel: ChannelKey, sequence: int, length: int) -> bytes:
    """What stands before a payload."""
    return HEADER.pack(length, kind, flags, *channel, sequence)


def next_sequence(sequence: int) -> int:
    """The number of the frame behind one."""
    return (sequence + 1) % _SEQUENCES


def check_sequence(frame: Frame, expected: int) -> None:
    """ExchangeError for a frame that is not the next one."""
    if frame.sequence != expected:
        whose = "credits" if frame.kind is Kind.CREDIT else str(channel_of(frame.channel))
        what = "repeated" if (expected - frame.sequence) % _SEQUENCES < _SEQUENCES // 2 else "lost"
        raise ExchangeError(
            f"{whose}: frame {frame.sequence} ({frame.kind.name}) came where {expected} was expected: "
            f"frames were {what} on the way"
        )


class Granted(NamedTuple):
    """What the receiver of a channel lets its sender know: so much more credit, and the bytes that it takes in at a
    turn (0: as before).
    """

    size: int
    turn: int


NOTHING_GRANTED: Final = Granted(0, 0)


def pack_credit(grants: Mapping[ChannelKey, Granted]) -> bytes:
    """The payload that grants so much to each channel."""
    return b"".join([_CREDIT.pack(*channel, *granted) for channel, granted in grants.items()])


def unpack_credit(payload: Buffer) -> Iterator[tuple[ChannelKey, Granted]]:
    """What was granted."""
    if len(payload) % _CREDIT.size:
        raise ExchangeError(f"a frame of credits has {len(payload)} bytes, which is no multiple of {_CREDIT.size}")
    return (
        ((edge, source, target), Granted(size, turn))
        for edge, source, target, size, turn in _CREDIT.iter_unpack(payload)
    )


_SMALL = 4 << 10  # bytes: shorter payloads are waited for in the buffer, longer ones are received in place


class FrameParser:
    """Bytes to frames. Whoever owns the socket receives into `room()` and says how much came; then frames are taken.

    What is short enough is received together and copied out once. A longer payload gets a buffer of its own as soon as
    its header is there and checked; the rest is received right into it, and the batch is a view of it.
    """

    def __init__(self, limit: int, buffer_size: int) -> None:
        """`limit`: of a payload, in bytes; `buffer_size`: what can be received at once."""
        self._limit = limit
        self._buffer = memoryview(bytearray(max(buffer_size, HEADER.size + min(limit, _SMALL))))
        self._start = 0
        self._end = 0
        self._head: tuple[Kind, int, ChannelKey, int] | None = None  # of the payload that is received in place
        self._body = memoryview(b"")
        self._filled = 0

    def widen(self, limit: int, buffer_size: int) -> None:
        """Take larger frames from now on: the peer is known. What has come is kept."""
        waiting = self._buffer[self._start : self._end]
        wider = FrameParser(limit, max(buffer_size, len(waiting)))
        self._limit = limit
        self._buffer = wider._buffer
        self._buffer[: len(waiting)] = waiting
        self._start, self._end = 0, len(waiting)

    @property
    def half(self) -> bool:
        """Whether a frame has begun to come and isn't complete."""
        return self._head is not None or self._end > self._start

    def room(self) -> list[memoryview]:
        """Where the next bytes belong. Take all frames before."""
        if self._start:
            waiting = self._end - self._start
            self._buffer[:waiting] = self._buffer[self._start : self._end]
            self._start, self._end = 0, waiting
        spare = self._buffer[self._end :]
        return [spare] if self._head is None else [self._body[self._filled :], spare]

    def received(self, count: int) -> None:
        """So many bytes of `room()` were filled, in its order."""
        if self._head is not None:
            into_body = min(count, len(self._body) - self._filled)
            self._filled += into_body
            count -= into_body
        self._end += count

    def next_frame(self) -> Frame | None:
        """The next frame, if it is complete. ExchangeError for what can't be one; nothing is to be read behind it."""
        if self._head is not None:
            return self._take_body(self._head) if self._filled == len(self._body) else None
        available = self._end - self._start - HEADER.size
        if available < 0:
            return None
        length, kind_number, flags, edge, source, target, sequence = HEADER.unpack_from(self._buffer, self._start)
        kind = _KINDS.get(kind_number)
        if kind is None:
            raise ExchangeError(f"a frame of unknown kind {kind_number}; it is no frame, or of another version")
        if length > self._limit:
            raise ExchangeError(f"a {kind.name} frame of {length} bytes was announced, the limit is {self._limit}")
        begin = self._start + HEADER.size
        if available >= length:
            self._start = begin + length
            payload = bytes(self._buffer[begin : self._start])
            return Frame(kind, flags, (edge, source, target), sequence, payload)
        if length > _SMALL:
            self._begin_body((kind, flags, (edge, source, target), sequence), length, begin)
        return None

    def _begin_body(self, head: tuple[Kind, int, ChannelKey, int], length: int, begin: int) -> None:
        """What has come of the payload is copied, at most a buffer's worth."""
        self._head = head
        self._body = np.empty(length, np.uint8).data  # aligned for Arrow; a bytearray would be zeroed first
        self._filled = self._end - begin
        self._body[: self._filled] = self._buffer[begin : self._end]
        self._start = self._end = 0

    def _take_body(self, head: tuple[Kind, int, ChannelKey, int]) -> Frame:
        body, self._body, self._head = self._body, memoryview(b""), None
        return Frame(*head, body)
