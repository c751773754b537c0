"""Messages on the socket between a TaskManager and its worker: u32 little-endian length, then the envelope (design 3).

The same on both ends. The socket is non-blocking; whoever owns it waits in a loop of its own and calls `receive` and
`flush`. A descriptor rides on the first byte of its message, so the receiver has it before it has the message.
"""

import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from millstream_runtime.messages.codec import MalformedMessageError, body_reader, to_body

FRAME_LIMIT: Final = 16 << 20
"""Bytes of one message. The largest are answers of collecting sinks."""

_LENGTH: Final = struct.Struct("<I")
_READ: Final = 256 << 10
_DESCRIPTORS: Final = 16  # that are taken at once


class MessageSocket:
    """One end. What it says are bodies of one envelope, what it hears are bodies of another."""

    def __init__(self, sock: socket.socket, says: type[Message], hears: type[Message], bodies: Any) -> None:  # noqa: ANN401  # a union has no type of its own
        sock.setblocking(False)
        self.socket = sock
        self._says = says
        self._hears = hears
        self._body: Callable[[Any], Any] = body_reader(bodies)
        self._incoming = bytearray()
        self._descriptors = deque[int]()
        self._outgoing = deque[tuple[memoryview, tuple[int, ...]]]()
        self.unsent = 0
        """Bytes that the other end hasn't taken."""
        self.received = 0
        """Bytes that have come, of messages that aren't whole too."""

    # ---------------------------------------------------------------------------------------------- sending

    def send(self, body: object, descriptor: int | None = None) -> None:
        """Queue a message; `flush` sends it. The descriptor is closed when it has been sent. ValueError when the
        message is too large.
        """
        data: bytes = to_body(self._says, body).SerializeToString()
        if len(data) > FRAME_LIMIT:
            raise ValueError(f"a {type(body).__name__} of {len(data):,} bytes is over the limit of {FRAME_LIMIT:,}")
        frame = memoryview(_LENGTH.pack(len(data)) + data)
        self._outgoing.append((frame, () if descriptor is None else (descriptor,)))
        self.unsent += len(frame)

    def flush(self) -> bool:
        """Send what the other end takes; True when that was all. OSError when it is gone."""
        while self._outgoing:
            frame, descriptors = self._outgoing[0]
            try:
                sent = self._send_some(frame, descriptors)
            except BlockingIOError:
                return False
            self.unsent -= sent
            if sent == len(frame):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = frame[sent:], ()
        return True

    def _send_some(self, frame: memoryview, descriptors: tuple[int, ...]) -> int:
        if not descriptors:
            return self.socket.send(frame)
        sent = socket.send_fds(self.socket, [frame], list(descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        return sent

    # -------------------------------------------------------------------------------------------- receiving

    def receive(self) -> Iterator[Any]:
        """The messages that have come, after one read. EOFError when there will be no more; MalformedMessageError
        when what comes isn't a message.
        """
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, _READ, _DESCRIPTORS)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise EOFError(str(error)) from error
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors.extend(descriptors)
        if not data:
            raise EOFError("the socket was closed")
        self.received += len(data)
        self._incoming += data
        yield from self._messages()

    def _messages(self) -> Iterator[Any]:
        while len(self._incoming) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._incoming)
            if length > FRAME_LIMIT:
                raise MalformedMessageError(f"a message of {length:,} bytes is over the limit of {FRAME_LIMIT:,}")
            end = _LENGTH.size + length
            if len(self._incoming) < end:
                return
            data = bytes(memoryview(self._incoming)[_LENGTH.size : end])
            del self._incoming[:end]
            yield self._decoded(data)

    def _decoded(self, data: bytes) -> Any:  # noqa: ANN401  # one of the bodies
        envelope = self._hears()
        try:
            envelope.ParseFromString(data)
        except DecodeError as error:
            raise MalformedMessageError(f"{len(data)} bytes that are no {self._hears.__name__}") from error
        return self._body(envelope)

    def take_descriptor(self) -> int | None:
        """The descriptor of the message at hand; its taker closes it."""
        return self._descriptors.popleft() if self._descriptors else None

    def close(self) -> None:
        """The socket, and the descriptors that found no taker or no way out."""
        self.socket.close()
        waiting = [descriptor for _, descriptors in self._outgoing for descriptor in descriptors]
        for descriptor in (*self._descriptors, *waiting):
            os.close(descriptor)
        self._descriptors.clear()
        self._outgoing.clear()
        self.unsent = 0
