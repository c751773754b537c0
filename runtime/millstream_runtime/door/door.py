"""The TCP port: it looks at the first bytes of a connection and passes on what speaks HTTP/2.

gRPC closes a connection that sends it garbage without a word, keeps one that says nothing for two minutes, and has no
limit on their number. So the port is ours, and gRPC listens behind it on a Unix socket in a private directory. Costs
50 us a message, and nothing where it matters: records never come this way.

A connection is passed on when its client has greeted, by HTTP/2's preface and its settings. Where too many are open the
oldest that hasn't goes first: a TaskManager that comes back finds a place among any number of silent ones.

What speaks no HTTP/2 is closed with a line in the log, unless the port has somebody for it (`Other`).
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from millstream_runtime.door.welcome import NotWelcomeError, Welcome
from millstream_runtime.limited_lines import LimitedLines
from millstream_runtime.security import IncompleteHelloError, NotAMemberError, asked_name
from millstream_runtime.security.hello import MAX_HELLO

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every HTTP/2 client says first (RFC 9113, 3.4)."""
FRAME_HEADER = 9
"""Bytes: 24 bits of length, 8 of kind, 8 of flags, 32 of stream."""
SETTINGS_KIND = 4
"""Of the frame that every client sends behind its preface without waiting for anybody."""
FIRST_BYTES = 4
"""Enough to tell a preface from anything else, and fewer than any request of HTTP/1 has."""
HANDSHAKE: Final = b"\x16"
"""What every TLS client says first (RFC 8446, 5.1); no HTTP begins so."""
PEEK_S: Final = 0.005
"""Between two looks at what has come. A ClientHello comes in one piece, as a rule."""
BACKLOG: Final = 128
NO_DESCRIPTORS_S: Final = 0.1  # until accepting is tried again when the process has none left
AT_ONCE = 64 << 10
"""Bytes read at once; a connection holds at most a few of these, whatever its client sends."""
LAST_BYTES = 5.0
"""Seconds in which what gRPC still has to say to a client that has closed its side goes out."""

_log = logging.getLogger("millstream.door")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a port grants to strangers."""

    connections: int = 1000
    """A cluster of a hundred TaskManagers with as many clients needs a quarter of it."""
    greeting: float = 10.0
    """Seconds for the preface and the settings."""
    keeps_greeted: bool = True
    """A connection that has greeted isn't closed to make room."""


