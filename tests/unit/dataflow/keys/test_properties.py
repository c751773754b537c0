"""The three properties of `keys` over all its types: every pair of keys in every dress.

Equal canonical bytes imply equal hashes; identities are equal exactly when the canonical bytes are; the vectorised
hash of a value is its scalar hash. The keys come from a small world, so that equal ones meet often.
"""

import dataclasses
import datetime
import enum
import uuid
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.keys import (
    canonical_bytes,
    groups_of_batch,
    hash_batch,
    identities,
    key_group,
    key_hash,
    key_identity,
    subtask_of,
    subtasks_of_batch,
)


class Colour(enum.Enum):
    RED = "a"
    BLUE = "b"


class Letter(enum.StrEnum):
    A = "a"
    B = "bcdefghij"


class Number(enum.IntEnum):
    ZERO = 0
    ONE = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: object
    right: object


@dataclasses.dataclass(frozen=True)
class Leg:
    left: object
    right: object


@dataclasses.dataclass(frozen=True, eq=False)
class Hop:
    left: object
    right: object


class Row:
    def __init__(self, left: object, right: object) -> None:
        self.fields = (left, right)

    def __canonical_fields__(self) -> tuple[object, ...]:
        return self.fields

    def __repr__(self) -> str:
        return f"Row{self.fields}"


Keys = st.SearchStrategy[Any]

WHOLE = st.sampled_from([0, 1, -1, 255, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64])
WIDE = st.integers() | st.integers(-(2**63), 2**64)
FRACTIONS = st.sampled_from([0.5, 0.1, 5e-324, float("inf"), float("-inf"), float("nan"), -float("nan")])


def dressed(number: int) -> Keys:
    """All the types that can hold this integer."""
    dresses: list[Any] = [number, float(number), Decimal(number), Decimal(number) * Decimal("1.0"), np.float64(number)]
    kinds = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64)
    dresses += [kind(number) for kind in kinds if np.iinfo(kind).min <= number <= np.iinfo(kind).max]
    if number in (0, 1):
        dresses += [bool(number), np.bool_(number), Number(number), np.float16(number), np.float32(number)]
    return st.sampled_from(dresses)


def in_zone(hours: int) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(hours=hours))


numbers: Keys = st.one_of(
    WHOLE.flatmap(dressed), WIDE, FRACTIONS, FRACTIONS.map(np.float32), st.floats(), st.just(-0.0)
)
short = st.sampled_from(["", "a", "bcdefghij", "b", "\0", "a\0", "\ud800"])
texts: Keys = st.one_of(short, short.map(np.str_), st.sampled_from(Letter), st.text(max_size=30))
byte_strings: Keys = st.sampled_from([b"", b"a", b"\0", b"bcdefghij", np.bytes_(b"a")]) | st.binary(max_size=30)
days: Keys = st.sampled_from([datetime.date(1970, 1, 1), datetime.date(1970, 1, 2), datetime.date.max]) | st.dates()
base = st.sampled_from([datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 1, 1)])  # noqa: DTZ001  # counts as UTC
moments: Keys = st.one_of(
    base,
    st.builds(lambda moment, hours: moment.replace(tzinfo=in_zone(hours)), base, st.integers(-1, 1)),
    st.datetimes(timezones=st.none() | st.timezones()),
)
uuids: Keys = st.sampled_from([uuid.UUID(int=0), uuid.UUID(int=1)]) | st.uuids()
members: Keys = st.sampled_from([*Colour, *Right, Right.READ | Right.WRITE, Right(0)])
atoms: Keys = st.one_of(st.none(), numbers, texts, byte_strings, days, moments, uuids, members)


def composed(fields: Keys) -> Keys:
    """Two fields in any of the classes that hold two, and tuples of other widths."""
    pairs = [st.builds(make, fields, fields) for make in (Pair, Leg, Hop, Row)]
    return st.one_of(st.tuples(fields, fields), *pairs, st.lists(fields, max_size=3).map(tuple))


keys: Keys = st.recursive(atoms, composed, max_leaves=6)
small: Keys = st.one_of(st.none(), st.sampled_from([0, 1]).flatmap(dressed), short, st.just(float("nan")), base)


@given(st.lists(keys | composed(small) | small, max_size=12))
def test_bytes_identity_and_hash_agree_about_every_pair(drawn: list[Any]) -> None:
    described = [(canonical_bytes(key), key_identity(key), key_hash(key)) for key in drawn]
    for (one, identity, hashed), (other, other_identity, other_hashed) in combinations(described, 2):
        assert (identity == other_identity) == (one == other)
        if one == other:
            assert hash(identity) == hash(other_identity)
            assert hashed == other_hashed


@given(st.lists(composed(small), min_size=2, max_size=12))
def test_a_dictionary_finds_what_the_bytes_find(drawn: list[Any]) -> None:
    by_identity = {identity: place for place, identity in enumerate(identities(drawn))}
    by_bytes = {canonical_bytes(key): place for place, key in enumerate(drawn)}
    assert list(by_identity.values()) == list(by_bytes.values())


ALIKE = [numbers, WIDE, st.booleans(), st.floats(), texts, st.text(max_size=30), byte_strings, moments, days, uuids]
TOGETHER = [
    members,
    composed(small),
    st.tuples(st.text(max_size=12), st.integers()),
    st.tuples(keys, st.floats()),
    keys,
]


@given(
    st.sampled_from(ALIKE + TOGETHER).flatmap(lambda kind: st.lists(kind, min_size=1, max_size=6)), st.integers(1, 30)
)
def test_a_batch_hashes_as_its_keys_do(drawn: list[Any], repeats: int) -> None:
    """Repeated, as only a list of some length goes by arrays."""
    expected = [key_hash(key) for key in drawn]
    hashes = hash_batch(drawn * repeats)
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == expected * repeats


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(1, 300) | st.just(32_768), st.data())
def test_a_batch_is_dealt_out_as_its_keys_are(drawn: list[int], max_parallelism: int, data: st.DataObject) -> None:
    parallelism = data.draw(st.integers(1, max_parallelism))
    hashes = np.array(drawn, np.uint64)
    groups = [key_group(h, max_parallelism) for h in drawn]
    assert groups_of_batch(hashes, max_parallelism).tolist() == groups
    owners = [subtask_of(group, parallelism, max_parallelism) for group in groups]
    assert subtasks_of_batch(hashes, parallelism, max_parallelism).tolist() == owners
