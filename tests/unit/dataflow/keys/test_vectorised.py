"""Lists of keys by arrays: the cases that an array could get wrong."""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from millstream_dataflow.keys import hash_batch, key_hash, subtasks_of_batch


@dataclasses.dataclass(frozen=True)
class Leg:
    carrier: str
    number: int


def check(keys: list[object]) -> None:
    assert hash_batch(keys).tolist() == [key_hash(key) for key in keys]


BATCHES: dict[str, list[object]] = {
    "empty": [],
    "integers beside floats never pass through a float": [2**53 + 1, float(2**53), 2**53 + 2, 0.5] * 20,
    "bools beside integers": [True, 1, 0, False, -1] * 20,
    "unsigned integers": [2**64 - 1, 2**63, 1] * 20,
    "integers of any size": [2**64, -(2**63) - 1, 1, 10**400] * 20,
    "huge floats": [1e300, -1e300, 2.0**63, -(2.0**63), 2.0**63 - 1024] * 20,
    "strings with None": ["a", None, "", "a longer one"] * 20,
    "strings that Arrow refuses": ["a\ud800", "b"] * 20,
    "a str beside its bytes": ["a", b"a"] * 20,
    "tuples of several widths": [(), (1,), (1, "a"), ("a", (1, None))] * 20,
    "tuples whose fields differ in type": [(1, "a"), (1.5, b"a"), (None, None), ("a", (2,))] * 20,
    "dataclasses beside tuples": [Leg("UA", 1), ("UA", 1), Leg("AA", 2)] * 20,
    "numpy's numbers": [np.int8(-1), np.uint64(2**64 - 1), np.float32(0.1), np.True_] * 20,
}


@pytest.mark.parametrize("keys", BATCHES.values(), ids=list(BATCHES))
def test_a_batch(keys: list[object]) -> None:
    check(keys)
    check([(key, "beside") for key in keys])


def test_long_and_short_batches() -> None:
    """On both sides of the length from which arrays are used."""
    for length in range(45):
        check([f"key-{place}" for place in range(length)])
        check([(place, str(place)) for place in range(length)])


MAKERS: dict[str, Callable[[int], object]] = {
    "integers": lambda n: n,
    "strings": lambda n: f"user-{n}",
    "floats": lambda n: n / 8,
    "pairs": lambda n: ("EWR", n),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
def test_keys_in_a_row_spread_evenly(make: Callable[[int], object]) -> None:
    """100,000 keys that differ in the last digit over 7 subtasks: none is 5 % off its share."""
    count, parallelism, groups = 100_000, 7, 1024
    owners = subtasks_of_batch(hash_batch(list(map(make, range(count)))), parallelism, groups)
    shares = Counter(owners.tolist())
    assert len(shares) == parallelism
    assert max(shares.values()) < 1.05 * count / parallelism
    assert min(shares.values()) > 0.95 * count / parallelism


def test_sixteen_bits_reach_the_last_subtask() -> None:
    hashes = np.array([32_767, 0, 2**64 - 1], np.uint64)
    assert subtasks_of_batch(hashes, 32_768, 32_768).tolist() == [32_767, 0, 32_767]


def test_the_callers_list_is_left_alone() -> None:
    keys: list[object] = [random.Random(7).random() for _ in range(50)]
    before = list(keys)
    hash_batch(keys)
    assert keys == before
