"""Connecting to a worker that may not listen yet: again and again with growing pauses, until it has answered or its
time is over. On the same machine by its socket file, else through the data port of its TaskManager.

Time counts while the peer can't be reached: it doesn't listen, its TaskManager doesn't know it, or nobody answers. A
worker listens before it restores and opens anything, and the system takes connections for it meanwhile, so how long
that takes is not counted.
"""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from millstream_dataflow.identity import WorkerId
from millstream_dataflow.words import counted
from millstream_runtime.messages.deployments import WorkerPlacement
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.exchange.countdown import Countdown, ScheduledCall
from millstream_taskmanager.exchange.frames import FrameParser
from millstream_taskmanager.exchange.greeting import Calling, Greeted, Loop
from millstream_taskmanager.exchange.handshake import Connector
from millstream_taskmanager.exchange.preface import encode_preface
from millstream_taskmanager.exchange.wire import PlainWire, Wire, Wires

_FIRST_PAUSE: Final = 10  # milliseconds: a worker starts in some 100
_LONGEST_PAUSE: Final = 500
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EINTR})


@dataclass(frozen=True, slots=True)
class Route:
    """How to get to a worker."""

    address: str | tuple[str, int]
    """A socket file, or host and port."""
    preface: bytes
    """In clear, for whoever hands the socket on to the peer."""
    wire: Callable[[socket.socket], Wire]
    """What the socket becomes behind it."""

    def __str__(self) -> str:
        return self.address if isinstance(self.address, str) else f"{self.address[0]}:{self.address[1]}"

    def connect(self) -> tuple[socket.socket, int]:
        """A non-blocking socket that begins to connect, and the error number of that. A host's name is looked up here,
        which blocks: clusters that want none of that advertise addresses.
        """
        if isinstance(self.address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            return sock, sock.connect_ex(self.address)
        host, port = self.address
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, number)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, sock.connect_ex(address)


def route_to(peer: WorkerPlacement, machine: str, wires: Wires) -> Route:
    """`machine`: ours (`DataAddress.machine`); `wires`: between hosts."""
    address = peer.address
    if address.machine == machine:
        return Route(socket_path(address.directory, peer.worker), b"", PlainWire)
    return Route((address.host, address.port), encode_preface(peer.worker), wires.calling)


class Dialler:
    """Connects with one peer. Either `on_done` is called or `on_failed`, once."""

    def __init__(
        self,
        route: Route,
        loop: Loop,
        make_handshake: Callable[[], Connector],
        on_done: Greeted,
        on_failed: Callable[[str], None],
    ) -> None:
        """`make_handshake`: a new one for each try, with a nonce of its own."""
        self._route = route
        self._loop = loop
        self._make_handshake = make_handshake
        self._on_done = on_done
        self._on_failed = on_failed
        self._pause = _FIRST_PAUSE
        self._tries = 0
        self._reason = ""
        self._reached = False  # somebody took the connection, or would if there weren't so many
        self._sock: socket.socket | None = None  # while it connects
        self._greeting: Calling | None = None
        self._countdown: Countdown | None = None
        self._retrying: ScheduledCall | None = None

    def __str__(self) -> str:
        """How far it has come."""
        tried = f"no connection by {self._route} in {counted(self._tries, 'try', 'tries')}"
        return f"{tried}, the last one: {self._reason}" if self._reason else tried

    def start(self, timeout: int) -> None:
        """Try until the peer could not be reached for so many milliseconds."""
        self._countdown = Countdown(
            timeout, self._loop.call_later, lambda: self._give_up(timeout), lambda: not self._reached
        )
        self._try()

    def close(self) -> None:
        """Give up without telling anybody."""
        for timer in (self._countdown, self._retrying):
            if timer is not None:
                timer.cancel()
        if self._greeting is not None:
            self._greeting.close()
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.poller.unregister(sock)
            sock.close()

    def _try(self) -> None:
        self._tries += 1
        try:
            sock, code = self._route.connect()
        except OSError as error:  # a name that nobody knows, no more descriptors
            self._retry(str(error))
            return
        if code in _UNDER_WAY:
            self._reached = False
            self._reason = "nobody answers"
            self._sock = sock
            self._loop.poller.register(sock, self._connected)
            self._loop.poller.want_write(sock, self._connected)
        else:
            self._go_on(sock, code)

    def _connected(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.poller.unregister(sock)
            self._go_on(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _go_on(self, sock: socket.socket, code: int) -> None:
        if code:
            sock.close()
            self._retry(os.strerror(code), crowded=code == errno.EAGAIN)
        else:
            self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        self._reached = True
        preface = self._route.preface
        try:
            if preface and sock.send(preface) != len(preface):
                raise OSError(f"the system takes less than the {len(preface)} bytes of a preface")
            wire = self._route.wire(sock)
        except OSError as error:
            sock.close()
            self._retry(str(error))
            return
        self._greeting = Calling(wire, self._loop, self._make_handshake(), self._done, self._retry)
        self._greeting.begin()

    def _done(self, wire: Wire, parser: FrameParser, peer: WorkerId) -> None:
        self.close()
        self._on_done(wire, parser, peer)

    def _retry(self, reason: str, *, crowded: bool = False) -> None:
        """`crowded`: the peer listens, but too many connections wait to be accepted."""
        self._reason = reason
        self._reached = crowded
        self._greeting = None
        self._retrying = self._loop.call_later(self._pause, self._try)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _give_up(self, timeout: int) -> None:
        self.close()
        self._on_failed(
            f"no connection by {self._route} within {timeout} ms ({counted(self._tries, 'try', 'tries')}); the last "
            f"one: {self._reason}"
        )
