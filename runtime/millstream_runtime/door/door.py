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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from millstream_runtime.limited_lines import LimitedLines

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every HTTP/2 client says first (RFC 9113, 3.4)."""
FRAME_HEADER = 9
"""Bytes: 24 bits of length, 8 of kind, 8 of flags, 32 of stream."""
SETTINGS_KIND = 4
"""Of the frame that every client sends behind its preface without waiting for anybody."""
FIRST_BYTES = 4
"""Enough to tell a preface from anything else, and fewer than any request of HTTP/1 has."""
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

    def __init__(self, inner_path: str, limits: Limits | None = None, other: Other | None = None) -> None:
        self._inner_path = inner_path
        self._limits = CLUSTER if limits is None else limits
        self._other = other
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._movable: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        """Those that may be closed to make room, the oldest first."""
        self._ending = False
        self._lines = LimitedLines(_log)

    async def open(self, host: str, port: int) -> int:
        """Listen; the port that was taken. OSError when it can't be had."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=AT_ONCE)
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    def ending(self) -> None:
        """GRPC is about to close all connections; that is no trouble of theirs."""
        self._ending = True

    async def close(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        self._lines.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _name(writer)
        if len(self._connections) >= self._limits.connections and not self._made_room():
            text = "the connection from %s is closed: %s others are open"
            self._lines.say(logging.WARNING, text, peer, self._limits.connections)
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(peer, reader, writer))
        self._connections.add(task)
        self._movable[writer] = task
        task.add_done_callback(self._connections.discard)

    def _made_room(self) -> bool:
        """Whether there was one that could be closed for it."""
        for writer, task in self._movable.items():
            del self._movable[writer]
            why = "it hasn't greeted" if self._limits.keeps_greeted else "it is the oldest"
            text = "the connection from %s is closed: %s, and %s others are open"
            self._lines.say(logging.WARNING, text, _name(writer), why, self._limits.connections)
            task.cancel()
            writer.transport.abort()  # a task that has never run closes nothing
            return True
        return False

    async def _serve(self, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            greeting, trouble = await _greeting(reader, self._limits.greeting)
            if self._other is not None and not PREFACE.startswith(greeting[:FIRST_BYTES]):
                await self._other(greeting, reader, writer)
                return
            if trouble:
                self._lines.say(logging.WARNING, "the connection from %s is closed: %s", peer, trouble)
                return
            if self._limits.keeps_greeted:
                self._movable.pop(writer, None)
            inner_reader, inner_writer = await asyncio.open_unix_connection(self._inner_path, limit=AT_ONCE)
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
            self._movable.pop(writer, None)
            await _close(writer)


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


def _name(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return f"{peer[0]}:{peer[1]}" if peer else "a client that is gone"
