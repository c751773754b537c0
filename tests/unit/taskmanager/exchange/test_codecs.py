"""What arrives equals what was sent, in value and in type; what can't travel is named (law 9.4)."""

import datetime
import enum
import math
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import (
    Barrier,
    Control,
    End,
    EndOfData,
    EndReason,
    NoSplitNow,
    RowBatch,
    SnapshotKind,
    StreamStatus,
    Watermark,
)
from millstream_dataflow.types import Row, RowKind, TypeInformation, Types, from_hint
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.codecs.batches import (
    BatchDecoder,
    BatchEncoder,
    ChannelCodec,
    RecordTooLargeError,
)
from millstream_taskmanager.exchange.codecs.controls import decode_control, encode_control
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import MSGPACK, PICKLE, Frame, Kind
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.failing import GUILTY_LINE, KINDS, Failing, FailingOnce, FailingToReturn
from tests.support.wire import over_a_wire

OPERATOR = "Map at program.py:7"
LIMIT = 1 << 20


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float
    label: str | None = None


class Text(str):
    """A str of the user's own."""

    __slots__ = ()


class Number(int):
    """As above."""


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    price: Decimal
    at: datetime.datetime
    tags: list[str]
    place: Point | None
    level: Level


@dataclass
class Open:
    """One to which a program adds attributes."""

    name: str
    count: int = 0


@dataclass(frozen=True)
class Checked:
    """msgpack would make it without its constructor."""

    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name)


