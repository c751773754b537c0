"""A new wire until its handshake is through, or has failed. What is decided is decided in `handshake`; this carries
it to and fro. Nobody who hasn't proved himself gets more than a small buffer.

The end that accepted gives it a bounded time, for a stranger may say nothing. The end that connected waits as long as
the connection lasts: who is at the other end may restore its state, or load a model, before it reads. A process that
dies closes its connections; a host that is silent is found by the TaskManagers' pings (law 9.2).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from millstream_dataflow.identity import WorkerId
from millstream_taskmanager.exchange.countdown import CallLater, Countdown
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import NO_CHANNEL, Frame, FrameParser, Kind, pack_header
from millstream_taskmanager.exchange.handshake import MAX_SIZE, Acceptor, Connector, HandshakeError
from millstream_taskmanager.exchange.polling import Poller
from millstream_taskmanager.exchange.wire import ON_BOTH, SPEAKS_NO_TLS, Wire, begins_tls

_BUFFER: Final = 2 << 10  # bytes: the largest payload and whatever comes with it


Greeted = Callable[[Wire, FrameParser, WorkerId], None]
"""The wire, its socket unregistered; what has come behind the handshake; who is at the other end."""


@dataclass(frozen=True, slots=True)
class Loop:
    """What connections may ask of the worker's loop, and how long a stranger has for a handshake, in milliseconds."""

    poller: Poller
    call_later: CallLater
    handshake_timeout: int


class Greeting(ABC):
    """One end of a handshake. Either `on_done` is called or `on_failed`, with a sentence, once."""

    def __init__(self, wire: Wire, loop: Loop, on_done: Greeted, on_failed: Callable[[str], None]) -> None:
        self._wire = wire
        self._poller = loop.poller
        self._on_done = on_done
        self._on_failed = on_failed
        self._parser = FrameParser(MAX_SIZE, _BUFFER)
        self._heard = False
        self._over = False
        loop.poller.register(wire.sock, self._read)

    def close(self) -> None:
        """Give up without telling anybody."""
        if not self._over:
            self._end()
            self._wire.sock.close()

    @abstractmethod
    def _take(self, frame: Frame) -> WorkerId | None:
        """Answer; who is at the other end once that is known. HandshakeError when it isn't who it should be."""

    def _send(self, kind: Kind, sequence: int, payload: bytes) -> None:
        data = pack_header(kind, 0, NO_CHANNEL, sequence, len(payload)) + payload
        if self._wire.send([data]) != len(data):  # a fresh socket has room for a few hundred bytes
            raise HandshakeError(f"the system takes less than the {len(data)} bytes of a handshake")

    def _read(self) -> None:
        if self._over:
            return
        try:
            self._receive()
            while self._wire.holds and not self._over:
                self._receive()
        except BlockingIOError:
            return
        except (HandshakeError, ExchangeError, OSError) as error:
            self._fail(str(error))

    def _receive(self) -> None:
        room = self._parser.room()
        if not room[0]:
            raise HandshakeError("it talks without saying who it is")
        count = self._wire.receive(room)
        if count == 0:
            raise HandshakeError("it closed the connection during the handshake")
        if not self._heard:
            self._hear(room[0][:count])
        self._parser.received(count)
        while (frame := self._parser.next_frame()) is not None:
            if (worker := self._take(frame)) is not None:
                self._end()
                self._on_done(self._wire, self._parser, worker)
                return

    def _hear(self, said: memoryview) -> None:
        """The first bytes that come: one that expects TLS would understand nothing else that we say."""
        self._heard = True
        if begins_tls(said):
            self._wire.send([SPEAKS_NO_TLS])
            raise HandshakeError(f"it speaks TLS, and we don't: {ON_BOTH}")

    def _fail(self, reason: str) -> None:
        if not self._over:
            self.close()
            self._on_failed(reason)

    def _end(self) -> None:
        self._over = True
        self._poller.unregister(self._wire.sock)


def _expect(frame: Frame, kind: Kind, sequence: int) -> None:
    if frame.kind is not kind or frame.sequence != sequence:
        raise HandshakeError(f"it said {frame.kind.name} {frame.sequence} where {kind.name} {sequence} was due")


class Calling(Greeting):
    """The end that connected."""

    def __init__(
        self,
        wire: Wire,
        loop: Loop,
        handshake: Connector,
        on_done: Greeted,
        on_failed: Callable[[str], None],
    ) -> None:
        super().__init__(wire, loop, on_done, on_failed)
        self._handshake = handshake

    def begin(self) -> None:
        """Say hello."""
        try:
            self._send(Kind.HELLO, 0, self._handshake.hello())
        except (HandshakeError, ExchangeError, OSError) as error:
            self._fail(str(error))

    def _take(self, frame: Frame) -> WorkerId | None:
        _expect(frame, Kind.CHALLENGE, 0)
        self._send(Kind.PROOF, 1, self._handshake.challenged(frame.payload))
        return self._handshake.peer


class Answering(Greeting):
    """The end that accepted."""

    def __init__(
        self,
        wire: Wire,
        loop: Loop,
        handshake: Acceptor,
        on_done: Greeted,
        on_failed: Callable[[str], None],
    ) -> None:
        super().__init__(wire, loop, on_done, on_failed)
        self._handshake = handshake
        self._greeted = False
        limit = loop.handshake_timeout
        self._countdown = Countdown(limit, loop.call_later, lambda: self._fail(f"no handshake within {limit} ms"))

    def _end(self) -> None:
        super()._end()
        self._countdown.cancel()

    def _take(self, frame: Frame) -> WorkerId | None:
        if not self._greeted:
            _expect(frame, Kind.HELLO, 0)
            self._greeted = True
            self._send(Kind.CHALLENGE, 0, self._handshake.greeted(frame.payload))
            return None
        _expect(frame, Kind.PROOF, 1)
        return self._handshake.proved(frame.payload)
