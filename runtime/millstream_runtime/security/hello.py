"""Which server name (SNI) a TLS client asks for, read from the first bytes it sends, before anything is answered.

The JobManager serves members and clients at one port. OpenSSL could change contexts in the middle of a handshake, but
then keeps the first one's demand for a certificate; so the port looks at the bytes, and begins with the right context.
What is read here decides nothing else: OpenSSL reads the same bytes again. It costs microseconds and holds nothing,
for whoever reaches the port may send as many beginnings as he likes.
"""

from typing import Final

MAX_HELLO: Final = 16 << 10
"""Bytes in which a ClientHello must be complete: one record of TLS. Ours have a few hundred, or two thousand where a
key is exchanged that quantum computers can't find.
"""
RECORD_HEADER: Final = 5
"""Bytes: 8 bits of kind, 16 of version, 16 of length (RFC 8446, 5.1)."""
BEGINNING: Final = RECORD_HEADER + 1
"""With the kind of the message in the record: enough to tell a ClientHello from most other things."""

_HANDSHAKE: Final = 22  # a record's kind
_MAJOR_VERSION: Final = 3  # of all TLS
_CLIENT_HELLO: Final = 1  # a handshake message's kind
_SERVER_NAME: Final = 0  # an extension's kind
_HOST_NAME: Final = 0  # a server name's kind
_VERSION_AND_RANDOM: Final = 2 + 32


class IncompleteHelloError(ValueError):
    """More bytes are needed."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"a ClientHello needs {needed} bytes")
        self.needed = needed
        """As many in all."""


def asked_name(said: bytes) -> str | None:
    """The name that a client's first bytes ask for, None when they ask for none.

    Raises IncompleteHelloError when more bytes are needed, another ValueError when they are no ClientHello.
    """
    if said and said[0] != _HANDSHAKE:
        raise ValueError("no TLS client begins like this")
    if len(said) < BEGINNING:
        raise IncompleteHelloError(BEGINNING)
    if said[1] != _MAJOR_VERSION or said[RECORD_HEADER] != _CLIENT_HELLO:
        raise ValueError("no TLS client begins like this")
    end = RECORD_HEADER + int.from_bytes(said[3:RECORD_HEADER])
    if end > MAX_HELLO:
        raise ValueError(f"no TLS client begins like this: it has announced {end} bytes")
    if len(said) < end:
        raise IncompleteHelloError(end)
    try:
        return _name(_Bytes(said[RECORD_HEADER:end]))
    except IndexError:
        raise ValueError("no TLS client begins like this") from None


class _Bytes:
    """Read from the left; IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise IndexError(end)
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> "_Bytes":
        """What stands behind its own length, which has `size` bytes."""
        return _Bytes(self.take(self.number(size)))


def _name(record: _Bytes) -> str | None:
    """Of RFC 8446, 4.1.2, and RFC 6066, 3."""
    record.number(1)  # the message's kind
    hello = record.vector(3)
    hello.take(_VERSION_AND_RANDOM)
    for size in (1, 2, 1):  # session, ciphers, compressions
        hello.vector(size)
    extensions = hello.vector(2) if hello else _Bytes(b"")
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            names = content.vector(2)
            if names.number(1) == _HOST_NAME:
                return names.take(names.number(2)).decode("latin-1")
    return None