def exact(one: Any, other: Any) -> bool:  # noqa: ANN401, PLR0911  # it compares anything, kind by kind
    """Equal in value and type, through and through; NaN by its bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if isinstance(one, datetime.datetime | datetime.time):
        return repr(one) == repr(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(exact, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(exact, one.items(), other.items()))
    if isinstance(one, Row):
        named = one.get_field_names() == other.get_field_names()
        return named and one.get_row_kind() is other.get_row_kind() and exact(tuple(one), tuple(other))
    if hasattr(one, "__dataclass_fields__"):
        names = [*one.__dataclass_fields__, *getattr(one, "__dict__", ())]
        return all(exact(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


def rows(type_: TypeInformation[Any] | None, values: list[Any], times: list[int] | None = None) -> RowBatch:
    """Rows over a wire, as one batch."""
    [batch] = over_a_wire(ChannelCodec(type_, OPERATOR), [RowBatch(values, times)])[1]
    assert isinstance(batch, RowBatch)
    return batch


# ------------------------------------------------------------------------------------------------- the property

texts = st.text(max_size=5) | st.builds(Text, st.text(max_size=3)) | st.just("\ud800")
big_ints = st.integers(-(2**80), 2**80)
longs = st.integers(-(2**63), 2**63 - 1)
floats = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf])
decimals = st.decimals() | st.sampled_from([Decimal("1.10"), Decimal("-0"), Decimal("NaN"), Decimal("1E+30")])
zones = st.sampled_from(
    [
        None,
        datetime.UTC,
        datetime.timezone(datetime.timedelta(hours=2)),
        ZoneInfo("Europe/Berlin"),
    ]
)
datetimes = st.datetimes(timezones=zones)
naive = st.datetimes() | st.datetimes().map(lambda moment: moment.replace(fold=1))
aware = st.datetimes(timezones=zones.filter(lambda zone: zone is not None))
times_of_day = st.times()
points = st.builds(Point, big_ints, floats, st.none() | texts)
moments = st.datetimes(timezones=st.just(datetime.UTC)) | datetimes
levels = st.sampled_from(Level)
orders = st.builds(Order, longs, decimals, moments, st.lists(texts, max_size=2), st.none() | points, levels)


def _row_kind(row: Row, kind: RowKind) -> Row:
    row.set_row_kind(kind)
    return row


named_rows = st.builds(
    lambda name, age, kind: _row_kind(Row("name", "age")(name, age), kind),
    st.none() | texts,
    st.none() | longs,
    st.sampled_from(RowKind),
)


def _with_attribute(open_: Open, extra: bool) -> Open:
    if extra:
        open_.__dict__["extra"] = 1
    return open_


Case = tuple[TypeInformation[Any] | None, st.SearchStrategy[Any]]

CASES: dict[str, Case] = {
    "nothing declared": (None, st.none() | texts | big_ints | floats | points | st.lists(levels, max_size=2)),
    "any": (Types.ANY(), st.none() | st.sets(longs, max_size=3) | named_rows),
    "string": (Types.STRING(), texts),
    "char": (Types.CHAR(), st.characters()),
    "boolean": (Types.BOOLEAN(), st.booleans()),
    "byte": (Types.BYTE(), st.integers(-128, 127)),
    "short": (Types.SHORT(), st.integers(-(2**15), 2**15 - 1)),
    "int": (Types.INT(), st.integers(-(2**31), 2**31 - 1) | st.builds(Number, st.integers(0, 9))),
    "long": (Types.LONG(), longs | levels),
    "big int": (Types.BIG_INT(), big_ints | st.builds(Number, st.integers(0, 9))),
    "annotated int": (from_hint(int), big_ints | st.booleans() | levels),
    "annotated float": (from_hint(float), floats | longs | st.booleans()),
    "double": (Types.DOUBLE(), floats),
    "decimal": (Types.BIG_DEC(), decimals),
    "date": (Types.SQL_DATE(), st.dates()),
    "time": (Types.SQL_TIME(), times_of_day | times_of_day.map(lambda moment: moment.replace(fold=1))),
    "timestamp": (Types.SQL_TIMESTAMP(), naive),
    "instant": (Types.INSTANT(), aware),
    "annotated datetime": (from_hint(datetime.datetime), datetimes),
    "bytes": (Types.PRIMITIVE_ARRAY(Types.BYTE()), st.binary(max_size=5)),
    "tuple": (Types.TUPLE([Types.STRING(), Types.LONG(), Types.DOUBLE()]), st.tuples(texts, longs, floats)),
    "tuple of anything": (Types.TUPLE([Types.STRING(), Types.ANY()]), st.tuples(texts, st.none() | levels)),
    "empty tuple": (Types.TUPLE([]), st.just(())),
    "named tuple as a tuple": (
        Types.TUPLE([Types.BIG_INT(), Types.DOUBLE(), Types.OPTIONAL(Types.STRING())]),
        points | st.tuples(big_ints, floats, st.none() | texts),
    ),
    "optional": (Types.OPTIONAL(Types.LONG()), st.none() | longs),
    "list": (Types.LIST(Types.LONG()), st.lists(longs, max_size=3)),
    "list of lists": (Types.LIST(Types.LIST(Types.STRING())), st.lists(st.lists(texts, max_size=2), max_size=2)),
    "array of objects": (Types.OBJECT_ARRAY(Types.INSTANT()), st.lists(st.none() | aware, max_size=2)),
    "map": (Types.MAP(Types.STRING(), Types.DOUBLE()), st.dictionaries(st.text(max_size=3), floats, max_size=3)),
    "map by number": (Types.MAP(Types.LONG(), Types.STRING()), st.dictionaries(longs, texts, max_size=3)),
    "map by tuple": (
        Types.MAP(Types.TUPLE([Types.LONG()]), Types.STRING()),
        st.dictionaries(st.tuples(longs), texts, max_size=3),
    ),
    "row": (Types.ROW([Types.STRING(), Types.LONG()]), st.builds(Row, st.none() | texts, st.none() | longs)),
    "named row": (Types.ROW_NAMED(["name", "age"], [Types.STRING(), Types.LONG()]), named_rows),
    "row of rows": (Types.ROW([Types.ROW([Types.LONG()])]), st.builds(Row, st.builds(Row, longs))),
    "named tuple": (Types.NAMED_TUPLE(Point), points),
    "frozen dataclass": (Types.DATACLASS(Order), orders),
    "open dataclass": (
        Types.DATACLASS(Open),
        st.builds(_with_attribute, st.builds(Open, texts, longs), st.booleans()),
    ),
    "dataclass with a constructor": (Types.DATACLASS(Checked), st.builds(Checked, texts)),
    "enum": (Types.ENUM(Colour), st.sampled_from(Colour)),
    "enum of numbers": (Types.ENUM(Level), levels),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(data=st.data())
def test_every_value_arrives_as_it_was_sent(case: Case, data: st.DataObject) -> None:
    type_, strategy = case
    sent = data.draw(st.lists(strategy, min_size=1, max_size=6))
    times = data.draw(st.none() | st.lists(longs, min_size=len(sent), max_size=len(sent)))
    arrived = rows(type_, list(sent), times)
    assert exact(arrived.values, sent), (arrived.values, sent)
    assert arrived.timestamps == times


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(data=st.data())
def test_the_quick_look_at_a_batch_agrees_with_the_look_at_each_value(case: Case, data: st.DataObject) -> None:
    strange = st.none() | st.integers() | st.text(max_size=1) | st.tuples(st.integers()) | st.builds(Row, st.integers())
    type_, strategy = case
    values = data.draw(st.lists(strategy | strange, max_size=4))
    if type_ is not None:
        assert type_.all_fit(values) is all(type_.check(value) is None for value in values)


# ------------------------------------------------------------------------------------------------ which codec

USUAL: dict[str, tuple[TypeInformation[Any] | None, Any, int]] = {
    "tuple": (Types.TUPLE([Types.STRING(), Types.LONG()]), ("a", 1), MSGPACK),
    "named tuple": (Types.NAMED_TUPLE(Point), Point(1, 2.0), MSGPACK),
    "int": (Types.LONG(), 1, MSGPACK),
    "undeclared": (None, ("a", 1), PICKLE),
    "row": (Types.ROW([Types.LONG()]), Row(1), PICKLE),
    "over 64 bits": (Types.BIG_INT(), 1 << 64, PICKLE),
    "subclass": (Types.STRING(), Text("a"), PICKLE),
    "bool for an int": (from_hint(int), True, PICKLE),
}


@pytest.mark.parametrize(("type_", "value", "flag"), USUAL.values(), ids=USUAL)
def test_the_frame_says_which_codec_was_used(type_: TypeInformation[Any] | None, value: object, flag: int) -> None:
    [payload], _ = over_a_wire(ChannelCodec(type_, OPERATOR), [RowBatch([value])])
    assert payload.flags == flag


def test_deep_nesting_goes_by_pickle_or_is_named() -> None:
    """Msgpack gives up at a depth that pickle gives up at as well."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserCodeError, match="RecursionError"):
        rows(None, [deep])


