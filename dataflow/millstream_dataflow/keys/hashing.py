"""The hash of a key, version 1: equal in every process, on every platform, in rows and columns (protocols.md 11).

Python's `hash` is salted and differs between builds; this one is fixed arithmetic modulo 2^64, of which a state
written today is read in ten years. It is a function of the key's form (`forms`), by way of the form's *material*: one
of the six things for which the law has a formula.

* None is 0.
* An integer of 64 bits is `mix` of it; a larger one the bytes of its minimal little-endian two's complement.
* Another float is `mix` of its IEEE bits; every NaN is the one with the bits 7ff8000000000000.
* str (in UTF-8) and bytes share one loop over 8-byte words; a str and its bytes collide, on purpose: one fast loop
  serves both Arrow types. They are two keys all the same, by `canonical`.
* A tuple starts at 0x51 and mixes in the hash of each field. () is 0x51.

The other forms take the material nearest to them, so that they hash like the column that holds them: a frozen
dataclass is the tuple of its fields (as an Arrow struct is; the class is not hashed), an enum member the tuple
(module, qualified name, name), a datetime the integer of its microseconds, a date that of its days, a UUID its 16
bytes. Forms that share a material collide and remain different keys; the law asks only the other direction.
"""

import datetime
import struct
import uuid
from collections.abc import Callable
from math import isnan
from typing import Any, cast

from millstream_dataflow.keys.forms import Instant, Member, Record, days_of, form_of

HASH_VERSION = 1  # named in checkpoint metadata; another arithmetic is another version

MASK = 0xFFFF_FFFF_FFFF_FFFF
GOLDEN = 0x9E37_79B9_7F4A_7C15  # splitmix64's increment, and the multiplier of words
MIX_FIRST = 0xBF58_476D_1CE4_E5B9
MIX_SECOND = 0x94D0_49BB_1331_11EB
LENGTH = 0xFF51_AFD7_ED55_8CCD
TUPLE_SEED = 0x51
NAN_BITS = 0x7FF8_0000_0000_0000

# What the law has a formula for, always of exactly these types.
Material = None | int | float | str | bytes | tuple[object, ...]


def key_hash(key: object) -> int:
    """The unsigned 64-bit hash of a key; UnstableKeyError names what can't be one and what to use instead.

    Measured: 1.1 M/s for short strings, 2.8 M/s for integers, 0.4 M/s for pairs of them. A batch goes by `hash_batch`.
    """
    kind = type(key)
    if kind is str:
        return hash_bytes(cast("str", key).encode("utf-8", "surrogatepass"))
    if kind is int:
        return hash_integer(cast("int", key))
    material = material_of(key)
    return _FORMULAS[type(material)](material)


def material_of(key: object) -> Material:
    """What of a key is hashed."""
    form = form_of(key)
    reduce = _MATERIALS.get(type(form))
    return cast("Material", form) if reduce is None else reduce(form)


def mix(x: int) -> int:
    """Splitmix64 (Steele, Lea, Flood 2014): a bijection on 64 bits in which each input bit moves half the output."""
    x = (x + GOLDEN) & MASK
    x = ((x ^ (x >> 30)) * MIX_FIRST) & MASK
    x = ((x ^ (x >> 27)) * MIX_SECOND) & MASK
    return x ^ (x >> 31)


def hash_integer(number: int) -> int:
    """The hash of any integer; it alone serves bool, integral floats and Decimals too."""
    if -0x8000_0000_0000_0000 <= number <= 0x7FFF_FFFF_FFFF_FFFF:
        return mix(number & MASK)
    return hash_bytes(integer_bytes(number))


def integer_bytes(number: int) -> bytes:
    """Minimal little-endian two's complement, at least one byte: 0 is 00, 127 is 7f, 128 is 8000, -1 is ff."""
    magnitude = number if number >= 0 else ~number
    return number.to_bytes(magnitude.bit_length() // 8 + 1, "little", signed=True)


def float_bits(number: float) -> int:
    """The IEEE bits of a float that is no integer; one pattern for every NaN."""
    return NAN_BITS if isnan(number) else int(struct.unpack("<Q", struct.pack("<d", number))[0])


def hash_bytes(data: bytes) -> int:
    """The hash of a byte string, or of a str in UTF-8."""
    return absorb(((len(data) * LENGTH) & MASK) ^ GOLDEN, data)


def absorb(h: int, data: bytes) -> int:
    """Go on from `h` over the little-endian 8-byte words of data, zero-padded; no data is one word of zeros."""
    for start in range(0, len(data) or 1, 8):
        h = ((h ^ int.from_bytes(data[start : start + 8], "little")) * GOLDEN) & MASK
        h = ((h ^ (h >> 32)) * LENGTH) & MASK
        h ^= h >> 29
    return h


def _hash_none(_key: None) -> int:
    return 0


def _hash_float(number: float) -> int:
    return hash_integer(int(number)) if number.is_integer() else mix(float_bits(number))


def _hash_str(text: str) -> int:
    return hash_bytes(text.encode("utf-8", "surrogatepass"))


def _hash_tuple(fields: tuple[object, ...]) -> int:
    h = TUPLE_SEED
    for field in fields:
        h = mix(h ^ key_hash(field))
    return h


def _record_material(form: Record) -> Material:
    return form.fields


def _instant_material(form: Instant) -> Material:
    return form.microseconds


def _uuid_material(form: uuid.UUID) -> Material:
    return form.bytes


# Any: each entry takes the type that it is filed under.
_MATERIALS: dict[type, Callable[[Any], Material]] = {
    Record: _record_material,
    Member: tuple,
    Instant: _instant_material,
    datetime.date: days_of,
    uuid.UUID: _uuid_material,
}
_FORMULAS: dict[type, Callable[[Any], int]] = {
    type(None): _hash_none,
    int: hash_integer,
    float: _hash_float,
    str: _hash_str,
    bytes: hash_bytes,
    tuple: _hash_tuple,
}
