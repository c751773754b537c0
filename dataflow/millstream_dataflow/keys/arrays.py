"""The hash's arithmetic over numpy arrays: the scalar formulas of `hashing`, many keys at a time (protocols.md 11).

numpy's uint64 wraps modulo 2^64, as the law wants. A step is a few passes over short arrays, so everything is cut into
blocks that stay in the cache (measured: 1,100 M mixes/s there, 200 M/s in one array of 4 M keys).

Strings are hashed word position by word position: all first words, then the second words of those that have one, and
so on. A word is gathered at its own, unaligned place and the bytes behind its string's end are masked away. The few
long strings that remain at the end go on one by one, as a numpy step costs 5 us, however few they are.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from millstream_dataflow.keys.hashing import (
    GOLDEN,
    LENGTH,
    MIX_FIRST,
    MIX_SECOND,
    NAN_BITS,
    TUPLE_SEED,
    absorb,
    hash_integer,
)

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
_T = TypeVar("_T", bound=np.generic)

_GOLDEN, _LENGTH = np.uint64(GOLDEN), np.uint64(LENGTH)
_MIX_FIRST, _MIX_SECOND = np.uint64(MIX_FIRST), np.uint64(MIX_SECOND)
_S27, _S29, _S30, _S31, _S32 = (np.uint64(shift) for shift in (27, 29, 30, 31, 32))

# Keys. An array of it fills 64 KiB: a dozen fit a second-level cache, and each stays below the 128 KiB at which malloc
# asks the kernel for fresh pages (measured: strings 60 M/s in a fresh process, with 16 k keys 30 M/s).
BLOCK = 8_192
_FEW = 16  # strings; below, 0.3 us a word and string in Python is less than the 5 us of a numpy step

# By the number of bytes of a word that belong to the string.
_WORD_MASKS = np.array([(1 << (8 * count)) - 1 for count in range(9)], np.uint64)


def mix_array(values: U64) -> U64:
    """`mix` of each value, in a new array."""
    x = values + _GOLDEN
    x ^= x >> _S30
    x *= _MIX_FIRST
    x ^= x >> _S27
    x *= _MIX_SECOND
    x ^= x >> _S31
    return x


def hash_numbers(values: npt.NDArray[np.generic]) -> U64:
    """The hashes of numpy numbers: bools, integers of every width, floats of up to 64 bits."""
    if values.dtype.kind == "f":
        return _in_blocks(_hash_floats, values)
    if values.dtype == np.uint64:
        return _hash_unsigned(values.astype(np.uint64, copy=False))
    return _in_blocks(mix_array, values.astype(np.int64).view(np.uint64))


def combine(fields: Sequence[U64], count: int) -> U64:
    """The hashes of `count` tuples from the hashes of their fields, one array a field."""
    h = np.full(count, TUPLE_SEED, np.uint64)
    for field in fields:
        h = mix_array(h ^ field)
    return h


def hash_spans(data: U8, offsets: npt.NDArray[np.signedinteger[Any]]) -> U64:
    """The hashes of byte strings that lie in `data` one behind another, each from its offset to the next.

    Measured: 60 M/s for strings of 11 bytes, 38 M/s for 20 bytes, 7 M/s for 0 to 200 bytes, 28 MB/s for one alone.
    """
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for first in range(0, len(hashes), BLOCK):
        hashes[first : first + BLOCK] = _hash_block(data, offsets[first : first + BLOCK + 1].astype(np.int64))
    return hashes


def _hash_block(data: U8, offsets: I64) -> U64:
    base, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    # A copy, at 10 GB/s, with a word of zeros behind: the last byte begins a word too, and Arrow promises no padding.
    block = np.zeros(size + 8, np.uint8)
    block[:size] = data[base : base + size]
    words = np.ndarray((size + 1,), "<u8", block, 0, (1,))  # a word begins at every byte
    starts, lengths = offsets[:-1] - base, np.diff(offsets)
    h = _absorb_words((lengths.view(np.uint64) * _LENGTH) ^ _GOLDEN, words[starts], lengths)
    position, live = 8, np.flatnonzero(lengths > 8)
    while live.size >= _FEW:
        h[live] = _absorb_words(h[live], words[starts[live] + position], lengths[live] - position)
        position += 8
        live = live[lengths[live] > position]
    for place in live.tolist():
        start = int(starts[place])
        h[place] = absorb(int(h[place]), block[start + position : start + int(lengths[place])].tobytes())
    return h


def _absorb_words(h: U64, words: U64, remaining: I64) -> U64:
    h = (h ^ (words & _WORD_MASKS[np.minimum(remaining, 8)])) * _GOLDEN
    h ^= h >> _S32
    h *= _LENGTH
    h ^= h >> _S29
    return h


@np.errstate(invalid="ignore")  # a signalling NaN is a NaN
def _hash_floats(numbers: npt.NDArray[np.generic]) -> U64:
    values = numbers.astype(np.float64, copy=False)
    integral = values == np.trunc(values)
    small = integral & (values >= -(2.0**63)) & (values < 2.0**63)
    integers = np.where(small, values, 0.0).astype(np.int64).view(np.uint64)
    bits = np.where(np.isnan(values), np.uint64(NAN_BITS), values.view(np.uint64))
    hashes = mix_array(np.where(small, integers, bits))
    huge = integral & ~small & np.isfinite(values)
    for place in np.flatnonzero(huge).tolist():  # integers of more than 64 bits: rare, and hashed as bytes
        hashes[place] = hash_integer(int(values[place]))
    return hashes


def _hash_unsigned(values: U64) -> U64:
    hashes = _in_blocks(mix_array, values)
    large = np.flatnonzero(values >> np.uint64(63))
    if large.size:  # no signed 64-bit integers: the nine bytes of the two's complement, the last one zero
        count = np.full(large.size, 9, np.int64)
        h = _absorb_words((count.view(np.uint64) * _LENGTH) ^ _GOLDEN, values[large], count)
        hashes[large] = _absorb_words(h, np.zeros(large.size, np.uint64), count)
    return hashes


def _in_blocks(function: Callable[[npt.NDArray[_T]], U64], values: npt.NDArray[_T]) -> U64:
    if len(values) <= BLOCK:
        return function(values)
    hashes = np.empty(len(values), np.uint64)
    for first in range(0, len(values), BLOCK):
        hashes[first : first + BLOCK] = function(values[first : first + BLOCK])
    return hashes
