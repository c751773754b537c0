"""Canonical bytes, written out by hand: the layout of each tag, and which keys fall together."""

import dataclasses
import datetime
import enum
import uuid
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from millstream_dataflow.keys import canonical_bytes, key_hash


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796  # an alias is meant
    BLUE = 2


class Size(enum.IntEnum):
    SMALL = 1


class Airport(enum.StrEnum):
    NEWARK = "EWR"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: object
    right: object


class Row:
    def __init__(self, *fields: object) -> None:
        self._fields = fields

    def __canonical_fields__(self) -> tuple[object, ...]:
        return self._fields


@dataclasses.dataclass(frozen=True)
class Leg:
    carrier: str
    number: int
    remark: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True)
class Single:
    value: object


class Text(str):
    """A subclass that lies about itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return f"{encoding} {errors}".encode()


NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
BERLIN = ZoneInfo("Europe/Berlin")

LAYOUTS = [
    (None, "00"),
    (0, "01 00"),
    (127, "01 7f"),
    (128, "01 80 00"),
    (-128, "01 80"),
    (-129, "01 7f ff"),
    (2**64, "01 00 00 00 00 00 00 00 00 01"),
    (1.5, "02 00 00 00 00 00 00 f8 3f"),
    (float("nan"), "02 00 00 00 00 00 00 f8 7f"),
    ("", "03"),
    ("é", "03 c3 a9"),
    (b"\x00\x01", "04 00 01"),
    ((), "05 00 00 00 00"),
    (("a", 1), "05 02 00 00 00  02 00 00 00 03 61  02 00 00 00 01 01"),
    (datetime.datetime(1970, 1, 1, 0, 0, 1), "08 40 42 0f 00 00 00 00 00"),  # noqa: DTZ001  # a naive one counts as UTC
    (datetime.date(1970, 1, 2), "09 01 00 00 00"),
    (datetime.date(1969, 12, 31), "09 ff ff ff ff"),
    (uuid.UUID(int=1), "0a" + "00" * 15 + "01"),
]


@pytest.mark.parametrize(("key", "layout"), LAYOUTS, ids=repr)
def test_the_layout(key: object, layout: str) -> None:
    assert canonical_bytes(key) == bytes.fromhex(layout)


def sized(text: str) -> bytes:
    return len(text).to_bytes(4, "little") + text.encode()


def test_a_dataclass_names_its_class_and_leaves_out_what_its_equality_leaves_out() -> None:
    fields = bytes.fromhex("02 00 00 00  03 00 00 00 03 55 41  02 00 00 00 01 07")
    assert canonical_bytes(Leg("UA", 7, "late")) == b"\x06" + sized(__name__) + sized("Leg") + fields


def test_an_enum_goes_by_class_and_name() -> None:
    prefix = b"\x07" + sized(__name__)
    assert canonical_bytes(Colour.RED) == prefix + sized("Colour") + sized("RED")
    assert canonical_bytes(Right.READ | Right.WRITE) == prefix + sized("Right") + sized("3")
    assert canonical_bytes(Right(0)) == prefix + sized("Right") + sized("0")


SAME = [
    [0, False, 0.0, -0.0, Decimal(0), Decimal("-0.00"), Decimal("0E+999999999"), np.int16(0), np.float32(-0.0)],
    [1, True, 1.0, Decimal("1.00"), np.uint8(1), np.float16(1), np.float64(1), np.bool_(True), Size.SMALL],
    [2**63, float(2**63), Decimal(2**63), np.uint64(2**63)],
    [int(1e300), 1e300, Decimal(int(1e300))],
    [float("nan"), -float("nan"), np.float32("nan"), np.float16("nan")],
    [float(np.float32(0.1)), np.float32(0.1)],
    ["EWR", Airport.NEWARK, np.str_("EWR"), Text("EWR")],
    [b"ab", np.bytes_(b"ab")],
    [(1, "a"), (True, "a"), (1.0, "a"), Pair(1, "a"), Row(1, "a"), (Decimal(1), Text("a"))],
    [((float("nan"),),), Row(Row(float("nan")))],
    [Leg("UA", 1), Leg("UA", True, "remarked")],
    [Colour.RED, Colour.CRIMSON],
    [NOON, NOON.replace(tzinfo=None), NOON.astimezone(BERLIN), NOON.astimezone(ZoneInfo("Asia/Kolkata"))],
]


@pytest.mark.parametrize("keys", SAME, ids=lambda keys: repr(keys[0])[:20])
def test_one_key_in_many_dresses(keys: list[object]) -> None:
    assert len({canonical_bytes(key) for key in keys}) == 1
    assert len({key_hash(key) for key in keys}) == 1


DIFFERENT = [
    ["a", b"a", ("a",), Single("a")],
    [0, None, "", b"", (), "0", (0,), datetime.date(1970, 1, 1), uuid.UUID(int=0)],
    [2**53, 2**53 + 1, float(2**53 + 2)],
    [0.1, np.float32(0.1), "0.1"],
    [float("inf"), float("-inf"), float("nan")],
    [(("a", "b"), "c"), ("a", ("b", "c")), ("a", "b", "c"), ("ab", "c")],
    [(), ((),), (None,), (None, None)],
    [Leg("UA", 1), ("UA", 1), Pair(Leg("UA", 1), None), Leg("UA", 2)],
    [Colour.RED, Colour.BLUE, 1, "RED", Right.READ, (__name__, "Colour", "RED")],
    [Right.READ, Right.WRITE, Right.READ | Right.WRITE, Right(0)],
    [datetime.datetime(1970, 1, 1), datetime.date(1970, 1, 1), 0],  # noqa: DTZ001  # as above
    [datetime.date(1970, 1, 2), 1],
    [uuid.UUID(int=1), uuid.UUID(int=1).bytes, uuid.UUID(int=1).hex, 1],
    ["\ud800", "\udc00", "\ufffd", "\U00010000", "\ud800\udc00"],
]


@pytest.mark.parametrize("keys", DIFFERENT, ids=lambda keys: repr(keys[0])[:20])
def test_keys_that_look_alike(keys: list[object]) -> None:
    assert len({canonical_bytes(key) for key in keys}) == len(keys)


def test_the_hour_that_happens_twice() -> None:
    """On 25 October 2026, 02:30 in Berlin comes before and after the clocks go back; `==` takes them for one."""
    first = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    assert first == second
    assert canonical_bytes(first) != canonical_bytes(second)
    assert canonical_bytes(second) == canonical_bytes(datetime.datetime(2026, 10, 25, 1, 30, tzinfo=datetime.UTC))


def test_the_ends_of_the_calendar_leave_it() -> None:
    """The first moment east of Greenwich lies in year 0 UTC, which datetime itself can't say."""
    east = datetime.timezone(datetime.timedelta(hours=14))
    first = datetime.datetime.min.replace(tzinfo=east)
    assert int.from_bytes(canonical_bytes(first)[1:], "little", signed=True) == -62135596800_000_000 - 14 * 3600_000_000


def test_a_column_of_a_dataclass_hashes_like_its_fields() -> None:
    assert key_hash(Leg("UA", 7)) == key_hash(("UA", 7)) == key_hash(Row("UA", 7))
    assert key_hash(Single(3)) == key_hash((3,))
