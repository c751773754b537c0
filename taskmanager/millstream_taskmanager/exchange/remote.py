"""The two ends of a channel between two workers. Each has one at home; what it says goes by the connection of the pair.

Credit is counted in the bytes of payloads, the same number at both ends; for splits in splits (law 8.1).
"""

from typing import Final, Protocol

from millstream_dataflow.identity import ChannelId, WorkerId
from millstream_dataflow.records import Batch, ColumnBatch, Element, RowBatch, StreamStatus, Watermark
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.channel import Arrival, ReceivingEnd, SendingEnd
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.exchange.codecs.controls import decode_control, encode_control
from millstream_taskmanager.exchange.credits import CreditedEnd
from millstream_taskmanager.exchange.frames import (
    BACKLOG,
    HEADER,
    ChannelKey,
    Frame,
    Kind,
    check_sequence,
    key_of,
    next_sequence,
    pack_header,
)


class RemoteChannels(Protocol):
    """Makes the ends of channels that lead to other workers."""

    def sending_end(self, channel: ChannelId, peer: WorkerId, window: int, codec: ChannelCodec) -> SendingEnd:
        """For a channel whose target is in `peer`. `window`: its credit at the start."""
        ...

    def receiving_end(
        self, channel: ChannelId, peer: WorkerId, gate: Arrival, position: int, codec: ChannelCodec
    ) -> ReceivingEnd:
        """For a channel whose source is in `peer`; `position`: in the gate."""
        ...


class Carrier(Protocol):
    """The connection with one peer, as the ends of its channels see it."""

    def post(self, *buffers: Buffer) -> int:
        """Send, behind all that was posted before. Gives the place of the last."""
        ...

    def is_whole(self, place: int) -> bool:
        """Whether nothing of the buffer in that place has gone."""
        ...

    def grant(self, channel: ChannelKey, size: int) -> None:
        """Let the peer's end of the channel send so much more."""
        ...

    def pace(self, channel: ChannelKey, turn: int) -> None:
        """Let the peer's end of the channel know how many bytes are taken in at a turn."""
        ...


_DATA: Final = frozenset({Kind.ROWS, Kind.COLUMNS})


class RemoteSendingEnd(CreditedEnd):
    """See SendingEnd. It says that it is behind while credit for a frame is left, so that the answer comes in time."""

    def __init__(
        self, channel: ChannelId, window: int, encoder: BatchEncoder, carrier: Carrier, *, splits: bool
    ) -> None:
        super().__init__(window)
        self.id = channel
        self.ended = False
        """Whether End has been sent."""
        self.turn: int | None = None
        """See SendingEnd."""
        self._key = key_of(channel)
        self._encoder = encoder
        self._carrier = carrier
        self._splits = splits
        self._sequence = 0
        self._last: tuple[Kind, bytearray, int] | None = None  # a watermark or status, if nothing came behind it

    def send(self, element: Element, size: int, *, more: bool) -> None:
        """See SendingEnd. `size` is an estimate; what counts is what goes out. UserCodeError for what can't travel."""
        if isinstance(element, RowBatch | ColumnBatch):
            self._send_batch(element, more=more)
            return
        kind, payload = encode_control(element)
        if isinstance(element, Watermark | StreamStatus):
            self._melt(kind, payload)
        else:
            self._post(kind, 0, payload)
            self.ended = self.ended or kind is Kind.END

    def granted(self, size: int, turn: int) -> None:
        """The receiver has returned or lent so much, and takes in so many bytes at a turn; 0: as before."""
        self.turn = turn or self.turn
        self.grant(size)

    def _send_batch(self, batch: Batch, *, more: bool) -> None:
        payloads = list(self._encoder.encode(batch))
        self.spend(len(batch) if self._splits else sum(payload.size for payload in payloads))
        last = payloads[-1]
        backlog = BACKLOG if more and self.credit <= last.size else 0
        self._last = None
        for payload in payloads:
            flags = payload.flags | backlog if payload is last else payload.flags
            count, *rest = payload.parts  # of a few bytes: it goes with the header
            self._carrier.post(self._header(payload.kind, flags, payload.size) + bytes(count), *rest)

    def _melt(self, kind: Kind, payload: bytes) -> None:
        """A watermark that has not begun to go becomes the newer one: while a connection takes nothing, its peer slow
        or not yet there, they don't pile up (law 4.1).
        """
        if self._last is not None:
            last_kind, frame, place = self._last
            if last_kind is kind and self._carrier.is_whole(place):
                frame[HEADER.size :] = payload
                return
        self._last = (kind, *self._post(kind, 0, payload))

    def _post(self, kind: Kind, flags: int, payload: bytes) -> tuple[bytearray, int]:
        self._last = None
        frame = bytearray(self._header(kind, flags, len(payload)) + payload)
        return frame, self._carrier.post(frame)

    def _header(self, kind: Kind, flags: int, size: int) -> bytes:
        header = pack_header(kind, flags, self._key, self._sequence, size)
        self._sequence = next_sequence(self._sequence)
        return header


class RemoteReceivingEnd:
    """See ReceivingEnd."""

    def __init__(
        self, channel: ChannelId, gate: Arrival, position: int, decoder: BatchDecoder, carrier: Carrier
    ) -> None:
        self.id = channel
        self.ended = False
        """Whether End has come."""
        self._key = key_of(channel)
        self._gate = gate
        self._position = position
        self._decoder = decoder
        self._carrier = carrier
        self._expected = 0

    def grant(self, size: int) -> None:
        """See ReceivingEnd."""
        self._carrier.grant(self._key, size)

    def pace(self, turn: int) -> None:
        """See ReceivingEnd."""
        self._carrier.pace(self._key, turn)

    def take(self, frame: Frame) -> None:
        """A frame of this channel. ExchangeError when it isn't the next one, or says nothing."""
        check_sequence(frame, self._expected)
        self._expected = next_sequence(self._expected)
        if frame.kind in _DATA:
            parcel = self._decoder.parcel(frame)
            backlog = bool(frame.flags & BACKLOG)
            self._gate.arrive(self._position, parcel, max(1, len(frame.payload)), backlog=backlog)
        else:
            self.ended = self.ended or frame.kind is Kind.END
            self._gate.arrive(self._position, decode_control(frame.kind, frame.payload), 0, backlog=False)