MISFITS: dict[str, tuple[TypeInformation[Any], list[Any], str]] = {
    "int for a str": (
        Types.TUPLE([Types.STRING(), Types.LONG()]),
        [("a", 1), ("b", 2), (3, 3)],
        r"value\[0\] is int 3, but STRING",
    ),
    "bool for a LONG": (Types.LONG(), [1, True], r"value is bool True, but LONG"),
    "too wide": (Types.INT(), [1, 1 << 40], r"value is int 1099511627776, but INT"),
    "None": (Types.STRING(), ["a", None], r"value is NoneType None, but STRING"),
    "too short": (Types.TUPLE([Types.LONG(), Types.LONG()]), [(1, 2), (1,)], r"2 fields, not 1"),
    "other names": (
        Types.ROW_NAMED(["a"], [Types.LONG()]),
        [Row("a")(1), Row("b")(1)],
        r"Row\('a'\)",
    ),
    "in a row": (Types.ROW([Types.LONG()]), [Row(1), Row("x")], r"value\[0\] is str 'x', but LONG"),
    "in a dataclass": (Types.DATACLASS(Open), [Open("a", 1), Open(cast("str", 2), 1)], r"value.name is int 2"),
    "numpy's number": (Types.LONG(), [np.int64(1)], r"numpy.int64 .*value.item\(\)"),
}


@pytest.mark.parametrize(("type_", "values", "words"), MISFITS.values(), ids=MISFITS)
def test_a_value_that_does_not_fit_is_named(type_: TypeInformation[Any], values: list[Any], words: str) -> None:
    with pytest.raises(UserCodeError, match=words) as caught:
        rows(type_, values)
    assert caught.value.operator == OPERATOR
    assert caught.value.record == repr(values[-1])
    assert isinstance(caught.value.cause, TypeError)


def test_a_record_that_can_not_be_pickled_is_named() -> None:
    bad: Callable[[], None] = lambda: None  # noqa: E731  # that is the record
    with pytest.raises(UserCodeError, match="pickle") as caught:
        rows(None, [1, 2, bad, 4])
    assert "<function" in caught.value.record
    failure = caught.value.failure()
    assert failure.message.startswith(f"NotSerializableError: a record of {OPERATOR} can't be pickled: ")
    assert not failure.restartable


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_record_whose_class_raises_when_it_is_pickled(kind: type[Exception], restartable: bool) -> None:
    with pytest.raises(UserCodeError) as caught:
        rows(None, [1, Failing(kind), 3])
    failure = caught.value.failure()
    assert failure.restartable is restartable
    assert (failure.operator, failure.record) == (OPERATOR, f"Failing({kind.__name__})")
    assert failure.message.endswith(f"a record of {OPERATOR} can't be pickled: {kind.__name__}: {Failing.words}")
    assert failure.source_line.endswith(GUILTY_LINE)
    assert "in __reduce__" in failure.traceback
    assert failure.traceback.count("Traceback") == 1, "that of the user's code, once"
    assert "rows.py" not in failure.traceback
    assert "a record of" not in failure.traceback, "the message says it"


