"""A gRPC peer that decides itself what it reads and what it lets come: frames of HTTP/2 (RFC 9113) over a socket."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from itertools import count
from typing import Final, Self

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS = 1, 4
END_STREAM_AND_HEADERS: Final = 5
TABLE_SIZE, WINDOW = 1, 4  # of SETTINGS
SMALLEST_BUFFER: Final = 4096
"""Bytes that the system takes for one that doesn't read."""


class RawPeer:
    """Says its preface at once. It has no table of headers, so that answers are long; nothing is read unless one of
    its verbs does.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, window: int = 0) -> None:
        """`window`: bytes of data that it lets come for each call."""
        sock = socket.socket()
        sock.settimeout(20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
        try:
            sock.connect(("127.0.0.1", port))
            self.sock = sock if tls is None else tls.wrap_socket(sock, server_hostname="localhost")
            settings = struct.pack(">HIHI", WINDOW, window, TABLE_SIZE, 0)
            self.sock.sendall(PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(SETTINGS, 1, 0))
        except BaseException:
            sock.close()
            raise
        self._streams = count(1, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def calls(self, path: str, number: int) -> None:
        """So many, each with its end. OSError when the connection is closed."""
        block = b"\x83\x86" + _field(4, path) + _field(1, "localhost")  # by HPACK's static table: POST, http, :path
        block += _literal("content-type", "application/grpc") + _literal("te", "trailers")
        frames = (_frame(HEADERS, END_STREAM_AND_HEADERS, stream, block) for stream in self._next(number))
        self.sock.sendall(b"".join(frames))

    def _next(self, number: int) -> Iterator[int]:
        return (next(self._streams) for _ in range(number))

    def read_until(self, part: bytes) -> bytes:
        """What has come when that has; OSError when it doesn't for 20 s, or the other side closes."""
        said = b""
        while part not in said:
            more = self.sock.recv(1 << 16)
            if not more:
                raise ConnectionResetError(f"it was closed after {len(said)} bytes")
            said += more
        return said

    def read_to_the_end(self) -> None:
        """Until the other side closes; TimeoutError when it doesn't for 20 s."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while self.sock.recv(1 << 16):
                pass


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _field(name: int, value: str) -> bytes:
    return bytes([name, len(value)]) + value.encode()


def _literal(name: str, value: str) -> bytes:
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
