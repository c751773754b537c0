"""Small files that are replaced as a whole, and that notice damage: `magic | length u64 | checksum u32 | payload`."""

import struct
import zlib

_HEAD = struct.Struct("<8sQI")
_MAGIC = b"\x93MSstor\n"


class DamagedError(ValueError):
    """The bytes aren't what was sealed."""


def seal(payload: bytes) -> bytes:
    """The content of such a file."""
    return _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def unseal(data: bytes) -> bytes:
    """What was sealed; DamagedError says what is wrong."""
    if len(data) < _HEAD.size:
        raise DamagedError(f"it has {len(data)} bytes, fewer than its header")
    magic, length, expected = _HEAD.unpack(data[: _HEAD.size])
    payload = data[_HEAD.size :]
    if magic != _MAGIC:
        raise DamagedError("it doesn't begin as a file of the store begins")
    if len(payload) != length:
        raise DamagedError(f"it holds {len(payload)} bytes and should hold {length}")
    if (found := zlib.crc32(payload)) != expected:
        raise DamagedError(f"its checksum is {found:08x} and should be {expected:08x}")
    return payload
