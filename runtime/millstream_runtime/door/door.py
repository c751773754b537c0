"""The TCP port: it looks at the first bytes of a connection and passes on what speaks HTTP/2.

gRPC closes a connection that sends it garbage without a word, keeps one that says nothing for two minutes, and has no
limit on their number. So the port is ours, and gRPC listens behind it on a Unix socket in a private directory. Costs
50 us a message, and nothing where it matters: records never come this way.

A connection is passed on when its client has greeted, by HTTP/2's preface and its settings. Until then its place is not
its own: where too many arrive the oldest goes, so that a TaskManager which comes back finds one among any number of
silent ones. Those that have greeted keep theirs, and members of the cluster, which nobody can pretend to be where TLS
tells them, aren't counted: however many others are there, they come in.

What speaks no HTTP/2 is closed with a line in the log, unless the port has somebody for it (`Other`).
"""

import asyncio
import contextlib
import itertools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Final

from millstream_runtime.door import sockets
from millstream_runtime.door.sockets import AT_ONCE, HANDSHAKE, LAST_BYTES, Ends, closing
from millstream_runtime.door.welcome import NO_TLS_HERE, Guest, NotWelcomeError, Welcome, words_of
from millstream_runtime.limited_lines import LimitedLines
from millstream_runtime.running_limit import running_limit
from millstream_runtime.security import NotAMemberError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every HTTP/2 client says first (RFC 9113, 3.4)."""
FRAME_HEADER = 9
"""Bytes: 24 bits of length, 8 of kind, 8 of flags, 32 of stream."""
SETTINGS_KIND = 4
"""Of the frame that every client sends behind its preface without waiting for anybody."""
FIRST_BYTES = 4
"""Enough to tell a preface from anything else, and fewer than any request of HTTP/1 has."""
NO_DESCRIPTORS_S: Final = 0.1  # until accepting is tried again when the process has none left

_log = logging.getLogger("millstream.door")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a port grants to strangers. Fewer connections where the process may open few files."""

    connections: int = 250
    """That haven't greeted. Each takes milliseconds for that, and in the middle of its handshake 0.3 MB."""
    greeting: float = 10.0
    """Seconds in which this process runs, for the handshake of TLS, and again for the preface and the settings."""
    greeted: int | None = 1000
    """Of those that have greeted and keep their places, but for members; a cluster of a hundred TaskManagers with as
    many clients needs a quarter of it. None: nobody keeps his place.
    """


CLUSTER = Limits()
"""Of the port where TaskManagers and clients come."""

