"""Law 11: a key's owner follows from its hash, whether it is remembered or not."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import UnstableKeyError, hash_batch, subtasks_of_batch
from millstream_taskmanager.exchange import owners
from millstream_taskmanager.exchange.owners import Owners


class Flavour(StrEnum):
    """Its members are the strings, as keys too."""

    SWEET = "a"
    SOUR = "1"


KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(0, 3),
    st.sampled_from([None, 1.0, True, "1", b"1", ("a", 1), Flavour.SWEET, Flavour.SOUR]),
)


def by_hash(keys: Sequence[Any], subtasks: int) -> list[int]:
    owners_: list[int] = subtasks_of_batch(hash_batch(keys), subtasks, 512).tolist()
    return owners_


@given(st.lists(st.lists(KEYS, min_size=1, max_size=40), min_size=1, max_size=20), st.integers(2, 300))
def test_whatever_came_before(batches: list[list[Any]], subtasks: int) -> None:
    known = Owners(subtasks, 512)
    for keys in batches:
        for _ in range(6):  # often enough that it is remembered, and asked
            assert known.of(keys * 5).tolist() == by_hash(keys, subtasks) * 5


def test_what_comes_often_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Owners(4, 512)
    keys = [f"key {number % 100}" for number in range(1_000)]
    first = known.of(keys)
    monkeypatch.setattr(owners, "hash_batch", None)
    assert (known.of(keys) == first).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_keys_that_are_known(count: int) -> None:
    known = Owners(2, 512)
    known.of(["a", "b"] * 10)
    keys = ["a", "b"][:count]
    assert known.of(keys).tolist() == by_hash(keys, 2)


def test_no_more_is_kept_than_a_batch_or_so() -> None:
    """Nor does a stream of new keys, each of which comes often for a while, grow without end."""
    known = Owners(4, 512)
    for number in range(500):
        known.of([f"{number} {place % 200}" for place in range(1_000)])
    assert len(known._known) <= owners._MOST_KNOWN


def test_keys_that_come_once_are_not_kept() -> None:
    known = Owners(4, 512)
    for number in range(100):
        known.of([f"{number} {place}" for place in range(100)])
    assert not known._known


@pytest.mark.parametrize("key", [["a list"], {1: 2}, object()])
def test_what_is_no_key_is_refused_whatever_is_known(key: object) -> None:
    known = Owners(4, 512)
    known.of(["a", "b"] * 20)
    with pytest.raises(UnstableKeyError):
        known.of(["a", key] * 20)
