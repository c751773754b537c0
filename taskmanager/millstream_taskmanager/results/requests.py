"""A partition that lies on another machine: each answer brings some megabytes of it, by a connection of its own.

So a reader that waits for its own receivers keeps neither a connection nor a thread of the other TaskManager busy, and
a connection that breaks is asked for again where it broke. Over the data port, with a preface of its own:

    "MSF1" | zero u16                   "MSF2": the same, in clear, then TLS
    u32 size | msgpack of a Request
    u32 size | msgpack of an Answer | the segments that it names, one behind the other

Who asks shows a ticket that its JobManager made (`millstream_runtime.result_tickets`); with TLS he must show a
certificate of the cluster before.
"""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from millstream_runtime.security import INTERNAL_NAME
from millstream_taskmanager.exchange.wire import ON_BOTH
from millstream_taskmanager.results.layout import DamagedResultError, Partition
from millstream_taskmanager.results.partitions import at_once, checked

RESULT_MAGIC: Final = b"MSF1"
RESULT_TLS_MAGIC: Final = b"MSF2"
HEAD: Final = struct.Struct("<4sH")
SIZE: Final = struct.Struct("<I")
LONGEST_REQUEST: Final = 1 << 10
AT_ONCE: Final = 4 << 20
"""Bytes of one answer."""

_TRIES: Final = 3
_PAUSES_S: Final = (0.2, 1.0)
_TIMEOUT_S: Final = 30.0  # for each step: of a disk that is busy with others
_LONGEST_ANSWER: Final = 64 << 20  # an index of a million segments, far more than anybody has

Connect = Callable[[], socket.socket]


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What is asked for."""

    job: str
    region: int
    attempt: int
    ordinal: int
    name: str
    target: int
    first: int
    limit: int
    ticket: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What follows it are the segments that `at_once` says; none where `refused` says why."""

    partition: Partition | None
    refused: str = ""


_encode = msgspec.msgpack.Encoder().encode
_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


class RemotePartition:
    """See StoredPartition. `request` is for the first segment."""

    def __init__(self, connect: Connect, request: Request, pause: Callable[[float], None] = time.sleep) -> None:
        self._connect = connect
        self._request = request
        self._pause = pause
        self._partition: Partition | None = None

    def index(self) -> Partition:
        """See StoredPartition."""
        if self._partition is None:
            self._fetch(0, 0)
        assert self._partition is not None
        return self._partition

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        """See StoredPartition. As much as comes in one answer, whatever the limit, to spare connections."""
        if self._partition is not None and first >= len(self._partition.segments):
            return ()
        return self._fetch(first, max(limit, AT_ONCE))

    def close(self) -> None:
        """See StoredPartition: nothing is open between two answers."""

    def _fetch(self, first: int, limit: int) -> Sequence[bytes]:
        for number in range(_TRIES):
            try:
                return self._ask(first, limit)
            except OSError:
                if number == _TRIES - 1:
                    raise
                self._pause(_PAUSES_S[number])
        raise AssertionError("the last try gives, or raises")

    def _ask(self, first: int, limit: int) -> Sequence[bytes]:
        asked = msgspec.structs.replace(self._request, first=first, limit=limit)
        with self._connect() as sock:
            send_message(sock, asked)
            answer = _answers.decode(receive_message(sock, _LONGEST_ANSWER))
            if answer.partition is None:
                raise DamagedResultError(answer.refused)
            self._partition = answer.partition
            chosen = at_once(answer.partition, first, limit) if limit else []
            return checked([exactly(sock, segment.size) for segment in chosen], chosen)


def dial(host: str, port: int, tls: ssl.SSLContext | None) -> socket.socket:
    """A connection to a TaskManager, ready for a request."""
    sock = socket.create_connection((host, port), _TIMEOUT_S)
    try:
        sock.sendall(HEAD.pack(RESULT_MAGIC if tls is None else RESULT_TLS_MAGIC, 0))
        return sock if tls is None else tls.wrap_socket(sock, server_hostname=INTERNAL_NAME)
    except BaseException:
        sock.close()
        raise


def read_request(data: bytes) -> Request:
    """ValueError for anything else."""
    try:
        return _requests.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it asks for results in no form that is known: {error}") from error


def send_message(sock: socket.socket, message: Request | Answer) -> None:
    """Size and content."""
    data = _encode(message)
    sock.sendall(SIZE.pack(len(data)) + data)


def receive_message(sock: socket.socket, limit: int) -> bytes:
    """The content of one. ConnectionError when it doesn't come, ValueError when it is too long."""
    [size] = SIZE.unpack(exactly(sock, SIZE.size))
    if size > limit:
        raise ValueError(f"a message about results of {size} bytes, of {limit} at most")
    return exactly(sock, size)


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes. ConnectionError when they don't come."""
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        count = sock.recv_into(view[done:])
        if not count:
            raise ConnectionError(
                f"the connection ended before {size - done} of {size} bytes; {ON_BOTH}, if it was at once"
            )
        done += count
    return bytes(data)
