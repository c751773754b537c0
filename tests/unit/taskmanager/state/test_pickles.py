"""Stored objects follow the fields of their classes, and nothing else of them changes."""

import copy
import pickle
import sys
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.state.pickles import Reader, Writer, dumps, loads
from millstream_taskmanager.state.schemas import SchemaError
from tests.support.changing import Program

HEADS = {
    "plain": "@dataclass\nclass Trip:",
    "frozen": "@dataclass(frozen=True)\nclass Trip:",
    "slots": "@dataclass(slots=True)\nclass Trip:",
    "frozen with slots": "@dataclass(frozen=True, slots=True)\nclass Trip:",
    "by keyword": "@dataclass(kw_only=True)\nclass Trip:",
    "named tuple": "class Trip(NamedTuple):",
}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(monkeypatch)


def trip(head: str, *fields: str) -> str:
    """The source of a class `Trip`."""
    return "\n    ".join([head, *fields])


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
class TestFields:
    """Of each kind of class."""

    def test_nothing_has_changed(self, shop: Program, head: str) -> None:
        module = shop.version(trip(head, "city: str", "fare: int"))
        value = module.Trip(city="Oslo", fare=3)
        reader = Reader()
        assert (reader.value_of(dumps(value)), reader.changed) == (value, set())

    def test_one_is_added_in_the_midst(self, shop: Program, head: str) -> None:
        stored = dumps(shop.version(trip(head, "city: str", "fare: int")).Trip(city="Oslo", fare=3))
        module = shop.version(trip(head, "city: str", "fare: int = 0", "tip: int = 7", "tags: tuple = ()"))
        reader = Reader()
        assert reader.value_of(stored) == module.Trip(city="Oslo", fare=3, tip=7, tags=())
        assert reader.changed == {module.Trip}
        earlier = trip(head, "city: str", "tip: int = 7", "fare: int = 0")
        module = shop.version(earlier)
        assert loads(stored) == module.Trip(city="Oslo", fare=3, tip=7)

    def test_one_is_removed(self, shop: Program, head: str) -> None:
        stored = dumps(shop.version(trip(head, "city: str", "fare: int", "tip: int")).Trip(city="Oslo", fare=3, tip=1))
        module = shop.version(trip(head, "city: str", "tip: int"))
        value = loads(stored)
        assert value == module.Trip(city="Oslo", tip=1)
        assert not hasattr(value, "fare")

    def test_one_without_a_default_is_refused(self, shop: Program, head: str) -> None:
        stored = dumps(shop.version(trip(head, "city: str")).Trip(city="Oslo"))
        shop.version(trip(head, "city: str", "fare: int"))
        with pytest.raises(SchemaError, match=r"the class shop.Trip has the field 'fare' now.* has no default"):
            loads(stored)

    def test_a_class_that_is_gone_is_named(self, shop: Program, head: str) -> None:
        stored = dumps(shop.version(trip(head, "city: str")).Trip(city="Oslo"))
        shop.version("class Journey: pass")
        with pytest.raises(SchemaError, match=r"there is no class shop.Trip, and objects of it are stored"):
            loads(stored)

    def test_wherever_they_lie(self, shop: Program, head: str) -> None:
        former = shop.version(trip(head, "city: str"))
        oslo, bonn = former.Trip(city="Oslo"), former.Trip(city="Bonn")
        stored = dumps({"all": [oslo, (1, {2: bonn})], "first": oslo})
        module = shop.version(trip(head, "city: str", "fare: int = 5"))
        oslo, bonn = module.Trip(city="Oslo", fare=5), module.Trip(city="Bonn", fare=5)
        value = loads(stored)
        assert value == {"all": [oslo, (1, {2: bonn})], "first": oslo}
        assert value["first"] is value["all"][0], "one object is one still"


def test_a_factory_makes_one_for_each(shop: Program) -> None:
    former = shop.version(trip(HEADS["frozen"], "city: str"))
    stored = dumps([former.Trip("Oslo"), former.Trip("Bonn")])
    shop.version(trip(HEADS["frozen"], "city: str", "tags: list = field(default_factory=list)"))
    one, other = loads(stored)
    assert one.tags == other.tags == []
    assert one.tags is not other.tags


def test_a_class_that_travelled_by_value_has_marks_of_its_own(shop: Program) -> None:
    """Cloudpickle makes `dataclasses.MISSING` anew."""
    stored = dumps(shop.version(trip(HEADS["plain"], "city: str")).Trip("Oslo"))
    module = shop.version(trip(HEADS["plain"], "city: str", "fare: int = 3"))
    for part in fields(module.Trip):
        part.default_factory = copy.copy(part.default_factory)
    assert loads(stored) == module.Trip("Oslo", 3)
    module = shop.version(trip(HEADS["plain"], "city: str", "fare: int"))
    for part in fields(module.Trip):
        part.default, part.default_factory = copy.copy(part.default), copy.copy(part.default_factory)
    with pytest.raises(SchemaError, match="has the field 'fare' now"):
        loads(stored)


@pytest.mark.parametrize("now", ["plain", "slots", "frozen with slots"])
@pytest.mark.parametrize("then", HEADS)
def test_one_kind_becomes_another(shop: Program, then: str, now: str) -> None:
    stored = dumps(shop.version(trip(HEADS[then], "city: str", "fare: int")).Trip(city="Oslo", fare=3))
    module = shop.version(trip(HEADS[now], "fare: int", "city: str"))
    assert loads(stored) == module.Trip(fare=3, city="Oslo")


