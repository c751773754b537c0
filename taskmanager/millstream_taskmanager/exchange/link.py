"""Everything between this worker and one other: the ends of their channels, and the connection that carries them.

Ends can be used at once. What they send waits in the outbox until the connection stands, no more of it than credit
allows. A connection is made once: whatever ends it before all channels have ended is a loss (law 9.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from millstream_dataflow.identity import ChannelId, TaskManagerId, WorkerId
from millstream_runtime.messages.deployments import WorkerPlacement
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.channel import Arrival
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.exchange.connection import Connection
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import (
    NO_CHANNEL,
    NOTHING_GRANTED,
    ChannelKey,
    Frame,
    FrameParser,
    Granted,
    Kind,
    channel_of,
    check_sequence,
    key_of,
    next_sequence,
    pack_credit,
    pack_header,
    unpack_credit,
)
from millstream_taskmanager.exchange.greeting import Loop
from millstream_taskmanager.exchange.outbox import Outbox
from millstream_taskmanager.exchange.remote import RemoteReceivingEnd, RemoteSendingEnd
from millstream_taskmanager.exchange.wire import Wire

_End = TypeVar("_End")

_RECEIVE_BUFFER: Final = 64 << 10  # bytes that are received together; longer payloads get a buffer of their own


@dataclass(frozen=True, slots=True)
class PeerLoss:
    """The connection with a worker is gone, or never came, and channels were still open."""

    worker: WorkerId
    taskmanager: TaskManagerId
    reason: str

    def __str__(self) -> str:
        return f"lost worker {self.worker} on TaskManager {self.taskmanager}: {self.reason}"


class Link:
    """See the module."""

    def __init__(
        self,
        placement: WorkerPlacement,
        limit: int,
        on_work: Callable[["Link"], None],
        on_lost: Callable[[PeerLoss], None],
    ) -> None:
        """`limit`: bytes of a payload; `on_work`: there is something to send; `on_lost`: called once."""
        self.placement = placement
        self._limit = limit
        self._on_work = on_work
        self._on_lost = on_lost
        self._sending: dict[ChannelKey, RemoteSendingEnd] = {}
        self._receiving: dict[ChannelKey, RemoteReceivingEnd] = {}
        self._outbox = Outbox()
        self._grants: dict[ChannelKey, Granted] = {}
        self._sequence = 0  # of credit frames, sent
        self._expected = 0  # and received
        self._connection: Connection | None = None
        self._over = False

    # ------------------------------------------------------------------------------------------- its channels

    def add_sending_end(self, channel: ChannelId, window: int, codec: ChannelCodec) -> RemoteSendingEnd:
        """The end of a channel that leads to the peer."""
        end = RemoteSendingEnd(channel, window, BatchEncoder(codec, self._limit), self, splits=codec.splits)
        self._sending[key_of(channel)] = end
        return end

    def add_receiving_end(
        self, channel: ChannelId, gate: Arrival, position: int, codec: ChannelCodec
    ) -> RemoteReceivingEnd:
        """The end of a channel that comes from the peer."""
        end = RemoteReceivingEnd(channel, gate, position, BatchDecoder(codec), self)
        self._receiving[key_of(channel)] = end
        return end

    @property
    def ended(self) -> bool:
        """Whether all channels have carried End: then the connection may close."""
        ends: list[Mapping[ChannelKey, RemoteSendingEnd | RemoteReceivingEnd]] = [self._sending, self._receiving]
        return all(end.ended for group in ends for end in group.values())

    # ---------------------------------------------------------------------------------- what the ends may do

    def post(self, *buffers: Buffer) -> int:
        """See Carrier."""
        if self._over:
            return 0
        if not self._outbox:
            self._on_work(self)
        return self._outbox.put(*buffers)

    def is_whole(self, place: int) -> bool:
        """See Carrier."""
        return self._outbox.is_whole(place)

    def grant(self, channel: ChannelKey, size: int) -> None:
        """See Carrier. Grants of one turn go out together."""
        if not self._over:
            before = self._grants.get(channel, NOTHING_GRANTED)
            self._grants[channel] = Granted(before.size + size, before.turn)
            self._on_work(self)

    def pace(self, channel: ChannelKey, turn: int) -> None:
        """See Carrier."""
        if not self._over:
            self._grants[channel] = Granted(self._grants.get(channel, NOTHING_GRANTED).size, turn)
            self._on_work(self)

    # ----------------------------------------------------------------------------------------- the connection

    @property
    def waits(self) -> bool:
        """Whether there has been no connection yet, and one is expected."""
        return self._connection is None and not self._over

    def connect(self, wire: Wire, loop: Loop, parser: FrameParser) -> None:
        """The handshake is done: what has waited goes out, and what has come behind it is taken."""
        parser.widen(self._limit, _RECEIVE_BUFFER)
        self._connection = Connection(wire, loop, parser, self._outbox, self)
        self.flush()
        self._connection.resume()

    def flush(self) -> None:
        """Send what the kernel takes. While it takes nothing, grants go on being added up."""
        connection = self._connection
        if connection is None or connection.blocked or self._over:
            return
        if self._grants:
            payload = pack_credit(self._grants)
            self._grants.clear()
            self._outbox.put(pack_header(Kind.CREDIT, 0, NO_CHANNEL, self._sequence, len(payload)) + payload)
            self._sequence = next_sequence(self._sequence)
        connection.flush()

    def lose(self, reason: str) -> None:
        """The connection is gone, or won't come. A loss, unless everything has been said."""
        if self._over:
            return
        ended = self.ended
        self.close()
        if not ended:
            self._on_lost(PeerLoss(self.placement.worker, self.placement.taskmanager, reason))

    def close(self) -> None:
        """Nothing goes or comes any more."""
        self._over = True
        self._outbox.clear()
        self._grants.clear()
        if self._connection is not None:
            self._connection.close()

    def take(self, frame: Frame) -> None:
        """See the connection's User."""
        if frame.kind is Kind.CREDIT:
            check_sequence(frame, self._expected)
            self._expected = next_sequence(self._expected)
            for channel, granted in unpack_credit(frame.payload):
                _end(self._sending, channel, frame.kind).granted(granted.size, granted.turn)
        else:
            _end(self._receiving, frame.channel, frame.kind).take(frame)


def _end(ends: Mapping[ChannelKey, _End], channel: ChannelKey, kind: Kind) -> _End:
    end = ends.get(channel)
    if end is None:
        raise ExchangeError(f"a {kind.name} frame came for {channel_of(channel)}, which the two don't share that way")
    return end
