"""How both ends of a new connection prove that they know the secret of their region's attempt (law 9.3). Pure: the
shell brings nonces and bytes.

    the worker that connects                         the worker that accepts
    HELLO      version, attempt, both ids, nonce ->  is it for me, from a peer that I expect and don't have yet?
               it knows the secret               <-  CHALLENGE  id, nonce, proof over all of that
    PROOF      proof over the same               ->  it knows the secret: the connection stands

A proof is the HMAC-SHA-256 of everything both have said, keyed with the attempt's secret, and of who gives it. Both
nonces are fresh, so nothing that was once said can be used again, by either side.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, WorkerId
from millstream_taskmanager.exchange.buffers import Buffer

PROTOCOL_VERSION: Final = 1
NONCE_SIZE: Final = 32
"""Bytes: as much as the proof."""
MAX_SIZE: Final = 1 << 10
"""Bytes that a payload of the handshake may have: three names of 128 at most, a nonce, numbers."""

_NUMBERS = struct.Struct("<HIQ")  # version, region, attempt
_PROOF_SIZE = hashlib.sha256().digest_size
_CONNECTS, _ACCEPTS = b"connects", b"accepts "


class HandshakeError(Exception):
    """The other end isn't who it should be. Says what was wrong, and nothing that helps a stranger."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who we are."""

    worker: WorkerId
    attempt: RegionAttempt
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError(f"{self.attempt} has no secret, so nobody could prove to belong to it")


@dataclass(frozen=True, slots=True)
class _Hello:
    version: int
    attempt: RegionAttempt
    sender: WorkerId
    wanted: WorkerId


class Connector:
    """The end that connects."""

    def __init__(self, party: Party, peer: WorkerId, nonce: bytes) -> None:
        """`nonce`: `NONCE_SIZE` bytes by chance, never used before."""
        self.peer = peer
        self._party = party
        self._hello = _encode_hello(_Hello(PROTOCOL_VERSION, party.attempt, party.worker, peer), nonce)

    def hello(self) -> bytes:
        """What to say first."""
        return self._hello

    def challenged(self, payload: Buffer) -> bytes:
        """The answer to a challenge. HandshakeError when whoever gave it doesn't know the secret."""
        said, proof = bytes(payload[:-_PROOF_SIZE]), bytes(payload[-_PROOF_SIZE:])
        if not hmac.compare_digest(proof, _proof(self._party.secret, _ACCEPTS, self._hello, said)):
            raise HandshakeError(f"who answers for {self.peer} doesn't know the secret of {self._party.attempt}")
        return _proof(self._party.secret, _CONNECTS, self._hello, said)


class Acceptor:
    """The end that accepts."""

    def __init__(self, party: Party, refusal: Callable[[WorkerId], str | None], nonce: bytes) -> None:
        """`refusal`: why a worker that connects is not taken; asked before and behind the proof. `nonce`: as above."""
        self._party = party
        self._refusal = refusal
        self._said = _names(party.worker) + nonce
        self._hello = b""
        self._sender = WorkerId("")

    def greeted(self, payload: Buffer) -> bytes:
        """The challenge for whoever said hello. HandshakeError for one that has no business here."""
        self._hello = bytes(payload)
        hello = _decode_hello(self._hello)
        if hello.version != PROTOCOL_VERSION:
            raise HandshakeError(f"it speaks version {hello.version}, we speak {PROTOCOL_VERSION}")
        if hello.attempt != self._party.attempt:
            raise HandshakeError(f"it comes from {hello.attempt}, this is {self._party.attempt}")
        if hello.wanted != self._party.worker:
            raise HandshakeError(f"it wants {hello.wanted}, this is {self._party.worker}")
        self._sender = hello.sender
        self._check()
        return self._said + _proof(self._party.secret, _ACCEPTS, self._hello, self._said)

    def proved(self, payload: Buffer) -> WorkerId:
        """Who it is. HandshakeError when it doesn't know the secret."""
        right = _proof(self._party.secret, _CONNECTS, self._hello, self._said)
        if not self._hello or not hmac.compare_digest(bytes(payload), right):
            raise HandshakeError(f"it says it is {self._sender}, but doesn't know the secret of {self._party.attempt}")
        self._check()
        return self._sender

    def _check(self) -> None:
        if (reason := self._refusal(self._sender)) is not None:
            raise HandshakeError(f"it says it is {self._sender}: {reason}")


def _proof(secret: bytes, role: bytes, hello: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, role + struct.pack("<I", len(hello)) + hello + said, hashlib.sha256)


def _names(*names: str) -> bytes:
    encoded = [name.encode() for name in names]
    return b"".join([struct.pack("<B", len(name)) + name for name in encoded])


def _encode_hello(hello: _Hello, nonce: bytes) -> bytes:
    numbers = _NUMBERS.pack(hello.version, hello.attempt.region, hello.attempt.number)
    return numbers + _names(hello.attempt.job, hello.sender, hello.wanted) + nonce


def _decode_hello(payload: bytes) -> _Hello:
    try:
        version, region, number = _NUMBERS.unpack_from(payload)
        names: list[str] = []
        at = _NUMBERS.size
        for _ in range(3):
            end = at + 1 + payload[at]
            names.append(payload[at + 1 : end].decode())
            at = end
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise HandshakeError("it doesn't say hello as a worker does") from error
    if len(payload) != at + NONCE_SIZE:
        raise HandshakeError("it doesn't say hello as a worker does: the length is wrong")
    job, sender, wanted = names
    return _Hello(version, RegionAttempt(JobId(job), RegionId(region), number), WorkerId(sender), WorkerId(wanted))
