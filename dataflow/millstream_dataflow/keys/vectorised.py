"""The hashes of a list of keys, and the groups and subtasks of a batch of hashes (protocols.md 11).

A list of one exact type becomes a numpy or Arrow array and is hashed there; a list of tuples is turned into its columns
and each is hashed by its own type. A list of several types is parted by type, so that an integer never passes through
a float (2^53 + 1 would lose its last bit). Every other type is first read into the material that its scalar hash is
made of (`hashing`), which is of a plain type again. So there is no second definition of any hash here.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from millstream_dataflow.keys.arrays import U64, combine, hash_numbers
from millstream_dataflow.keys.columns import hash_array
from millstream_dataflow.keys.groups import check_max_parallelism, check_parallelism
from millstream_dataflow.keys.hashing import key_hash, material_of

# A group and a subtask index are below 32768. In 16 bits numpy sorts them by radix, which is how a batch is dealt out
# to its channels (measured: a stable argsort of 32 k takes 0.05 ms, of 64-bit integers 0.5 ms).
I16 = npt.NDArray[np.int16]

# Keys; below, the arrays cost more than the scalar hash (measured: 20 us a batch of strings against 0.9 us a key).
_SHORT = 20


def hash_batch(keys: Sequence[object]) -> U64:
    """`key_hash` of each key; UnstableKeyError as there.

    Measured on lists of 32 k: integers 38 M/s, floats 42 M/s, strings of 11 bytes 20 M/s, pairs of string and integer
    9 M/s, dataclasses of both 1.8 M/s.
    """
    if len(keys) < _SHORT:
        return _one_by_one(keys)
    kinds = set(map(type, keys))
    if len(kinds) > 1:
        return _by_label(keys, list(map(type, keys)))
    reader = _READERS.get(kinds.pop())
    if reader is None:
        return hash_batch(list(map(material_of, keys)))
    return reader(keys)


def groups_of_batch(hashes: U64, max_parallelism: int) -> I16:
    """The key group of each hash."""
    check_max_parallelism(max_parallelism)
    if max_parallelism & (max_parallelism - 1) == 0:
        return (hashes & np.uint64(max_parallelism - 1)).astype(np.int16)
    return (hashes % np.uint64(max_parallelism)).astype(np.int16)


def subtasks_of_batch(hashes: U64, parallelism: int, max_parallelism: int) -> I16:
    """The subtask that owns the key of each hash.

    Measured: 900 M/s, and 300 M/s when the number of groups is no power of two.
    """
    return _owners(parallelism, max_parallelism)[groups_of_batch(hashes, max_parallelism)]


@lru_cache(maxsize=64)  # one table an outgoing edge, of at most 64 KiB
def _owners(parallelism: int, max_parallelism: int) -> I16:
    check_parallelism(parallelism, max_parallelism)
    owners = (np.arange(max_parallelism) * parallelism // max_parallelism).astype(np.int16)
    owners.flags.writeable = False
    return owners


def _one_by_one(keys: Sequence[object]) -> U64:
    return np.fromiter(map(key_hash, keys), np.uint64, len(keys))


def _by_label(keys: Sequence[object], labels: list[Hashable]) -> U64:
    places: dict[Hashable, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    hashes = np.empty(len(keys), np.uint64)
    for at in places.values():
        hashes[at] = hash_batch([keys[place] for place in at])
    return hashes


def _hash_nones(keys: Sequence[None]) -> U64:
    return np.zeros(len(keys), np.uint64)


def _hash_ints(keys: Sequence[int]) -> U64:
    try:
        return hash_numbers(np.fromiter(keys, np.int64, len(keys)))
    except OverflowError:
        if min(keys) >= 0 and max(keys) < 1 << 64:
            return hash_numbers(np.fromiter(keys, np.uint64, len(keys)))
        return _one_by_one(keys)


def _hash_floats(keys: Sequence[float]) -> U64:
    return hash_numbers(np.fromiter(keys, np.float64, len(keys)))


def _hash_strs(keys: Sequence[str]) -> U64:
    try:
        return hash_array(pa.array(keys, pa.large_string()))
    except UnicodeEncodeError:  # a lone surrogate, which Arrow can't hold
        return _hash_byte_strings([key.encode("utf-8", "surrogatepass") for key in keys])


def _hash_byte_strings(keys: Sequence[bytes]) -> U64:
    return hash_array(pa.array(keys, pa.large_binary()))


def _hash_tuples(keys: Sequence[tuple[object, ...]]) -> U64:
    widths = list(map(len, keys))
    if widths.count(widths[0]) != len(widths):
        return _by_label(keys, cast("list[Hashable]", widths))
    return combine([hash_batch(list(map(itemgetter(place), keys))) for place in range(widths[0])], len(keys))


# Any: each entry takes keys of exactly the type that it is filed under. They are the six types of a hash's material,
# and bool, so that `hash_batch` ends.
_READERS: dict[type, Callable[[Sequence[Any]], U64]] = {
    type(None): _hash_nones,
    int: _hash_ints,
    bool: _hash_ints,
    float: _hash_floats,
    str: _hash_strs,
    bytes: _hash_byte_strings,
    tuple: _hash_tuples,
}
