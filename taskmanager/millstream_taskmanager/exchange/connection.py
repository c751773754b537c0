"""A data connection that stands: one wire, an outbox, and a parser for what comes.

It decides nothing. Frames that come go to its user; an end, an error of the system or bytes that can't be from a
worker close the socket and are a loss, told once.
"""

import errno
import socket
from typing import Final, Protocol

from millstream_taskmanager.exchange.countdown import ScheduledCall
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import Frame, FrameParser
from millstream_taskmanager.exchange.greeting import Loop
from millstream_taskmanager.exchange.outbox import Outbox
from millstream_taskmanager.exchange.wire import Wire

_SEND_BUFFER = 1 << 20  # bytes: the kernel gives what it may, 416 KiB for a net.core.wmem_max of 208
_READS_A_TURN = 16  # then tasks have their turn; what is left makes the socket readable again
_GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET})
_NO_MEMORY: Final = frozenset({errno.ENOBUFS, errno.ENOMEM})  # of the system: no poller tells when there is some
_PAUSE: Final = 10  # milliseconds until it is asked again


class User(Protocol):
    """Whose connection it is."""

    def take(self, frame: Frame) -> None:
        """A frame came. ExchangeError for one that can't be from a worker that keeps the rules."""
        ...

    def flush(self) -> None:
        """The kernel takes bytes again."""
        ...

    def lose(self, reason: str) -> None:
        """The connection is closed, and not by us."""
        ...


class Connection:
    """See the module."""

    def __init__(self, wire: Wire, loop: Loop, parser: FrameParser, outbox: Outbox, user: User) -> None:
        """`parser` may have taken in frames already that came with the handshake: see `resume`."""
        self._wire: Wire | None = wire
        self._loop = loop
        self._poller = loop.poller
        self._parser = parser
        self._outbox = outbox
        self._user = user
        self.blocked = False
        """Whether the kernel takes nothing at the moment; the poller, or a timer, says when to try again."""
        self._is_waiting = False  # for the poller
        self._retry: ScheduledCall | None = None
        if wire.sock.family == socket.AF_UNIX:  # TCP finds its size by itself
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._poller.register(wire.sock, self._read)

    def resume(self) -> None:
        """Hand on what the parser has already, and the wire."""
        try:
            self._hand_on()
        except ExchangeError as error:
            self._lose(str(error))
        if self._wire is not None and self._wire.holds:
            self._read()

    def flush(self) -> None:
        """Send as much of the outbox as the kernel takes."""
        if self._wire is None:
            return
        try:
            self._outbox.send(self._wire)
            self._wait(waiting=False)
        except BlockingIOError:
            self.blocked = True
            self._wait(waiting=True)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Sending failed."""
        if error.errno in _GONE:
            # What the peer has sent before it went is still to be read: the loss is found behind it.
            self.blocked = True
            self._wait(waiting=False)
        elif error.errno in _NO_MEMORY:
            self.blocked = True
            self._wait(waiting=False)
            self._retry = self._loop.call_later(_PAUSE, self._writable)
        else:
            self._lose(f"sending failed: {error}")

    def close(self) -> None:
        """Close without telling anybody."""
        if self._retry is not None:
            self._retry.cancel()
        wire, self._wire = self._wire, None
        if wire is not None:
            self._poller.unregister(wire.sock)
            wire.sock.close()

    def _wait(self, *, waiting: bool) -> None:
        if waiting is not self._is_waiting and self._wire is not None:
            self._is_waiting = waiting
            self._poller.want_write(self._wire.sock, self._writable if waiting else None)

    def _writable(self) -> None:
        self.blocked = False
        self._retry = None
        self._user.flush()

    def _read(self) -> None:
        try:
            reads = 0
            while (wire := self._wire) is not None:
                room = self._parser.room()
                count = wire.receive(room)
                if count == 0:
                    self._lose("it closed the connection" + (" in the middle of a frame" * self._parser.half))
                    return
                self._parser.received(count)
                self._hand_on()
                reads += 1
                if not wire.holds and (reads == _READS_A_TURN or count < sum(map(len, room))):
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"receiving failed: {error}")
        except ExchangeError as error:
            self._lose(str(error))

    def _hand_on(self) -> None:
        while self._wire is not None and (frame := self._parser.next_frame()) is not None:
            self._user.take(frame)

    def _lose(self, reason: str) -> None:
        if self._wire is not None:
            self.close()
            self._user.lose(reason)
