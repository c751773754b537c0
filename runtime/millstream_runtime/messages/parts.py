"""A message that is too large for the stream goes in numbered parts and takes effect with the last (law 3.3).

The parts of one message come in order. Whole messages may stand between them, so a heartbeat never waits behind a big
one; parts of another message may not. A message is named by the CRC-32 of its bytes, which the receiver proves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError

from millstream_proto.blobs_pb2 import Part
from millstream_proto.session_pb2 import JobManagerMessage, TaskManagerMessage
from millstream_runtime.messages.codec import MalformedMessageError

Envelope = TypeVar("Envelope", TaskManagerMessage, JobManagerMessage)

MAX_JOINED = 64 << 20
"""Bytes of one message in all its parts: the registration of 10,000 tasks, each with 4 KiB of unconfirmed audit."""
_PART_HEAD = 48
"""At most so many bytes of a part are its four field heads, three numbers and the length of the body around them."""


def split_message(envelope: Envelope, limit: int) -> Iterator[Envelope]:
    """The message itself when it has at most `limit` bytes, else its parts, none of them larger than `limit`."""
    if envelope.ByteSize() <= limit:
        yield envelope
        return
    cls = type(envelope)
    whole = envelope.SerializeToString()
    room = limit - cls(session=envelope.session, epoch=envelope.epoch).ByteSize() - _PART_HEAD
    if room <= 0:
        raise ValueError(f"a limit of {limit} bytes has no room for a part of a message of {envelope.session}")
    count = -(-len(whole) // room)
    name = zlib.crc32(whole)
    for number in range(count):
        part = Part(message=name, number=number, count=count, data=whole[number * room : (number + 1) * room])
        yield cls(session=envelope.session, epoch=envelope.epoch, part=part)


class PartJoiner(Generic[Envelope]):
    """Puts the parts that arrive in one direction of one stream together again."""

    def __init__(self, max_bytes: int = MAX_JOINED) -> None:
        self._max_bytes = max_bytes
        self._name = self._count = 0
        self._held = 0
        self._pieces: list[bytes] = []

    def feed(self, envelope: Envelope) -> Envelope | None:
        """The message that this one is or completes; None while parts are missing.

        MalformedMessageError when parts contradict each other; then nothing more of this stream can be trusted.
        """
        if envelope.WhichOneof("body") != "part":
            return envelope
        part = envelope.part
        if not self._pieces:
            self._name, self._count = part.message, part.count
        expected = (self._name, self._count, len(self._pieces))
        if (part.message, part.count, part.number) != expected or not 0 <= part.number < part.count or not part.data:
            raise MalformedMessageError(
                f"part {part.number} of {part.count} of message {part.message} came where part {expected[2]} of "
                f"{expected[1]} of message {expected[0]} was to come"
            )
        self._held += len(part.data)
        if self._held > self._max_bytes:
            raise MalformedMessageError(f"a message in parts has more than {self._max_bytes} bytes")
        self._pieces.append(part.data)
        return self._joined(envelope) if len(self._pieces) == self._count else None

    def _joined(self, last: Envelope) -> Envelope:
        whole = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        if zlib.crc32(whole) != self._name:
            raise MalformedMessageError(f"{len(whole)} bytes in {self._count} parts are not message {self._name}")
        joined = type(last)()
        try:
            joined.ParseFromString(whole)
        except DecodeError as error:
            raise MalformedMessageError(f"{len(whole)} bytes in parts are no {type(last).__name__}") from error
        if (joined.session, joined.epoch) != (last.session, last.epoch) or joined.WhichOneof("body") == "part":
            raise MalformedMessageError("a message in parts names another session or epoch than its parts")
        return joined
