"""What waits on a channel: nothing passes a batch or a barrier, adjacent controls melt (law 4.1), full is sent at
once (law 9.1).
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import ChannelId, CheckpointId, EdgeId
from millstream_dataflow.records import (
    Barrier,
    ColumnBatch,
    Element,
    End,
    EndOfData,
    EndReason,
    RowBatch,
    StreamStatus,
    Watermark,
)
from millstream_taskmanager.exchange.credits import NO_LIMIT
from millstream_taskmanager.exchange.pending import FlushRules, PendingList

BARRIER = Barrier(CheckpointId(1))
ACTIVE, IDLE = StreamStatus(idle=False), StreamStatus(idle=True)


class Wire:
    """A sending end that keeps what was sent."""

    id = ChannelId(EdgeId(0), 0, 0)

    def __init__(self, credit: int = 1_000_000) -> None:
        self.credit = credit
        self.turn = NO_LIMIT
        self.sent: list[Element] = []
        self.backlog: list[bool] = []
        self.action: Callable[[], None] = lambda: None

    def send(self, element: Element, size: int, *, more: bool) -> None:
        assert not size or self.credit > 0
        self.credit -= size
        self.sent.append(element)
        if size:
            self.backlog.append(more and self.credit <= 0)

    def when_credited(self, action: Callable[[], None]) -> None:
        self.action = action

    def grant(self, size: int) -> None:
        had_none = self.credit <= 0
        self.credit += size
        if had_none and self.credit > 0:
            self.action()


def pending(wire: Wire, *, records: int = 100, size: int = 10_000) -> PendingList:
    return PendingList(wire, FlushRules(records, size, timeout=100))


def rows(*values: int) -> RowBatch:
    return RowBatch(list(values))


def _raise(error: BaseException) -> None:
    raise error


def test_batches_grow_until_the_flush() -> None:
    wire = Wire()
    list_ = pending(wire)
    list_.add(rows(1, 2), 20, now=5)
    list_.add(rows(3), 10, now=6)
    assert (wire.sent, list_.since, list_.records) == ([], 5, 3)
    list_.flush(more=False)
    assert (wire.sent, list_.since) == ([rows(1, 2, 3)], None)


def test_one_batch_goes_by_reference() -> None:
    wire = Wire()
    list_ = pending(wire)
    batch = rows(1, 2)
    list_.add(batch, 20, now=0)
    list_.flush(more=False)
    assert wire.sent[0] is batch


def test_full_is_sent_at_once() -> None:
    wire = Wire()
    list_ = pending(wire, records=3)
    list_.add(rows(1, 2), 2, now=0)
    list_.add(rows(3), 1, now=0)
    assert wire.sent == [rows(1, 2, 3)]
    heavy = pending(wire, size=100)
    heavy.add(rows(4), 100, now=0)
    assert wire.sent[1:] == [rows(4)]


def test_different_forms_are_not_joined() -> None:
    wire = Wire()
    list_ = pending(wire)
    columns = pa.RecordBatch.from_pydict({"n": [1, 2]})
    other = pa.RecordBatch.from_pydict({"m": [1]})
    times = np.array([1, 2], np.int64)
    for batch in (rows(1), RowBatch([2], [7]), ColumnBatch(columns), ColumnBatch(columns, times), ColumnBatch(other)):
        list_.add(batch, 1, now=0)
    list_.add(ColumnBatch(other), 1, now=0)
    list_.flush(more=False)
    assert [len(batch) for batch in wire.sent if isinstance(batch, RowBatch | ColumnBatch)] == [1, 1, 2, 2, 2]


def test_columns_are_joined_with_their_times() -> None:
    wire = Wire()
    list_ = pending(wire)
    for first in (0, 2):
        times = np.array([first, first + 1], np.int64)
        list_.add(ColumnBatch(pa.RecordBatch.from_pydict({"n": [first, first + 1]}), times), 1, now=0)
    list_.flush(more=False)
    [batch] = wire.sent
    assert isinstance(batch, ColumnBatch)
    assert batch.columns.to_pydict() == {"n": [0, 1, 2, 3]}
    assert batch.timestamps is not None
    assert batch.timestamps.tolist() == [0, 1, 2, 3]


def test_adjacent_watermarks_and_statuses_melt() -> None:
    wire = Wire()
    list_ = pending(wire)
    for control in (Watermark(1), IDLE, ACTIVE, Watermark(2), Watermark(3)):
        list_.add_control(control, now=0)
    list_.flush(more=False)
    assert wire.sent == [ACTIVE, Watermark(3)]


def test_nothing_passes_data_or_a_barrier() -> None:
    wire = Wire(credit=1)
    list_ = pending(wire)
    list_.add(rows(0), 5, now=0)
    list_.flush(more=False)  # now there is no credit
    list_.add_control(Watermark(1), now=0)
    list_.add(rows(1), 5, now=0)
    list_.add_control(Watermark(2), now=0)
    list_.add_control(BARRIER, now=0)
    list_.add_control(Watermark(3), now=0)
    list_.add_control(Watermark(4), now=0)
    assert wire.sent == [rows(0), Watermark(1)], "controls need no credit, but don't overtake"
    wire.grant(10)
    list_.flush(more=False)
    assert wire.sent[2:] == [rows(1), Watermark(2), BARRIER, Watermark(4)]


def test_barriers_and_ends_do_not_wait() -> None:
    for control in (BARRIER, EndOfData(EndReason.INPUT), End()):
        wire = Wire()
        list_ = pending(wire)
        list_.add(rows(1), 1, now=0)
        list_.add_control(Watermark(1), now=0)
        assert wire.sent == []
        list_.add_control(control, now=0)
        assert wire.sent == [rows(1), Watermark(1), control]


def test_backlog_says_that_more_is_to_come() -> None:
    wire = Wire(credit=10)
    list_ = pending(wire, records=2)
    list_.add(rows(1), 10, now=0)
    list_.flush(more=False)  # the sender has nothing more at hand
    wire.credit = 10
    list_.add(rows(1, 2), 10, now=0)  # it was full: the sender is busy
    wire.credit = 10
    list_.add(rows(1), 10, now=0)
    list_.add_control(Watermark(1), now=0)
    list_.add(rows(2), 10, now=0)  # behind the watermark, so a second frame
    assert wire.backlog == [False, True, True]
    assert not list_.writable


def test_whoever_waits_for_credit_is_told() -> None:
    wire = Wire(credit=1)
    list_ = pending(wire)
    told: list[bool] = []
    list_.when_writable(lambda: told.append(True), _raise)
    list_.add(rows(1), 50, now=0)
    list_.add_control(Watermark(1), now=0)
    list_.add(rows(2), 50, now=0)
    list_.flush(more=False)
    wire.grant(50)
    assert wire.sent == [rows(1), Watermark(1), rows(2)]
    assert not told, "what waited has used it up"
    wire.grant(50)
    assert told == [True]


def test_credit_sends_what_a_flush_has_left_and_nothing_that_waits_for_company() -> None:
    wire = Wire(credit=0)
    list_ = pending(wire)
    list_.when_writable(lambda: None, _raise)
    list_.add(rows(1), 5, now=0)
    list_.flush(more=False)
    wire.grant(5)
    assert (wire.sent, list_.writable) == ([rows(1)], False)
    list_.add(rows(2), 5, now=0)
    list_.add_control(Watermark(2), now=0)
    wire.grant(5)
    assert (wire.sent, list_.writable) == ([rows(1)], True)
    list_.add_control(Watermark(3), now=0)
    list_.flush(more=False)
    assert wire.sent[1:] == [rows(2), Watermark(3)]


ITEMS = st.lists(
    st.one_of(st.just("rows"), st.just("watermark"), st.just("barrier"), st.just("flush"), st.just("grant"))
)


@given(ITEMS)
def test_everything_arrives_in_order(items: list[str]) -> None:
    """With melted watermarks left out, what was sent is what was written."""
    wire = Wire(credit=5)
    list_ = pending(wire, records=4)
    list_.when_writable(lambda: None, _raise)
    written: list[Element] = []
    for number, item in enumerate(items):
        match item:
            case "rows":
                written.append(rows(number))
                list_.add(rows(number), 3, now=number)
            case "watermark":
                written.append(Watermark(number))
                list_.add_control(Watermark(number), now=number)
            case "barrier":
                written.append(Barrier(CheckpointId(number)))
                list_.add_control(Barrier(CheckpointId(number)), now=number)
            case "flush":
                list_.flush(more=False)
            case _:
                wire.grant(3)
    list_.flush(more=False)
    while wire.credit <= 0:
        wire.grant(5)
    assert flat(wire.sent) == flat(written)


def flat(elements: list[Element]) -> list[object]:
    """Values one by one; of adjacent watermarks the last."""
    out: list[object] = []
    for element in elements:
        if isinstance(element, RowBatch):
            out += element.values
        elif isinstance(element, Watermark) and out and isinstance(out[-1], Watermark):
            out[-1] = element
        else:
            out.append(element)
    return out