CLUSTER = Limits()
"""Of the port where TaskManagers and clients come."""

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

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
        self._ending = False
        self._lines = LimitedLines(_log)

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that was taken. OSError when it can't be had."""
        self._listening = await _listening(host, port)
        self._accepting = [asyncio.create_task(self._accept(sock)) for sock in self._listening]
        taken: int = self._listening[0].getsockname()[1]
        return taken

    def ending(self) -> None:
        """GRPC is about to close all connections; that is no trouble of theirs."""
        self._ending = True

    async def close(self) -> None:
        """Close the port and all connections."""
        for task in (*self._accepting, *self._connections):
            task.cancel()
        await asyncio.gather(*self._accepting, *self._connections, return_exceptions=True)
        for sock in self._listening:
            sock.close()
        self._lines.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError as error:
                self._lines.say(logging.WARNING, "a connection can't be accepted: %s", error)
                await asyncio.sleep(NO_DESCRIPTORS_S)
                continue
            self._welcomed(sock, f"{address[0]}:{address[1]}" if address else "a client that is gone")

    def _welcomed(self, sock: socket.socket, peer: str) -> None:
        if len(self._connections) >= self._limits.connections and not self._made_room():
            text = "the connection from %s is closed: %s others are open"
            self._lines.say(logging.WARNING, text, peer, self._limits.connections)
            sock.close()
            return
        sock.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(peer, sock))
        self._connections.add(task)
        self._movable[task] = peer
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda task: self._movable.pop(task, None))
        task.add_done_callback(lambda _: sock.close())  # a task that was cancelled before it ran closes nothing

    def _made_room(self) -> bool:
        """Whether there was one that could be closed for it."""
        for task, peer in self._movable.items():
            del self._movable[task]
            why = "it hasn't greeted" if self._limits.keeps_greeted else "it is the oldest"
            text = "the connection from %s is closed: %s, and %s others are open"
            self._lines.say(logging.WARNING, text, peer, why, self._limits.connections)
            task.cancel()
            return True
        return False

    async def _serve(self, peer: str, sock: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._limits.greeting):
                inner_path, ends = await self._let_in(sock)
        except TimeoutError:
            text = "the connection from %s is closed: it said nothing for %g s"
            self._lines.say(logging.WARNING, text, peer, self._limits.greeting)
        except (NotWelcomeError, NotAMemberError, ssl.SSLError) as error:
            self._lines.say(logging.WARNING, "the connection from %s is closed: %s", peer, _words(error))
        except OSError as error:
            self._lines.say(logging.INFO, "the connection from %s broke: %s", peer, error)
        else:
            await self._served(peer, ends, inner_path)

    async def _served(self, peer: str, ends: Ends, inner_path: str) -> None:
        reader, writer = ends
        try:
            greeting, trouble = await _greeting(reader, self._limits.greeting)
            if self._other is not None and not PREFACE.startswith(greeting[:FIRST_BYTES]):
                await self._other(greeting, reader, writer)
                return
            if trouble:
                self._lines.say(logging.WARNING, "the connection from %s is closed: %s", peer, trouble)
                return
            if self._limits.keeps_greeted and (task := asyncio.current_task()) is not None:
                self._movable.pop(task, None)
            inner_reader, inner_writer = await asyncio.open_unix_connection(inner_path, limit=AT_ONCE)
            try:
                inner_writer.write(greeting)
                if not await _pass_on((reader, writer), (inner_reader, inner_writer)) and not self._ending:
                    text = "the connection from %s was closed by gRPC, which can't read what it sent"
                    self._lines.say(logging.WARNING, text, peer)
            finally:
                await _close(inner_writer)
        except OSError as error:
            self._lines.say(logging.INFO, "the connection from %s broke: %s", peer, error)
        finally:
            await _close(writer)

    async def _let_in(self, sock: socket.socket) -> tuple[str, Ends]:
        """The socket behind the door for this connection, and its ends; its TLS, if any, is done."""
        if not self._welcome.knows_tls:
            return self._welcome.without_tls(), await _ends(sock, None)
        name, speaks_tls = await _asked(sock)
        if not speaks_tls:
            return self._welcome.without_tls(), await _ends(sock, None)
        ends = await _ends(sock, self._welcome.context(name))
        try:
            return self._welcome.with_tls(name, ends[1].get_extra_info("ssl_object")), ends
        except BaseException:
            ends[1].transport.abort()
            raise


async def _listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address that the host has here, all with the same port."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            made.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = made[0].getsockname()[1] if len(made) > 1 else port
            sock.bind((address[0], taken, *address[2:]))
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except BaseException:
        for sock in made:
            sock.close()
        raise
    return made


async def _ends(sock: socket.socket, context: ssl.SSLContext | None) -> Ends:
    """Streams over an accepted socket, behind its handshake."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=AT_ONCE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _asked(sock: socket.socket) -> tuple[str | None, bool]:
    """The name that a ClientHello asks for, and whether there was one. Nothing is taken out of the socket."""
    while True:
        with contextlib.suppress(BlockingIOError, IncompleteHelloError):
            said = sock.recv(MAX_HELLO, socket.MSG_PEEK)
            if not said:
                raise ConnectionResetError("it ended before it had said anything")
            return (_asked_name(said), True) if said.startswith(HANDSHAKE) else (None, False)
        await asyncio.sleep(PEEK_S)


def _asked_name(said: bytes) -> str | None:
    try:
        return asked_name(said)
    except IncompleteHelloError:
        raise
    except ValueError as error:
        raise NotWelcomeError(f"its first bytes {said[:FIRST_BYTES]!r} are neither gRPC nor TLS") from error


def _words(error: Exception) -> str:
    return str(getattr(error, "verify_message", "")) or str(getattr(error, "reason", "")) or str(error)


async def _greeting(reader: asyncio.StreamReader, limit: float) -> tuple[bytes, str]:
    """The preface and the header of the first frame; or what came instead, and what is wrong with it."""
    said = b""
    try:
        async with asyncio.timeout(limit):
            said = await reader.readexactly(FIRST_BYTES)
            if not PREFACE.startswith(said):
                return said, f"its first bytes {said!r} are no gRPC"
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


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(LAST_BYTES):
            await writer.wait_closed()
            return
    writer.transport.abort()
