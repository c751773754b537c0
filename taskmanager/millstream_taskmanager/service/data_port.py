"""The one port on which workers of other hosts, and their TaskManagers, reach this one (laws 9.2, 9.3).

Nothing is trusted before it has proved anything: a preface of a few bytes is read, exactly, in a bounded time, from a
bounded number of connections; then the socket belongs to the worker. Everything else is closed, with a line in the log
or a number in one, so that no stranger fills it.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from millstream_dataflow.configuration import Configuration, ConfigurationError, Listener, Problem, check_binding
from millstream_dataflow.configuration.options import taskmanager
from millstream_dataflow.identity import WorkerId
from millstream_runtime.door.sockets import accepted
from millstream_runtime.limited_lines import LimitedLines
from millstream_runtime.running_limit import running_limit
from millstream_taskmanager.exchange.preface import PrefaceError, PrefaceReader
from millstream_taskmanager.results.requests import RESULT_MAGIC, RESULT_TLS_MAGIC
from millstream_taskmanager.results.serving import ResultCaller
from millstream_taskmanager.service.pings import (
    HEAD,
    PING_MAGIC,
    PING_TLS_MAGIC,
    PingPrefaceError,
    PingSender,
    ping_length,
    ping_sender,
)
from millstream_taskmanager.service.settings import PortSettings

log = logging.getLogger("millstream.taskmanager")

_BACKLOG: Final = 128
_NO_DESCRIPTORS_S: Final = 0.1  # until accepting is tried again when the process has none left


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who takes a socket once it is known what it is for. `worker` says why it doesn't; nothing when it does."""

    worker: Callable[[WorkerId, socket.socket], str]
    ping: Callable[[PingSender, socket.socket], Awaitable[None]]
    results: Callable[[ResultCaller, socket.socket], str]


def listen(configuration: Configuration) -> socket.socket:
    """The listening socket. ConfigurationError when the address may not or can't be used."""
    host, port = configuration.get(taskmanager.BIND_HOST), configuration.get(taskmanager.DATA_PORT)
    if warning := check_binding(host, configuration, Listener.DATA_PORT):
        log.warning("%s", warning)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Peers connect over IPv4 to whatever isn't written as an IPv6 address.
        family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] is not socket.AF_INET)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        option = taskmanager.DATA_PORT
        raise ConfigurationError(
            Problem(
                f"the TaskManager can't listen for data on {host}:{port}: {error.strerror}",
                f"choose another {taskmanager.BIND_HOST.key} or {option.key}; 0 takes a free port",
                option.key,
                str(port),
                configuration.origin(option),
            )
        ) from error
    return sock


class DataPort:
    """Accepts, reads prefaces, hands over. `run` is its task."""

    def __init__(self, listening: socket.socket, settings: PortSettings, receivers: Receivers) -> None:
        self._listening = listening
        self._settings = settings
        self._receivers = receivers
        self._unknown: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._lines = LimitedLines(log)

    async def run(self) -> None:
        """Until cancelled; then nothing of it is open."""
        try:
            while True:
                try:
                    sock, address = await accepted(self._listening)
                except OSError as error:
                    self._lines.say(logging.WARNING, "the data port can't accept a connection: %s", error)
                    await asyncio.sleep(_NO_DESCRIPTORS_S)
                    continue
                self._welcome(sock, str(address[0] if address else "?"))
        finally:
            self._listening.close()
            for task in self._unknown:
                task.cancel()
            await asyncio.gather(*self._unknown, return_exceptions=True)
            self._lines.close()

    def _welcome(self, sock: socket.socket, address: str) -> None:
        if len(self._unknown) >= self._settings.unknown_limit:
            # The oldest: whoever is honest has said who it is within milliseconds.
            oldest = next(iter(self._unknown))
            del self._unknown[oldest]
            oldest.cancel()
            text = "a connection to the data port is closed: %d others haven't said what they want either"
            self._lines.say(logging.WARNING, text, self._settings.unknown_limit)
        sock.setblocking(False)
        ours = contextlib.ExitStack()
        ours.callback(sock.close)
        task = asyncio.create_task(self._receive(sock, address, ours), name=f"preface from {address}")
        self._unknown[task] = None

        def done(task: asyncio.Task[None]) -> None:
            self._unknown.pop(task, None)
            ours.close()  # here, since one that is cancelled at once never begins

        task.add_done_callback(done)

    async def _receive(self, sock: socket.socket, address: str, ours: contextlib.ExitStack) -> None:
        """`ours`: closes the socket, as long as nobody else has it."""
        try:
            async with running_limit(self._settings.handshake_timeout / 1_000):
                wanted = await _preface(sock)
        except TimeoutError:
            self._closed(address, f"it didn't say what it wants within {self._settings.handshake_timeout} ms")
            return
        except (PrefaceError, PingPrefaceError, OSError, EOFError) as error:
            self._closed(address, str(error))
            return
        if isinstance(wanted, PingSender):
            ours.pop_all()
            await self._receivers.ping(wanted, sock)
        elif why := self._hand_over(wanted, sock):
            self._closed(address, why)
        else:
            ours.pop_all()

    def _hand_over(self, wanted: WorkerId | ResultCaller, sock: socket.socket) -> str:
        """Why nobody takes it; nothing when somebody does."""
        if isinstance(wanted, ResultCaller):
            return self._receivers.results(wanted, sock)
        return self._receivers.worker(wanted, sock)

    def _closed(self, address: str, why: str) -> None:
        self._lines.say(logging.WARNING, "a connection from %s to the data port is closed: %s", address, why)


async def _preface(sock: socket.socket) -> WorkerId | PingSender | ResultCaller:
    """Exactly the preface: what comes behind belongs to somebody else."""
    head = await _exactly(sock, HEAD.size)
    if head.startswith((RESULT_MAGIC, RESULT_TLS_MAGIC)):
        return ResultCaller(tls=head.startswith(RESULT_TLS_MAGIC))
    if head.startswith((PING_MAGIC, PING_TLS_MAGIC)):
        return ping_sender(head, await _exactly(sock, ping_length(head)))
    reader = PrefaceReader()
    worker = reader.feed(head)
    while worker is None:
        worker = reader.feed(await _exactly(sock, reader.wanted))
    return worker


async def _exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        more = await loop.sock_recv(sock, count - len(data))
        if not more:
            raise EOFError(f"it ended after {len(data)} bytes of its preface")
        data += more
    return data
