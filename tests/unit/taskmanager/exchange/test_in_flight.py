"""Elements of a channel, stored and read again: equal in value and type, columns with their schema (law 9.4)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, CheckpointId, EdgeId
from millstream_dataflow.records import Barrier, ColumnBatch, Element, EndOfData, EndReason, RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, StreamStatus
from millstream_dataflow.types import Types
from millstream_taskmanager.exchange.channel import LocalChannel, Parcel
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.exchange.credits import ByteCredits
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import Frame
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.in_flight import ChannelWriter, StoredElement, read_stored
from millstream_taskmanager.exchange.pending import FlushRules, PendingList
from millstream_taskmanager.user_code.errors import UserCodeError

CODEC = ChannelCodec(None, "Map at program.py:7")
ONE = CheckpointId(1)


def again(elements: Sequence[Element | Parcel], codec: ChannelCodec = CODEC) -> tuple[ChannelWriter, list[Any]]:
    """What was stored, and what is read of it."""
    writer = ChannelWriter(codec)
    for element in elements:
        writer.add(element)
    return writer, list(read_stored(codec, writer.items))


def parcels(batches: Sequence[RowBatch | ColumnBatch], codec: ChannelCodec = CODEC) -> list[Parcel]:
    """As they come by a wire."""
    encoder, decoder = BatchEncoder(codec, 1 << 20), BatchDecoder(codec)
    payloads = [payload for batch in batches for payload in encoder.encode(batch)]
    frames = [Frame(p.kind, p.flags, (0, 0, 0), number, b"".join(p.parts)) for number, p in enumerate(payloads)]
    return [decoder.parcel(frame) for frame in frames]


def columns(*values: int) -> ColumnBatch:
    words = pa.array([str(value) for value in values]).dictionary_encode()
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.int64()), words], ["number", "word"])
    return ColumnBatch(batch, np.array(values, np.int64))


rows = st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=5)


@given(st.lists(rows.map(RowBatch) | st.builds(Watermark, st.integers(0, 9))))
def test_rows_and_watermarks_keep_their_order(elements: list[StoredElement]) -> None:
    writer, read = again(elements)
    assert read == elements
    assert writer.records == sum(len(element) for element in elements if isinstance(element, RowBatch))
    assert writer.size == sum(map(len, writer.items))


@pytest.mark.parametrize("times", [None, [5, 6]])
@pytest.mark.parametrize("codec", [CODEC, ChannelCodec(Types.LONG(), "Map")])
def test_rows_from_a_wire_are_stored_unread(times: list[int] | None, codec: ChannelCodec) -> None:
    [parcel] = parcels([RowBatch([1, 2], times)], codec)
    opened = parcel.open
    parcel.open = lambda: pytest.fail("it was opened")
    writer, read = again([parcel], codec)
    assert writer.records == 2
    assert read == [opened()] == [RowBatch([1, 2], times)]


def test_columns_begin_a_stream_of_their_own() -> None:
    """Of the wire's stream the first pieces, with schema and dictionary, are gone."""
    first, *rest = parcels([columns(1, 2), columns(3, 4, 5), columns(1)])
    first.open()
    _, read = again([parcel.open() for parcel in rest])
    assert [batch.columns.to_pydict() for batch in read] == [
        c.columns.to_pydict() for c in (columns(3, 4, 5), columns(1))
    ]
    assert [batch.timestamps.tolist() for batch in read] == [[3, 4, 5], [1]]
    with pytest.raises(ExchangeError, match="not opened yet"):
        again(parcels([columns(1)]))


def test_what_nobody_misses_is_not_stored() -> None:
    """A sender that is restored is active until it says something else, and tells its end again."""
    idle = [StreamStatus(idle=True), StreamStatus(idle=False)]
    writer, _ = again([Barrier(ONE), *idle, Watermark(MAX_TIME), EndOfData(EndReason.INPUT)])
    assert writer.items == []


def test_what_cant_be_stored_is_named() -> None:
    with pytest.raises(UserCodeError, match="can't be pickled"):
        again([RowBatch([1, lambda: 2])])


@pytest.mark.parametrize("item", [b"", b"\\x09" * 12, b"\\x01\\x12\\x00\\x00\\x00\\x00\\x00\\x00"])
def test_what_is_no_stored_frame_is_refused(item: bytes) -> None:
    """Too short, of another version, and a barrier's."""
    with pytest.raises(ExchangeError, match="none that this Millstream reads"):
        list(read_stored(CODEC, [item]))


# ------------------------------------------------------------------------------------------------ a gate, and a list


