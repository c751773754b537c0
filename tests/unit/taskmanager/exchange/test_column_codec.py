"""Columns over a wire: as they were sent, the schema once, without a copy, cut where a frame has no room."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records import (
    Batch,
    ColumnBatch,
)
from millstream_dataflow.types import Types
from millstream_taskmanager.exchange.codecs.batches import (
    BatchDecoder,
    BatchEncoder,
    ChannelCodec,
)
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import PICKLE, STREAM, TIMES, Frame, Kind
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.wire import over_a_wire

OPERATOR = "Map at program.py:7"
LIMIT = 1 << 20


def table(first: int, words: Sequence[str | None]) -> ColumnBatch:
    """Columns of many kinds."""
    numbers = np.arange(first, first + len(words))
    columns = pa.record_batch(
        {
            "n": numbers,
            "s": pa.array(words, pa.string()),
            "d": pa.array(words, pa.string()).dictionary_encode(),
            "l": pa.array([[word] for word in words], pa.list_(pa.string())),
            "m": pa.array(
                [{"a": first, "b": word} for word in words], pa.struct([("a", pa.int64()), ("b", pa.string())])
            ),
            "t": pa.array(numbers, pa.timestamp("us", "UTC")),
            "e": pa.nulls(len(words)),
        }
    )
    return ColumnBatch(columns, numbers * 10)


def test_columns_of_every_kind_arrive_as_they_were_sent() -> None:
    sent = [table(0, ["a", None, "b"]), table(3, []), table(3, ["b", "c", "d", None])]
    payloads, arrived = over_a_wire(ChannelCodec(None, OPERATOR), sent)
    assert [bool(payload.flags & STREAM) for payload in payloads] == [True, False, False], "the schema goes once"
    assert all(payload.flags & TIMES for payload in payloads)
    for one, other in zip(sent, arrived, strict=True):
        assert isinstance(other, ColumnBatch)
        other.columns.validate(full=True)
        assert other.columns.equals(one.columns)
        assert other.timestamps is not None
        assert one.timestamps is not None
        assert other.timestamps.dtype == np.dtype(np.int64)
        assert other.timestamps.tolist() == one.timestamps.tolist()


def test_another_schema_begins_another_stream() -> None:
    """What waits unopened still belongs to the former one."""
    sent: list[Batch] = [
        ColumnBatch(pa.record_batch({"a": [1]})),
        ColumnBatch(pa.record_batch({"b": ["x"]})),
        ColumnBatch(pa.record_batch({"a": [2]})),
        ColumnBatch(pa.record_batch({"a": [3]}).replace_schema_metadata({"unit": "s"})),
    ]
    payloads, arrived = over_a_wire(ChannelCodec(None, OPERATOR), sent)
    assert [bool(payload.flags & STREAM) for payload in payloads] == [True, True, True, True]
    for one, other in zip(sent, arrived, strict=True):
        assert isinstance(one, ColumnBatch)
        assert isinstance(other, ColumnBatch)
        assert other.columns.schema.equals(one.columns.schema, check_metadata=True)
        assert other.columns.equals(one.columns)


def test_slices_send_only_themselves() -> None:
    whole = pa.record_batch({"n": np.arange(1_000_000), "s": pa.array([str(number) for number in range(1_000_000)])})
    [payload], [arrived] = over_a_wire(ChannelCodec(None, OPERATOR), [ColumnBatch(whole.slice(500_000, 1_000))])
    assert payload.size < 30_000
    assert isinstance(arrived, ColumnBatch)
    assert arrived.columns.equals(whole.slice(500_000, 1_000))


def test_columns_are_not_copied_on_the_way_out_or_in() -> None:
    numbers = np.arange(100_000)
    batch = ColumnBatch(pa.record_batch({"n": numbers}), numbers)
    [payload] = BatchEncoder(ChannelCodec(None, OPERATOR), LIMIT * 4).encode(batch)
    homes = [np.frombuffer(part, np.uint8).ctypes.data for part in payload.parts]
    assert homes.count(numbers.ctypes.data) == 2, "the column and the times go out as they lie"
    frame = np.frombuffer(b"".join(payload.parts), np.uint8).copy()
    decoder = BatchDecoder(ChannelCodec(None, OPERATOR))
    arrived = decoder.parcel(Frame(payload.kind, payload.flags, (0, 0, 0), 0, frame.data)).open()
    assert isinstance(arrived, ColumnBatch)
    buffer = arrived.columns.column(0).buffers()[1]
    assert buffer is not None
    begin = frame.ctypes.data
    assert begin <= buffer.address < begin + len(frame)
    assert arrived.timestamps is not None
    assert begin <= arrived.timestamps.ctypes.data < begin + len(frame)
    assert buffer.address % 8 == 0


def nested(words: Sequence[str]) -> "Sequence[pa.Array[Any]]":
    """Dictionaries that the schema shows only further in."""
    encoded = pa.array(words, pa.string()).dictionary_encode()
    offsets = pa.array(range(len(words) + 1), pa.int32())
    return pa.ListArray.from_arrays(offsets, encoded), pa.StructArray.from_arrays([encoded], ["d"])


@pytest.mark.parametrize("column", [0, 1], ids=["list", "struct"])
def test_dictionaries_come_later_and_lie_deep(column: int) -> None:
    arrays = [nested(words)[column] for words in ([], ["a"], ["b", "a"], [], ["c"])]
    sent = [ColumnBatch(pa.record_batch({"x": array, "n": np.arange(len(array))})) for array in arrays]
    _, arrived = over_a_wire(ChannelCodec(None, OPERATOR), sent)
    assert [batch.columns.to_pydict() for batch in arrived if isinstance(batch, ColumnBatch)] == [
        batch.columns.to_pydict() for batch in sent
    ]


def test_columns_without_dictionaries_arrive_as_they_were_sent() -> None:
    words: list[list[str | None]] = [["a", None], [], ["b"] * 3]
    columns = [
        {"n": np.arange(len(some)), "s": pa.array(some, pa.string()), "e": pa.nulls(len(some))} for some in words
    ]
    sent = [ColumnBatch(pa.record_batch(some).replace_schema_metadata({"unit": "s"})) for some in columns]
    payloads, arrived = over_a_wire(ChannelCodec(None, OPERATOR), sent)
    assert [bool(payload.flags & STREAM) for payload in payloads] == [True, False, False]
    for one, other in zip(sent, arrived, strict=True):
        assert isinstance(other, ColumnBatch)
        other.columns.validate(full=True)
        assert other.columns.schema.equals(one.columns.schema, check_metadata=True)
        assert other.columns.equals(one.columns)


@given(st.integers(0, 400), st.binary(max_size=9))
def test_a_later_piece_that_is_cut_or_changed_is_nothing_but_an_error_of_the_exchange(cut: int, behind: bytes) -> None:
    encoder = BatchEncoder(ChannelCodec(None, OPERATOR), LIMIT)
    batch = ColumnBatch(pa.record_batch({"n": range(10)}))
    first, second = [b"".join(payload.parts) for _ in range(2) for payload in encoder.encode(batch)]
    decoder = BatchDecoder(ChannelCodec(None, OPERATOR))
    decoder.parcel(Frame(Kind.COLUMNS, STREAM, (0, 0, 0), 0, first)).open()
    changed = second[:cut] + behind
    later = decoder.parcel(Frame(Kind.COLUMNS, 0, (0, 0, 0), 1, changed))
    if len(changed) == len(second):  # another number is a number, too
        with suppress(ExchangeError):
            later.open()
    else:
        with pytest.raises(ExchangeError):
            later.open()


@pytest.mark.parametrize("kind", [Kind.ROWS, Kind.COLUMNS])
@given(garbage=st.binary(max_size=60), flags=st.integers(0, 31))
def test_a_payload_of_garbage_is_nothing_but_an_error_of_the_exchange(kind: Kind, garbage: bytes, flags: int) -> None:
    decoder = BatchDecoder(ChannelCodec(Types.LONG(), OPERATOR))
    with suppress(ExchangeError):
        decoder.parcel(Frame(kind, flags & ~PICKLE, (0, 0, 0), 0, garbage)).open()


def test_columns_without_a_schema_are_refused() -> None:
    with pytest.raises(ExchangeError, match="before their schema"):
        BatchDecoder(ChannelCodec(None, OPERATOR)).parcel(Frame(Kind.COLUMNS, 0, (0, 0, 0), 0, b""))


def test_columns_that_are_larger_than_a_frame_go_in_several() -> None:
    batch = ColumnBatch(pa.record_batch({"n": np.arange(100_000)}), np.arange(100_000))
    payloads, batches = over_a_wire(ChannelCodec(None, OPERATOR), [batch], 100_000)
    assert all(payload.size <= 100_000 for payload in payloads)
    columns = [part.columns for part in batches if isinstance(part, ColumnBatch)]
    assert pa.Table.from_batches(columns).equals(pa.Table.from_batches([batch.columns]))
    moments_ = [part.timestamps for part in batches if isinstance(part, ColumnBatch) and part.timestamps is not None]
    assert np.concatenate(moments_).tolist() == list(range(100_000))


def test_a_row_of_columns_that_is_larger_than_a_frame_is_named() -> None:
    batch = ColumnBatch(pa.record_batch({"s": ["a", "x" * 200_000]}))
    with pytest.raises(UserCodeError, match=r"takes 20\d+ bytes"):
        over_a_wire(ChannelCodec(None, OPERATOR), [batch], 100_000)
