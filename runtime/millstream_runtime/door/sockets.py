"""The sockets of a door: how they are opened, what the first bytes on one ask for, and how they are closed."""

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

from millstream_runtime.security import IncompleteHelloError, asked_name
from millstream_runtime.security.hello import MAX_HELLO

HANDSHAKE: Final = b"\x16"
"""What every TLS client says first (RFC 8446, 5.1); no HTTP begins so."""
BACKLOG: Final = 128
AT_ONCE: Final = 64 << 10
"""Bytes read at once; a connection holds at most a few of these, whatever its client sends."""
LAST_BYTES: Final = 5.0
"""Seconds in which what gRPC still has to say to a client that has closed its side goes out."""
SHARE: Final = 8
"""One in so many descriptors of the process is a connection's: each has up to three, and stores need some too."""

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address that the host has here, all with the same port. OSError when one can't be had."""
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


async def accepted(listening: socket.socket) -> tuple[socket.socket, Any]:
    """Whoever comes next, and its address. OSError when it can't be had.

    `loop.sock_accept` loses whom it has accepted when it is cancelled in that moment; this loses nobody.
    """
    await asyncio.sleep(0)  # those that are here already are served between two that come
    while True:
        try:
            return listening.accept()
        except BlockingIOError:
            await _readable(listening)


def places(wanted: int) -> int:
    """As many connections as that, or fewer where the process may open few files (`ulimit -n`)."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if allowed == resource.RLIM_INFINITY else max(1, min(wanted, allowed // SHARE))


async def asked(sock: socket.socket) -> tuple[str | None, bool]:
    """The name that a ClientHello asks for, and whether there is one. Nothing is taken out of the socket.

    Looks when the bytes that are needed are there, so three times at most, however slowly they come. OSError when the
    connection ends before; ValueError for what begins as TLS and is none.
    """
    needed = 1
    while True:
        await _holds(sock, needed)
        said = sock.recv(MAX_HELLO, socket.MSG_PEEK)
        if said and not said.startswith(HANDSHAKE):
            return None, False
        if len(said) < needed:
            raise ConnectionResetError(f"it ended after {len(said)} bytes")
        try:
            return asked_name(said), True
        except IncompleteHelloError as error:
            needed = error.needed


async def _holds(sock: socket.socket, count: int) -> None:
    """Until so many bytes have come, or no more will."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    try:
        await _readable(sock)
    finally:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)


async def ends(sock: socket.socket, context: ssl.SSLContext | None) -> Ends:
    """Streams over an accepted socket, behind its handshake."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=AT_ONCE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def connected(path: str, name: str) -> Ends:
    """Streams to a Unix socket, which knows us by a socket of this name beside its own. OSError when it isn't there."""
    sock = socket.socket(socket.AF_UNIX)
    own = Path(path).with_name(name)
    try:
        sock.setblocking(False)
        sock.bind(str(own))
        try:
            await asyncio.get_running_loop().sock_connect(sock, path)
        finally:
            own.unlink(missing_ok=True)  # the kernel keeps the name
        return await asyncio.open_unix_connection(sock=sock, limit=AT_ONCE)
    except BaseException:
        sock.close()
        raise


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    """Closed behind the block. What was written goes out, if the other side takes it soon; when the block is cancelled
    nobody waits for that, nor for the other side's last word of TLS.
    """
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()
        try:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(LAST_BYTES):
                    await writer.wait_closed()
        finally:
            with contextlib.suppress(AttributeError):  # asyncio's own: one that has just closed knows no loop any more
                writer.transport.abort()