class Heard:
    """What a gate's watcher is told."""

    def __init__(self) -> None:
        self.said: list[tuple[int, object]] = []

    def announced(self, channel: int, barrier: Barrier) -> None:
        self.said.append((channel, barrier))

    def recorded(self, channel: int, element: Element | Parcel) -> None:
        self.said.append((channel, element))


def gate_of(channels: int) -> tuple[Gate, list[LocalChannel]]:
    ids = [ChannelId(EdgeId(0), number, 0) for number in range(channels)]
    gate = Gate(ids, [0] * channels, ByteCredits(channels, 1_000, 0), lambda: None)
    ends = [LocalChannel(id_, 1_000, gate, number) for number, id_ in enumerate(ids)]
    for number, end in enumerate(ends):
        gate.connect(number, end)
    return gate, ends


def test_what_was_in_flight_comes_first_and_costs_no_credit() -> None:
    gate, ends = gate_of(2)
    ends[0].send(RowBatch([9]), 10, more=False)
    credit = [end.credit for end in ends]
    gate.restore(1, [RowBatch([1, 2]), Watermark(5)])
    gate.restore(0, [RowBatch([3])])
    assert gate.restored == [1, 2]
    taken = [gate.take() for _ in range(3)]
    assert [(one.channel, one.element) for one in taken if one is not None] == [
        (1, RowBatch([1, 2])),
        (1, Watermark(5)),
        (0, RowBatch([3])),
    ]
    assert [end.credit for end in ends] == credit
    assert gate.ready
    assert gate.take() is not None
    assert (gate.take(), gate.records) == (None, [2, 2])


def test_a_gate_tells_of_barriers_and_of_what_is_recorded() -> None:
    gate, ends = gate_of(2)
    heard = Heard()
    gate.watch(heard)
    ends[0].send(RowBatch([1]), 10, more=False)
    ends[0].send(Barrier(ONE), 0, more=False)
    ends[0].send(RowBatch([2]), 10, more=False)
    ends[1].send(RowBatch([3]), 10, more=False)
    assert heard.said == [(0, Barrier(ONE))]
    assert gate.before(0, ONE) == ([RowBatch([1])], True)
    assert gate.before(1, ONE) == ([RowBatch([3])], False)
    gate.record(1)
    ends[1].send(RowBatch([4]), 10, more=False)
    gate.stop_recording(1)
    ends[1].send(RowBatch([5]), 10, more=False)
    assert heard.said[1:] == [(1, RowBatch([4]))]


def test_columns_in_a_queue_are_opened_once_and_in_order() -> None:
    gate, _ = gate_of(1)
    heard = Heard()
    gate.watch(heard)
    first, second, third = parcels([columns(1), columns(2), columns(3)])
    for parcel in (first, second):
        gate.arrive(0, parcel, 10, backlog=False)
    stored, _ = gate.before(0, ONE)
    gate.record(0)
    gate.arrive(0, third, 10, backlog=False)
    stored += [element for _, element in heard.said if isinstance(element, ColumnBatch)]
    assert [len(element) for element in stored if isinstance(element, ColumnBatch)] == [1, 1, 1]
    taken = [gate.take() for _ in range(3)]
    assert [one.element for one in taken if one is not None] == stored


def test_a_barrier_overtakes_what_waits_for_credit() -> None:
    gate, [end] = gate_of(1)
    pending = PendingList(end, FlushRules(1, 1, 100))
    sent: list[Barrier] = []
    pending.when_barrier_sent(lambda _, barrier: sent.append(barrier))
    end.credit = 0
    pending.add(RowBatch([1]), 10, 0)
    pending.add_control(Barrier(ONE), 0)
    pending.add(RowBatch([2]), 10, 0)
    assert pending.holds(ONE)
    assert pending.before(ONE) == [RowBatch([1])]
    assert pending.before(CheckpointId(2)) == [RowBatch([1]), Barrier(ONE), RowBatch([2])]
    pending.overtake(Barrier(ONE, unaligned=True))
    assert not pending.holds(ONE)
    end.grant(1_000)
    pending.flush(more=False)
    taken = [gate.take() for _ in range(3)]
    assert [one.element for one in taken if one is not None] == [
        Barrier(ONE, unaligned=True),
        RowBatch([1]),
        RowBatch([2]),
    ]
    assert sent == [], "it didn't leave in its place"


def test_who_waits_for_a_barrier_hears_when_it_has_left() -> None:
    _, [end] = gate_of(1)
    pending = PendingList(end, FlushRules(1, 1, 100))
    sent: list[Barrier] = []
    pending.when_barrier_sent(lambda _, barrier: sent.append(barrier))
    end.credit = 0
    pending.add(RowBatch([1]), 10, 0)
    pending.add_control(Barrier(ONE), 0)
    end.grant(1_000)
    pending.flush(more=False)
    assert sent == [Barrier(ONE)]
