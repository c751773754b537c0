"""Data connections between workers over real sockets: elements arrive in order, credit holds, strangers are closed,
every loss is named.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import (
    Barrier,
    ColumnBatch,
    Control,
    Element,
    End,
    EndOfData,
    EndReason,
    NoSplitNow,
    RowBatch,
    StreamStatus,
    Watermark,
)
from millstream_dataflow.types import Types
from millstream_taskmanager.exchange.codecs.batches import ChannelCodec
from millstream_taskmanager.exchange.credits import ExplicitCredits
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import HEADER, NO_CHANNEL, Kind, pack_header
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.output import SplitOutput
from millstream_taskmanager.exchange.peers import PeerSettings
from millstream_taskmanager.exchange.pending import FlushRules, PendingList
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.wire import (
    DataPort,
    WireLoop,
    WireWorker,
    channel,
    deployment,
    drain,
    values,
    worker,
)
from tests.unit.taskmanager.exchange.wires import begin, collect, send

# ------------------------------------------------------------------------------------------- what flows

STORY: list[RowBatch | ColumnBatch | Control] = [
    RowBatch(["a", 1, None], [5, 6, 7]),
    Watermark(7),
    StreamStatus(idle=True),
    RowBatch([("b", 2.5)]),
    Barrier(CheckpointId(9)),
    NoSplitNow(),
    EndOfData(EndReason.DRAIN),
    End(),
]


def test_elements_arrive_in_order_both_ways(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, back = one.writer(worker(1)), other.writer(worker(0), channel(1))
    gate, home = other.gate(worker(0)), one.gate(worker(1), channel(1))
    begin(one, other)
    send(out, *STORY)
    send(back, *STORY)
    assert collect(loop, gate, lambda found: len(found) == len(STORY)) == STORY
    assert collect(loop, home, lambda found: len(found) == len(STORY)) == STORY
    assert (gate.records, out.records) == ([4], 4)


def test_what_is_sent_before_the_peer_listens_arrives(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    one.begin()
    send(out, RowBatch(["early"]), Barrier(CheckpointId(1)))
    for _ in range(5):
        loop.turn()
    other.begin()
    assert collect(loop, gate, lambda found: len(found) == 2) == [RowBatch(["early"]), Barrier(CheckpointId(1))]


def test_a_socket_file_is_for_its_owner_alone_and_goes_with_him(pair: tuple[WireWorker, WireWorker]) -> None:
    one, _ = pair
    one.begin()
    assert Path(one.socket_path).stat().st_mode & 0o777 == 0o600
    one.peers.close()
    assert not Path(one.socket_path).exists()


def test_a_socket_that_can_not_be_made_is_named(pair: tuple[WireWorker, WireWorker]) -> None:
    with pytest.raises(ExchangeError, match=r"can't listen on /nowhere/x\.sock"):
        pair[0].peers.listen("/nowhere/x.sock")


def test_workers_of_two_machines_meet_through_the_data_port(loop: WireLoop, tmp_path: Path) -> None:
    port = DataPort(loop)
    region = deployment(tmp_path, machines=["a", "b"], ports=[0, port.port])
    one, other = WireWorker(loop, region, 0), WireWorker(loop, region, 1)
    port.workers[worker(1)] = other.peers
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(one, other)
    batch = ColumnBatch(pa.record_batch({"n": np.arange(100_000)}), np.arange(100_000))
    send(out, batch, Watermark(1))
    arrived = collect(loop, gate, lambda found: len(found) == 2)
    assert isinstance(arrived[0], ColumnBatch)
    assert arrived[0].columns.equals(batch.columns)
    port.close()


def test_a_data_port_that_has_no_such_worker_yet_is_tried_again(loop: WireLoop, tmp_path: Path) -> None:
    port = DataPort(loop)
    region = deployment(tmp_path, machines=["a", "b"], ports=[0, port.port])
    one, other = WireWorker(loop, region, 0), WireWorker(loop, region, 1)
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(one, other)
    send(out, RowBatch([1]))
    for _ in range(5):
        loop.turn()
    port.workers[worker(1)] = other.peers
    assert collect(loop, gate, len) == [RowBatch([1])]
    port.close()


def test_many_workers_have_one_connection_per_pair(loop: WireLoop, tmp_path: Path) -> None:
    count = 5
    region = deployment(tmp_path, count)
    workers = [WireWorker(loop, region, ordinal) for ordinal in range(count)]
    writers: list[PendingList] = []
    gates: list[Gate] = []
    for target, one in enumerate(workers):
        for source, other in enumerate(workers):
            if source != target:
                writers.append(other.writer(worker(target), channel(0, source, target)))
                gates.append(one.gate(worker(source), channel(0, source, target)))
    begin(*workers)
    for writer in writers:
        send(writer, RowBatch([str(writer.id)]), End())
    received: list[Element] = []

    def take() -> bool:
        for gate in gates:
            received.extend(drain(gate))
        return len(received) == 2 * len(gates)

    loop.until(take)
    assert sorted(values(received)) == sorted(str(gate.channels[0]) for gate in gates)
    assert len(loop.poller._readers) == count + count * (count - 1)  # listeners, and both ends of each pair


# ----------------------------------------------------------------------------------------------- credit

STRING = ChannelCodec(Types.STRING(), "Map at program.py:7")


def test_a_slow_reader_holds_its_sender_and_nobody_else(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    slow, quick = one.writer(worker(1), channel(0)), one.writer(worker(1), channel(1))
    slow_gate = other.gate(worker(0), channel(0), floating=10_000)
    quick_gate = other.gate(worker(0), channel(1))
    begin(one, other)
    sent = 0
    for turn in range(300):
        if slow.writable:
            send(slow, RowBatch(["x" * 1_000]))
            sent += 1
        loop.turn(0.0005 if turn else 0.05)
    assert not slow.writable
    assert 64 <= sent <= 64 + 10 + 2, "the window, the pool, a frame more"
    send(quick, RowBatch(["through"]))
    assert collect(loop, quick_gate, len) == [RowBatch(["through"])]
    assert len(collect(loop, slow_gate, lambda found: len(found) == sent)) == sent
    loop.until(lambda: slow.writable)


def test_a_barrier_passes_as_soon_as_the_data_before_it_is_taken(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker]
) -> None:
    """A full channel: the barrier needs no credit, and waits for no more than what stands before it."""
    one, other = pair
    out, gate = one.writer(worker(1), window=1_000), other.gate(worker(0), window=1_000, floating=0)
    begin(one, other)
    send(out, RowBatch(["x" * 2_000]))
    assert not out.writable
    send(out, Barrier(CheckpointId(4)))
    assert collect(loop, gate, lambda found: len(found) == 2)[1] == Barrier(CheckpointId(4))


def test_what_waits_for_credit_goes_out_when_it_comes(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, gate = one.writer(worker(1), window=1_000), other.gate(worker(0), window=1_000, floating=0)
    begin(one, other)
    send(out, *(RowBatch([f"{number}" + "x" * 600]) for number in range(20)), Watermark(3))
    found = collect(loop, gate, lambda found: Watermark(3) in found)
    assert [value.rstrip("x") for value in values(found)] == [str(number) for number in range(20)]


def test_watermarks_melt_while_the_connection_takes_nothing(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker]
) -> None:
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    for time in range(10_000):
        send(out, Watermark(time))
    send(out, StreamStatus(idle=True), StreamStatus(idle=False), Barrier(CheckpointId(1)), Watermark(10_001))
    begin(one, other)
    assert collect(loop, gate, lambda found: Watermark(10_001) in found) == [
        Watermark(9_999),
        StreamStatus(idle=False),
        Barrier(CheckpointId(1)),
        Watermark(10_001),
    ]


def test_no_watermark_melts_past_a_barrier(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    """Law 4.1, before the connection is there."""
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    story: list[Control] = [Watermark(1), Barrier(CheckpointId(1)), Watermark(2)]
    send(out, *story)
    begin(one, other)
    assert collect(loop, gate, lambda found: Watermark(2) in found) == story


def test_a_record_that_does_not_fit_fails_its_task_even_when_it_is_sent_by_a_grant(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker]
) -> None:
    one, other = pair
    out = one.writer(worker(1), window=1_000, codec=STRING)
    gate = other.gate(worker(0), window=1_000, floating=0, codec=STRING)
    begin(one, other)
    send(out, RowBatch(["x" * 2_000]))
    send(out, RowBatch([17]))
    assert one.errors == []
    collect(loop, gate, len)
    loop.until(lambda: one.errors)
    [error] = one.errors
    assert isinstance(error, UserCodeError)
    assert (error.operator, error.record) == ("Map at program.py:7", "17")
    assert one.losses == other.losses == []


def test_splits_are_counted_not_weighed(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    codec = replace(STRING, type=None, splits=True)
    output = SplitOutput(channel().edge, [one.writer(worker(1), window=0, codec=codec)])
    gate = other.gate(worker(0), credit=ExplicitCredits(), codec=codec)
    begin(one, other)
    assert output.give("too early", 0) is None
    gate.grant(0, 2)
    loop.until(lambda: output.writable)
    assert [output.give("f" * 10_000, 0), output.give("second", 0), output.give("third", 0)] == [0, 0, None]
    assert values(collect(loop, gate, lambda found: len(found) == 2)) == ["f" * 10_000, "second"]


# ------------------------------------------------------------------------------------------------ losses


def connected(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> tuple[PendingList, Gate]:
    """One channel that has carried something."""
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(one, other)
    send(out, RowBatch([0]))
    collect(loop, gate, len)
    return out, gate


def test_a_connection_that_closes_is_a_loss_told_once(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, _ = connected(loop, pair)
    other.peers.close()
    loop.until(lambda: one.losses)
    send(out, RowBatch([1]), Watermark(4))
    for _ in range(3):
        loop.turn()
    [loss] = one.losses
    assert str(loss) == f"lost worker {worker(1)} on TaskManager taskmanager-1: it closed the connection"


def test_a_connection_whose_channels_have_ended_may_close(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, gate = connected(loop, pair)
    send(out, EndOfData(EndReason.INPUT), End())
    collect(loop, gate, lambda found: End() in found)
    other.peers.close()
    loop.until(lambda: len(loop.poller._readers) == 1)  # what is left is the first one's listener
    assert one.losses == other.losses == []


def test_the_last_frames_of_a_worker_that_closes_arrive(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, gate = connected(loop, pair)
    send(out, RowBatch(["last"]), End())
    one.peers.close()
    assert collect(loop, gate, lambda found: End() in found) == [RowBatch(["last"]), End()]
    for _ in range(3):
        loop.turn()
    assert other.losses == []


def test_a_silent_taskmanager_is_dropped_by_name(loop: WireLoop, tmp_path: Path) -> None:
    region = deployment(tmp_path, 3)
    first, second, third = (WireWorker(loop, region, ordinal) for ordinal in range(3))
    first.writer(worker(1))
    second.gate(worker(0))
    kept, gate = first.writer(worker(2), channel(1)), third.gate(worker(0), channel(1))
    begin(first, second, third)
    send(kept, RowBatch([0]))
    collect(loop, gate, len)
    first.peers.drop(region.workers[1].taskmanager, "it has been silent for 15 s")
    assert [(loss.worker, loss.reason) for loss in first.losses] == [(worker(1), "it has been silent for 15 s")]
    loop.until(lambda: second.losses)
    send(kept, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]


BROKEN: dict[str, tuple[bytes, str]] = {
    "a frame was lost": (pack_header(Kind.WATERMARK, 0, (0, 0, 0), 2, 8) + bytes(8), "frames were lost on the way"),
    "a frame came twice": (pack_header(Kind.WATERMARK, 0, (0, 0, 0), 0, 8) + bytes(8), "frames were repeated"),
    "an unknown channel": (pack_header(Kind.END, 0, (7, 1, 2), 0, 0), "END frame came for edge 7: 1 -> 2"),
    "an unknown kind": (HEADER.pack(0, 99, 0, 0, 0, 0, 0), "unknown kind 99"),
    "a length of 4 GiB": (HEADER.pack(0xFFFFFFFF, Kind.ROWS, 0, 0, 0, 0, 1), "4294967295 bytes was announced"),
    "a control that says nothing": (pack_header(Kind.STATUS, 0, (0, 0, 0), 1, 1) + b"\x07", "says nothing"),
    "credit for a channel of the other way": (
        pack_header(Kind.CREDIT, 0, NO_CHANNEL, 0, 24) + bytes(24),
        "CREDIT frame came for edge 0: 0 -> 0, which the two don't share that way",
    ),
    "credits were lost": (pack_header(Kind.CREDIT, 0, NO_CHANNEL, 3, 0), "credits: frame 3"),
    "another handshake": (pack_header(Kind.HELLO, 0, NO_CHANNEL, 1, 3) + b"abc", "HELLO frame"),
}


@pytest.mark.parametrize(("frame", "words"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_ends_the_connection_and_is_named_at_both_ends(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker], frame: bytes, words: str
) -> None:
    one, other = pair
    connected(loop, pair)
    one.peers._links[worker(1)].post(frame)
    loop.until(lambda: one.losses and other.losses)
    assert [(loss.worker, words in loss.reason) for loss in other.losses] == [(worker(0), True)], other.losses
    assert [loss.worker for loss in one.losses] == [worker(1)]


def test_a_connection_that_is_cut_in_the_middle_of_a_frame_says_so(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker]
) -> None:
    one, other = pair
    connected(loop, pair)
    one.peers._links[worker(1)].post(pack_header(Kind.ROWS, 8, (0, 0, 0), 1, 100_000) + bytes(50_000))
    for _ in range(3):
        loop.turn()
    one.peers.close()
    loop.until(lambda: other.losses)
    assert other.losses[0].reason == "it closed the connection in the middle of a frame"


def test_frames_over_the_limit_are_never_sent(loop: WireLoop, tmp_path: Path) -> None:
    settings = replace(PeerSettings(), max_frame=100_000)
    region = deployment(tmp_path)
    one, other = (WireWorker(loop, region, ordinal, settings) for ordinal in range(2))
    out = one.writer(worker(1), window=1 << 20, rules=FlushRules(1 << 20, 1 << 30, 100))
    gate = other.gate(worker(0), window=1 << 20)
    begin(one, other)
    sent = [f"{number}" * 100 for number in range(3_000)]
    send(out, RowBatch(sent), Watermark(1))
    found = collect(loop, gate, lambda found: Watermark(1) in found)
    assert values(found) == sent
    assert len(found) > 5
