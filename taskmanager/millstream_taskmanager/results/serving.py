"""A TaskManager serves what finished stages have left here to workers of other machines (`requests`).

In threads, since TLS and `sendfile` block: as many as serve at once, and a bounded number waits. Each has seconds to
say what it wants, and nobody holds a thread while it works on what it got.
"""

import asyncio
import hmac
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId
from millstream_runtime.limited_lines import LimitedLines
from millstream_runtime.result_tickets import result_ticket
from millstream_runtime.security import InternalTls, NotAMemberError, check_member
from millstream_taskmanager.exchange.wire import ON_BOTH
from millstream_taskmanager.results.layout import DamagedResultError
from millstream_taskmanager.results.partitions import at_once, open_result, partition_of
from millstream_taskmanager.results.places import result_path
from millstream_taskmanager.results.requests import (
    LONGEST_REQUEST,
    Answer,
    Request,
    read_request,
    receive_message,
    send_message,
)

log = logging.getLogger("millstream.taskmanager")

_THREADS: Final = 8
_WAITING: Final = 256
_GREETING_S: Final = 5.0
_SENDING_S: Final = 30.0  # for each piece: whoever asks takes it at once


@dataclass(frozen=True, slots=True)
class ResultCaller:
    """Somebody who has come for results, by the data port."""

    tls: bool
    """Whether he goes on in TLS."""


class ResultServer:
    """Of one TaskManager."""

    def __init__(self, root: Path, key: bytes, tls: InternalTls | None) -> None:
        """In the running loop. `root`: where results lie. `key`: see `result_tickets`."""
        self._root = root
        self._key = key
        self._tls = tls
        self._lines = LimitedLines(log)
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(_THREADS, "results")
        self._callers = set[socket.socket]()

    def adopt(self, caller: ResultCaller, sock: socket.socket) -> str:
        """Takes the socket of somebody, or says why not."""
        if caller.tls is not (self._tls is not None):
            return f"it asks for results {'with' if caller.tls else 'without'} TLS; {ON_BOTH}"
        if len(self._callers) >= _WAITING:
            return f"{_WAITING} others wait for results already"
        self._callers.add(sock)
        self._threads.submit(self._serve, sock)
        return ""

    def close(self) -> None:
        """Nobody is served any more."""
        for sock in list(self._callers):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._threads.shutdown(cancel_futures=True)
        for sock in list(self._callers):
            sock.close()
        self._lines.close()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(_GREETING_S)
            with self._secured(sock) as connection:
                request = read_request(receive_message(connection, LONGEST_REQUEST))
                connection.settimeout(_SENDING_S)
                self._answer(connection, request)
        except (OSError, ValueError, NotAMemberError) as error:
            self._loop.call_soon_threadsafe(self._closed, str(error))
        finally:
            self._callers.discard(sock)
            sock.close()

    def _closed(self, why: str) -> None:
        self._lines.say(logging.WARNING, "a connection for results is closed: %s", why)

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self._tls is None:
            return sock
        secured = self._tls.server_context().wrap_socket(sock, server_side=True)
        try:
            check_member(secured)
        except BaseException:
            secured.close()
            raise
        return secured

    def _answer(self, connection: socket.socket, request: Request) -> None:
        attempt = RegionAttempt(JobId(request.job), RegionId(request.region), request.attempt)
        if not hmac.compare_digest(request.ticket, result_ticket(self._key, attempt)):
            raise ValueError(f"it has no ticket for the results of attempt {attempt}")
        try:
            # Proved by the ticket: the names are a leader's, but for that of the file.
            if "/" in request.name or "." in request.name:
                raise DamagedResultError(f"there is no result {request.name!r}")
            with open_result(result_path(self._root, attempt, request.ordinal, request.name)) as file:
                partition = partition_of(file, request.target)
                send_message(connection, Answer(partition))
                for segment in at_once(partition, request.first, request.limit) if request.limit else ():
                    connection.sendfile(file, segment.place, segment.size)
        except DamagedResultError as error:
            send_message(connection, Answer(None, str(error)))
