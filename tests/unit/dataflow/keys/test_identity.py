"""The identity in memory: itself for plain keys, and never fooled by Python's own equality."""

import dataclasses
import datetime
import enum
import uuid
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest

from millstream_dataflow.keys import UnstableKeyError, are_all, identities, key_identity

NAN = float("nan")
NAIVE = datetime.datetime(2026, 3, 1, 12)  # noqa: DTZ001  # a naive one counts as UTC
UTC = NAIVE.replace(tzinfo=datetime.UTC)


class Pair(NamedTuple):
    left: object
    right: object


class Airport(enum.StrEnum):
    NEWARK = "EWR"


@dataclasses.dataclass(frozen=True, eq=False)
class ByPlace:
    """Python compares these by their place in memory; as keys they are compared by their fields."""

    value: object


def made_again(name: str) -> type:
    """A class of that name, as an upgrade of the job makes it again."""
    cls = dataclasses.make_dataclass(name, ["value"], frozen=True)
    cls.__module__ = "job"
    return cls


PLAIN: list[object] = [
    "a",
    b"a",
    1,
    True,
    None,
    1.5,
    float("inf"),
    datetime.date(2026, 3, 1),
    uuid.UUID(int=1),
    (),
    (1, "a"),
]


@pytest.mark.parametrize("key", PLAIN, ids=repr)
def test_a_plain_key_is_its_own_identity(key: object) -> None:
    assert key_identity(key) is key


SAME = [
    (1, True),
    (1, 1.0),
    (1e300, int(1e300)),
    (0.0, -0.0),
    (NAN, -float("nan")),
    ((NAN, 1), (float("nan"), True)),
    (1, Decimal("1.0")),
    (1, np.int8(1)),
    (2**63, np.uint64(2**63)),
    (("a", 1), Pair("a", 1)),
    (((1,),), ((np.True_,),)),
    ("EWR", Airport.NEWARK),
    (NAIVE, UTC),
    ((NAIVE,), (UTC,)),
    (ByPlace("a"), ByPlace("a")),
    (ByPlace(NAN), ByPlace(float("nan"))),
    (made_again("Leg")(1), made_again("Leg")(True)),
]
DIFFERENT = [
    ("a", b"a"),
    (("a",), (b"a",)),
    (datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1)),  # noqa: DTZ001  # as above
    (ByPlace("a"), ("a",)),
    (made_again("Leg")(1), made_again("Hop")(1)),
    (uuid.UUID(int=1), 1),
    (NAN, "nan"),
    (UTC, UTC.timestamp()),
    (2**53 + 1, float(2**53)),
    (None, ()),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=repr)
def test_the_same_key(one: object, other: object) -> None:
    assert key_identity(one) == key_identity(other)
    assert hash(key_identity(one)) == hash(key_identity(other))
    assert {key_identity(one): "found"}[key_identity(other)] == "found"


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=repr)
def test_another_key(one: object, other: object) -> None:
    assert key_identity(one) != key_identity(other)


@pytest.mark.parametrize(
    "keys",
    [[], ["a", b"a", 1, None], [1.5, 2, "a"], [("a", 1), ("b", None)], [("a", 1.5), ("b",), ()]],
    ids=repr,
)
def test_a_batch_of_plain_keys_is_the_same_list(keys: list[object]) -> None:
    assert identities(keys) is keys


@pytest.mark.parametrize(
    "keys",
    [[1.5, NAN], [("a", NAN), ("b", 1.5)], [(("a",), 1)], ["a", ("b",)], [Decimal(1), 2], [NAIVE, None]],
    ids=repr,
)
def test_another_batch_is_taken_one_by_one(keys: list[object]) -> None:
    assert identities(keys) == [key_identity(key) for key in keys]


def test_what_cant_be_a_key_has_no_identity() -> None:
    refused: list[object] = [[1], ("a", [1]), (float,), ("a", {1})]
    for key in refused:
        with pytest.raises(UnstableKeyError):
            key_identity(key)
        with pytest.raises(UnstableKeyError):
            identities(["a", key])


def test_of_one_type_is_exactly_of_that() -> None:
    """A subclass may have its own `__eq__` and `__hash__`."""
    assert are_all(int, [1, 2])
    assert are_all(int, [])
    assert not are_all(int, [1, True])
    assert not are_all(str, ["EWR", Airport.NEWARK])
