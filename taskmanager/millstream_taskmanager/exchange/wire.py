"""What bytes go by: a socket as it is, between workers of one machine or of hosts that trust their network, or TLS on
it (`tls`). Whoever uses one needn't know which.
"""

import socket
from collections.abc import Sequence
from typing import Final, Protocol

from millstream_taskmanager.exchange.buffers import Buffer

ON_BOTH: Final = "set security.ssl.internal.enabled on both hosts, or on neither"
"""What to do when one end speaks TLS and the other doesn't."""

SPEAKS_TLS: Final = bytes((21, 3, 3, 0, 2, 2, 70))
"""What an end with TLS says to one without before it closes: a fatal alert (RFC 8446, section 6)."""
SPEAKS_NO_TLS: Final = b"no TLS\n"
"""And the other way round: anything that is no record of TLS."""

_RECORDS: Final = (b"\x15\x03", b"\x16\x03")  # an alert, a handshake: what TLS begins with


def begins_tls(said: Buffer) -> bool:
    """Whether the first bytes of somebody are TLS. No frame of a handshake begins so: it would be far too long."""
    return bytes(said[:2]) in _RECORDS


class Wire(Protocol):
    """One non-blocking connection. Errors are those of the system, as OSError, or ExchangeError for what can't come
    from a worker. BlockingIOError: nothing goes at the moment.
    """

    @property
    def sock(self) -> socket.socket:
        """What is waited for, and closed."""
        ...

    @property
    def holds(self) -> bool:
        """Whether to receive again before the socket is waited for: that doesn't tell what has come through already."""
        ...

    def receive(self, room: Sequence[memoryview]) -> int:
        """Fill the room, from its front; gives how many bytes that were, 0 for the end."""
        ...

    def send(self, buffers: Sequence[Buffer]) -> int:
        """Take from their front as many bytes as go at once; gives how many. What was taken is gone for whoever sent
        it, and mustn't be sent again.
        """
        ...

    def flush(self) -> None:
        """Send what it has taken but not sent yet; BlockingIOError when the socket doesn't take all of it."""
        ...


class PlainWire:
    """A socket as it is."""

    __slots__ = ("holds", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.holds = False

    def receive(self, room: Sequence[memoryview]) -> int:
        """See Wire."""
        return self.sock.recv_into(room[0]) if len(room) == 1 else self.sock.recvmsg_into(room)[0]

    def send(self, buffers: Sequence[Buffer]) -> int:
        """See Wire."""
        return self.sock.sendmsg(buffers)

    def flush(self) -> None:
        """The system has all that it has taken."""


class Wires(Protocol):
    """Makes the connections between hosts what they are."""

    def calling(self, sock: socket.socket) -> Wire:
        """The end that connected, behind its preface."""
        ...

    def answering(self, sock: socket.socket) -> Wire:
        """The end that accepted, behind the preface."""
        ...


class PlainWires:
    """In clear."""

    calling = answering = PlainWire
