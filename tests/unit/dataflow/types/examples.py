"""Types of every kind, and for each of them values that fit: what the property tests of types draw from."""

import datetime
import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from millstream_dataflow.types import Row, TypeInformation, Types, from_hint


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Flight:
    carrier: str
    delay: float | None
    stops: list[Pair]


@dataclass
class Slotless:
    number: int = 0


@dataclass(frozen=True, slots=True)
class Slotted:
    flight: Flight
    color: Color


Example = tuple[TypeInformation[Any], SearchStrategy[Any]]

int64s = st.integers(-(2**63), 2**63 - 1)
naive = st.datetimes()
aware = st.datetimes(timezones=st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=8))]))
pairs = st.builds(Pair, st.text(), int64s)
flights = st.builds(Flight, st.text(), st.none() | st.floats(), st.lists(pairs, max_size=2))

SCALARS: list[Example] = [
    (Types.STRING(), st.text()),
    (Types.CHAR(), st.text(min_size=1, max_size=1)),
    (Types.BOOLEAN(), st.booleans()),
    (Types.BYTE(), st.integers(-128, 127)),
    (Types.SHORT(), st.integers(-(2**15), 2**15 - 1)),
    (Types.INT(), st.integers(-(2**31), 2**31 - 1)),
    (Types.LONG(), int64s),
    (Types.BIG_INT(), st.integers()),
    (Types.FLOAT(), st.floats()),
    (Types.DOUBLE(), st.floats()),
    (Types.BIG_DEC(), st.decimals()),
    (Types.SQL_DATE(), st.dates()),
    (Types.SQL_TIME(), st.times()),
    (Types.SQL_TIMESTAMP(), naive),
    (Types.INSTANT(), aware),
    (Types.PRIMITIVE_ARRAY(Types.BYTE()), st.binary()),
    (Types.ANY(), st.none() | st.text()),
    (Types.ENUM(Color), st.sampled_from(Color)),
    (Types.ENUM(Level), st.sampled_from(Level)),
    (Types.NAMED_TUPLE(Pair), pairs),
    (Types.DATACLASS(Flight), flights),
    (Types.DATACLASS(Slotless), st.builds(Slotless, int64s)),
    (Types.DATACLASS(Slotted), st.builds(Slotted, flights, st.sampled_from(Color))),
]
HINTS: list[tuple[Any, SearchStrategy[Any]]] = [
    (int, st.integers() | st.booleans()),
    (float, st.floats() | st.integers()),
    (datetime.datetime, naive | aware),
    (tuple[str, int | None], st.tuples(st.text(), st.none() | st.integers())),
    (dict[str, list[float]], st.dictionaries(st.text(), st.lists(st.floats()), max_size=3)),
]


def _bigger(inner: SearchStrategy[Example]) -> SearchStrategy[Example]:
    fields = st.lists(inner, max_size=3)
    return st.one_of(
        inner.map(lambda one: (Types.LIST(one[0]), st.lists(one[1], max_size=3))),
        inner.map(lambda one: (Types.OBJECT_ARRAY(one[0]), st.lists(st.none() | one[1], max_size=3))),
        inner.map(lambda one: (Types.OPTIONAL(one[0]), st.none() | one[1])),
        inner.map(lambda one: (Types.MAP(Types.STRING(), one[0]), st.dictionaries(st.text(), one[1], max_size=3))),
        fields.map(lambda all_: (Types.TUPLE([one[0] for one in all_]), st.tuples(*(one[1] for one in all_)))),
        fields.map(
            lambda all_: (
                Types.ROW([one[0] for one in all_]),
                st.tuples(*(one[1] for one in all_)).map(lambda v: Row(*v)),
            )
        ),
    )


def _hinted(annotation: Any, values: SearchStrategy[Any]) -> Example:  # noqa: ANN401  # an annotation may be any object
    found = from_hint(annotation)
    assert found is not None
    return found, values


examples: SearchStrategy[Example] = st.recursive(
    st.sampled_from(SCALARS + [_hinted(annotation, values) for annotation, values in HINTS]), _bigger, max_leaves=4
)
"""A type, and a strategy of values that fit it."""