def test_an_error_that_is_gone_at_the_second_look_has_no_record_and_still_its_line() -> None:
    with pytest.raises(UserCodeError) as caught:
        rows(None, [1, FailingOnce(OSError)])
    failure = caught.value.failure()
    assert failure.restartable
    assert failure.record == ""
    assert failure.source_line.endswith('raise kind("only once")')


@pytest.mark.parametrize(("kind", "restartable"), KINDS)
def test_a_record_whose_class_raises_when_it_is_unpickled(kind: type[Exception], restartable: bool) -> None:
    parcel = parcel_of(FailingToReturn(kind))
    with pytest.raises(UserCodeError, match=r"can't be unpickled: .*nobody is there") as caught:
        parcel.open()
    failure = caught.value.failure()
    assert (failure.operator, failure.restartable) == (OPERATOR, restartable)
    assert failure.source_line.endswith('raise state["kind"]("nobody is there")')


def test_a_record_whose_class_is_not_on_the_other_side_is_final() -> None:
    parcel = parcel_of(FailingToReturn(OSError), FailingToReturn.__name__, "FailingToRemain")
    with pytest.raises(UserCodeError, match="FailingToRemain") as caught:
        parcel.open()
    assert not caught.value.restartable


def parcel_of(record: object, name: str = "", instead: str = "") -> Parcel:
    """A record as it arrives, a class in it perhaps by another name."""
    codec = ChannelCodec(None, OPERATOR)
    [payload] = BatchEncoder(codec, LIMIT).encode(RowBatch([record]))
    data = b"".join(payload.parts).replace(name.encode(), instead.encode())
    return BatchDecoder(codec).parcel(Frame(payload.kind, payload.flags, (0, 0, 0), 0, data))


# ------------------------------------------------------------------------------------------- what is too large


def test_a_batch_that_is_larger_than_a_frame_goes_in_several() -> None:
    values = [("k" * 1_000 + str(number), number) for number in range(1_000)]
    times = list(range(1_000))
    payloads, batches = over_a_wire(ChannelCodec(None, OPERATOR), [RowBatch(values, times)], 100_000)
    assert len(payloads) > 8
    assert all(payload.size <= 100_000 for payload in payloads)
    assert sum(payload.rows for payload in payloads) == 1_000
    assert [value for batch in batches if isinstance(batch, RowBatch) for value in batch.values] == values
    assert [time for batch in batches if isinstance(batch, RowBatch) for time in batch.timestamps or ()] == times


def test_a_record_that_is_larger_than_a_frame_is_named_with_its_size() -> None:
    with pytest.raises(UserCodeError, match=r"takes 2000\d\d bytes .*taskmanager.network.max-frame-size") as caught:
        over_a_wire(ChannelCodec(Types.STRING(), OPERATOR), [RowBatch(["a", "x" * 200_000])], 100_000)
    assert isinstance(caught.value.cause, RecordTooLargeError)
    assert caught.value.operator == OPERATOR


# ----------------------------------------------------------------------------------------------------- controls

CONTROLS: list[Control] = [
    Watermark(-(2**63)),
    Watermark(2**63 - 1),
    StreamStatus(idle=True),
    StreamStatus(idle=False),
    *(Barrier(CheckpointId(2**40), kind, "s3://bucket/ä") for kind in SnapshotKind),
    Barrier(CheckpointId(1), unaligned=True),
    Barrier(CheckpointId(1)),
    NoSplitNow(),
    *(EndOfData(reason) for reason in EndReason),
    End(),
]


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
def test_controls_arrive_as_they_were_sent(control: Control) -> None:
    assert decode_control(*encode_control(control)) == control


@given(st.sampled_from(Kind), st.binary(max_size=20))
def test_a_control_of_garbage_is_nothing_but_an_error_of_the_exchange(kind: Kind, garbage: bytes) -> None:
    with suppress(ExchangeError):
        decode_control(kind, garbage)