def test_a_dataclass_becomes_no_tuple(shop: Program) -> None:
    stored = dumps(shop.version(trip(HEADS["plain"], "city: str")).Trip("Oslo"))
    shop.version(trip(HEADS["named tuple"], "city: str"))
    with pytest.raises(SchemaError, match=r"shop.Trip was a dataclass and is a NamedTuple now"):
        loads(stored)
    stored = dumps(shop.version(trip(HEADS["named tuple"], "city: str")).Trip("Oslo"))
    shop.version(trip("class Trip(tuple):", "pass"))
    with pytest.raises(SchemaError, match=r"shop.Trip was a NamedTuple and is none now"):
        loads(stored)


def test_keys_of_a_dict_are_whole_before_they_are_hashed(shop: Program) -> None:
    stored = dumps({shop.version(trip(HEADS["frozen"], "city: str")).Trip("Oslo"): 1})
    module = shop.version(trip(HEADS["frozen"], "city: str", "tags: tuple = field(default_factory=tuple)"))
    assert loads(stored)[module.Trip("Oslo")] == 1


def test_what_stands_beside_the_fields_stays(shop: Program) -> None:
    value = shop.version(trip(HEADS["plain"], "city: str", "fare: int")).Trip("Oslo", 3)
    value.seen = True
    stored = dumps(value)
    shop.version(trip(HEADS["plain"], "city: str"))
    assert vars(loads(stored)) == {"city": "Oslo", "seen": True}


def test_a_class_that_stored_nothing_gets_its_fields(shop: Program) -> None:
    stored = dumps(shop.version(trip(HEADS["plain"], "pass")).Trip())
    module = shop.version(trip(HEADS["plain"], "city: str = 'Oslo'"))
    assert loads(stored) == module.Trip("Oslo")


def test_a_class_that_says_itself_how_is_asked(shop: Program) -> None:
    stored = dumps(shop.version(trip(HEADS["plain"], "city: str")).Trip("Oslo"))
    own = "def __setstate__(self, state): self.place = state['city']"
    shop.version(trip(HEADS["plain"], "place: str", own))
    assert loads(stored).place == "Oslo"


def test_the_class_itself_is_stored_by_name(shop: Program) -> None:
    """Whether it stands for itself, or makes what stands there."""
    former = shop.version(trip(HEADS["plain"], "city: str"))
    stored = dumps([former.Trip, partial(former.Trip, "Bonn"), former.Trip("Oslo")])
    module = shop.version(trip(HEADS["plain"], "city: str", "fare: int = 2"))
    cls, make, value = loads(stored)
    assert (cls, make(), value) == (module.Trip, module.Trip("Bonn", 2), module.Trip("Oslo", 2))


@dataclass(frozen=True, slots=True)
class Point:
    """With slots."""

    x: int
    y: Any


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.binary(max_size=3) | st.floats(allow_nan=False) | st.dates(),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.tuples(parts, parts)
        | st.dictionaries(st.text(max_size=3), parts, max_size=2)
        | st.builds(Point, st.integers(), parts)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_stored_comes_back(value: object) -> None:
    """Also what an earlier version has written; and this one's is a pickle to it."""
    stored = dumps(value)
    assert loads(stored) == loads(pickle.dumps(value, 5)) == pickle.loads(stored) == value


@pytest.mark.parametrize("head", ["frozen with slots", "named tuple"])
def test_what_an_earlier_version_stored_by_position_is_not_guessed_at(shop: Program, head: str) -> None:
    stored = pickle.dumps([shop.version(trip(HEADS[head], "city: str", "fare: int")).Trip("Oslo", 3)], 5)
    module = shop.version(trip(HEADS[head], "city: str", "fare: int"))
    assert loads(stored) == [module.Trip("Oslo", 3)]
    shop.version(trip(HEADS[head], "place: str = ''", "city: str = ''", "fare: int = 0"))
    with pytest.raises(SchemaError, match=r"has stored 2 values for each object of the class shop.Trip.* has 3 now"):
        loads(stored)


def test_no_code_and_none_of_our_names_is_stored() -> None:
    stored = dumps([Point(1, "a"), Point(2, "b")])
    assert b"millstream" not in stored
    assert stored.count(b"test_pickles") == 2, "the module of the class in the pickle, and behind it"


def test_what_a_newer_version_has_written_says_so() -> None:
    with pytest.raises(SchemaError, match="in form 2, which a newer version has written"):
        loads(dumps(Point(1, 2))[:-1] + b"\x02")


def test_fields_may_change_in_one_module_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes are told apart by their modules."""
    one, other = Program(monkeypatch, "one"), Program(monkeypatch, "other")
    source = trip(HEADS["plain"], "city: str")
    stored = dumps([one.version(source).Trip("Oslo"), other.version(source).Trip("Bonn")])
    module = one.version(trip(HEADS["plain"], "city: str", "fare: int = 1"))
    assert loads(stored) == [module.Trip("Oslo", 1), sys.modules["other"].Trip("Bonn")]


@given(st.lists(VALUES, max_size=6))
def test_many_one_by_one(values: list[object]) -> None:
    writer, reader = Writer(), Reader()
    stored = [writer.bytes_of(value) for value in values]
    assert [reader.value_of(one) for one in stored] == values == [loads(one) for one in stored]