Other = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves a connection that began with these bytes, which are no preface. It is closed afterwards."""


class Door:
    """A listening TCP port in front of a Unix socket."""

    def __init__(self, welcome: Welcome, limits: Limits | None = None, other: Other | None = None) -> None:
        self._welcome = welcome
        self._limits = CLUSTER if limits is None else limits
        self._other = other
        self._listening: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._movable: dict[asyncio.Task[None], str] = {}
        """Those that may be closed to make room, the oldest first, with the names of their peers."""
        self._greeted: set[asyncio.Task[None]] = set()
        """Those that keep their places without being members."""
        self._names = itertools.count()
        self._passed: dict[str, tuple[asyncio.Task[None], str]] = {}
        """Those that gRPC has, by the names of the sockets that lead to it, with the names of their peers."""
        self._ending = False
        self._lines = LimitedLines(_log)

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that was taken. OSError when it can't be had."""
        self._listening = await sockets.listening(host, port)
        self._accepting = [asyncio.create_task(self._accept(sock)) for sock in self._listening]
        taken: int = self._listening[0].getsockname()[1]
        return taken

    def ending(self) -> None:
        """GRPC is about to close all connections; that is no trouble of theirs."""
        self._ending = True

    def end(self, inner_peer: str) -> None:
        """Close the connection that gRPC knows as this peer, if it is there: its client doesn't take what it asked for.
        All its calls end with it.
        """
        task, peer = self._passed.pop(inner_peer.rpartition("/")[2], (None, ""))
        if task is not None:
            text = "the connection from %s is closed: it asked without a token, and took too few of the answers"
            self._lines.say(logging.WARNING, text, peer)
            task.cancel()

    async def close(self) -> None:
        """Close the port and all connections."""
        for task in (*self._accepting, *self._connections):
            task.cancel()
        await asyncio.gather(*self._accepting, *self._connections, return_exceptions=True)
        for sock in self._listening:
            sock.close()
        self._lines.close()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, address = await sockets.accepted(listening)
            except OSError as error:
                self._lines.say(logging.WARNING, "a connection can't be accepted: %s", error)
                await asyncio.sleep(NO_DESCRIPTORS_S)
                continue
            self._welcomed(sock, f"{address[0]}:{address[1]}" if address else "a client that is gone")

    def _welcomed(self, sock: socket.socket, peer: str) -> None:
        if len(self._movable) >= sockets.places(self._limits.connections):
            self._make_room()
        sock.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(peer, sock))
        self._connections.add(task)
        self._movable[task] = peer
        task.add_done_callback(self._left)
        task.add_done_callback(lambda _: sock.close())  # a task that was cancelled before it ran closes nothing

    def _left(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._greeted.discard(task)
        self._movable.pop(task, None)

    def _make_room(self) -> None:
        """The oldest that may be closed is."""
        task, peer = next(iter(self._movable.items()))
        others = len(self._movable)
        del self._movable[task]
        why = "it is the oldest" if self._limits.greeted is None else "it hasn't greeted"
        self._lines.say(
            logging.WARNING, f"the connection from %s is closed: {why}, and %s others are open", peer, others
        )
        task.cancel()

    def _stays(self, guest: Guest) -> bool:
        """Whether there is a place for one that has greeted."""
        task = asyncio.current_task()
        if self._limits.greeted is None or task is None:
            return True
        if not guest.proven:
            if len(self._greeted) >= sockets.places(self._limits.greeted):
                return False
            self._greeted.add(task)
        self._movable.pop(task, None)
        return True

    async def _serve(self, peer: str, sock: socket.socket) -> None:
        try:
            async with running_limit(self._limits.greeting):
                guest, ends = await self._let_in(sock)
        except TimeoutError:
            text = "the connection from %s is closed: it said nothing, or not enough for TLS, for %g s"
            self._lines.say(logging.WARNING, text, peer, self._limits.greeting)
        except (NotWelcomeError, NotAMemberError, ssl.SSLError) as error:
            self._lines.say(logging.WARNING, "the connection from %s is closed: %s", peer, words_of(error))
        except OSError as error:
            why = str(error) or "it went away within the handshake, as who doesn't accept our certificate"
            self._lines.say(logging.INFO, "the connection from %s broke: %s", peer, why)
        else:
            await self._served(peer, ends, guest)

    async def _served(self, peer: str, ends: Ends, guest: Guest) -> None:
        reader, writer = ends
        try:
            async with closing(writer):
                greeting, trouble = await _greeting(reader, self._limits.greeting)
                if self._other is not None and not PREFACE.startswith(greeting[:FIRST_BYTES]):
                    await self._other(greeting, reader, writer)
                elif trouble:
                    self._lines.say(logging.WARNING, "the connection from %s is closed: %s", peer, trouble)
                elif not self._stays(guest):
                    text = "the connection from %s is closed: %s others are open"
                    self._lines.say(logging.WARNING, text, peer, len(self._greeted))
                else:
                    await self._passed_on(peer, ends, guest.inner, greeting)
        except OSError as error:
            self._lines.say(logging.INFO, "the connection from %s broke: %s", peer, str(error) or "it went away")

    async def _passed_on(self, peer: str, ends: Ends, inner_path: str, greeting: bytes) -> None:
        name = f"{next(self._names):x}"
        with self._known(name, peer):
            inner = await sockets.connected(inner_path, name)
            async with closing(inner[1]):
                inner[1].write(greeting)
                if not await _pass_on(ends, inner) and not self._ending:
                    text = "the connection from %s was closed by gRPC, which can't read what it sent"
                    self._lines.say(logging.WARNING, text, peer)

    @contextlib.contextmanager
    def _known(self, name: str, peer: str) -> Generator[None]:
        """To `end`, meanwhile."""
        if (task := asyncio.current_task()) is not None:
            self._passed[name] = task, peer
        try:
            yield
        finally:
            self._passed.pop(name, None)

    async def _let_in(self, sock: socket.socket) -> tuple[Guest, Ends]:
        """Whose connection it is, and its ends; its TLS, if any, is done."""
        if not self._welcome.knows_tls:
            return self._welcome.without_tls(), await sockets.ends(sock, None)
        try:
            name, speaks_tls = await sockets.asked(sock)
        except ValueError as error:
            raise NotWelcomeError(f"it speaks neither gRPC nor TLS: {error}") from error
        if not speaks_tls:
            return self._welcome.without_tls(), await sockets.ends(sock, None)
        ends = await sockets.ends(sock, self._welcome.context(name))
        try:
            return self._welcome.with_tls(name, ends[1].get_extra_info("ssl_object")), ends
        except BaseException:
            ends[1].transport.abort()
            raise


async def _greeting(reader: asyncio.StreamReader, limit: float) -> tuple[bytes, str]:
    """The preface and the header of the first frame; or what came instead, and what is wrong with it."""
    said = b""
    try:
        async with running_limit(limit):
            said = await reader.readexactly(FIRST_BYTES)
            if not PREFACE.startswith(said):
                what = NO_TLS_HERE if said.startswith(HANDSHAKE) else "are no gRPC"
                return said, f"its first bytes {said!r} {what}"
            said += await reader.readexactly(len(PREFACE) - FIRST_BYTES)
            if said != PREFACE:
                return said, f"its first bytes {said!r} are no gRPC"
            header = await reader.readexactly(FRAME_HEADER)
    except TimeoutError:
        what = "no settings came behind its preface" if said == PREFACE else "it said nothing"
        return said, f"{what} for {limit:g} s"
    except asyncio.IncompleteReadError as error:
        return said, f"it ended after {len(said) + len(error.partial)} bytes"
    kind, stream = header[3], int.from_bytes(header[5:])
    settings = kind == SETTINGS_KIND and stream == 0
    return said + header, "" if settings else f"its first frame {header!r} has no settings, so it is no gRPC"


async def _pass_on(client: Ends, inner: Ends) -> bool:
    """Until one of them closes; whether it was the client."""
    to_server = asyncio.create_task(_copy(client[0], inner[1]))
    to_client = asyncio.create_task(_copy(inner[0], client[1]))
    try:
        await asyncio.wait({to_server, to_client}, return_when=asyncio.FIRST_COMPLETED)
        if to_client.done():
            return False
        with contextlib.suppress(OSError):
            inner[1].write_eof()
        await asyncio.wait({to_client}, timeout=LAST_BYTES)
        return True
    finally:
        to_server.cancel()
        to_client.cancel()
        await asyncio.gather(to_server, to_client, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(AT_ONCE):
        writer.write(data)
        await writer.drain()
