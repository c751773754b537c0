"""The gate: turns, blocked channels, and when credit returns."""

from math import inf

import pytest

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_dataflow.records import RowBatch, Watermark
from millstream_taskmanager.exchange.channel import LocalChannel
from millstream_taskmanager.exchange.credits import NO_LIMIT, ByteCredits
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.output import Output, Outputs
from millstream_taskmanager.exchange.partitioners import Forward
from millstream_taskmanager.exchange.pending import FlushRules, PendingList

WINDOW = 100


class Bench:
    """A gate with local channels; the last channel is of a second input."""

    def __init__(self, channels: int = 3, floating: int = 0) -> None:
        ids = [ChannelId(EdgeId(0), number, 0) for number in range(channels)]
        self.woken = 0
        inputs = [0] * (channels - 1) + [1]
        self.gate = Gate(ids, inputs, ByteCredits(channels, WINDOW, floating), self.wake)
        self.channels = [LocalChannel(id_, WINDOW, self.gate, number) for number, id_ in enumerate(ids)]
        for number, channel in enumerate(self.channels):
            self.gate.connect(number, channel)

    def wake(self) -> None:
        self.woken += 1

    def send(self, channel: int, *values: int, size: int = 10) -> None:
        self.channels[channel].send(RowBatch(list(values)), size, more=True)

    def taken(self) -> list[tuple[int, int, object]]:
        """All that can be taken, as (channel, input, values or control)."""
        out: list[tuple[int, int, object]] = []
        while (taken := self.gate.take()) is not None:
            element = taken.element.values if isinstance(taken.element, RowBatch) else taken.element
            out.append((taken.channel, taken.input, element))
        return out


def test_channels_take_turns_and_elements_carry_their_input() -> None:
    bench = Bench()
    for value in (1, 2):
        bench.send(0, value)
    bench.send(2, 3)
    bench.channels[2].send(Watermark(9), 0, more=False)
    assert bench.taken() == [(0, 0, [1]), (2, 1, [3]), (0, 0, [2]), (2, 1, Watermark(9))]
    assert bench.gate.records == [2, 0, 1]
    assert bench.woken == 2


def test_a_blocked_channel_keeps_its_queue() -> None:
    bench = Bench()
    bench.send(0, 1)
    bench.gate.block(0)
    bench.send(0, 2)
    bench.send(1, 3)
    assert bench.taken() == [(1, 0, [3])]
    assert bench.gate.blocked == {0}
    bench.gate.unblock([0])
    assert bench.taken() == [(0, 0, [1]), (0, 0, [2])]
    with pytest.raises(ExchangeError, match="doesn't block it"):
        bench.gate.unblock([0])


def test_credit_returns_when_the_gate_runs_dry() -> None:
    bench = Bench()
    bench.send(0, 1, size=20)
    bench.send(1, 1, size=20)
    bench.gate.take()
    assert bench.channels[0].credit == 80
    bench.gate.take()
    assert [channel.credit for channel in bench.channels] == [WINDOW] * 3


def test_credit_returns_when_nothing_but_blocked_channels_are_left() -> None:
    bench = Bench()
    bench.send(0, 1, size=20)
    bench.send(1, 1, size=20)
    bench.gate.take()
    bench.gate.block(1)
    assert bench.channels[0].credit == WINDOW


def test_a_sender_that_answers_credit_at_once_is_not_lost() -> None:
    """A local sender writes its next frame from within the grant, in the middle of `arrive`."""
    bench = Bench(channels=2, floating=200)
    sender = bench.channels[0]
    waiting = [2, 3]
    sender.when_credited(lambda: sender.send(RowBatch([waiting.pop(0)]), 50, more=bool(waiting)) if waiting else None)
    bench.send(0, 1, size=120)
    assert bench.taken() == [(0, 0, [1]), (0, 0, [2])]


def test_a_closed_gate_forgets() -> None:
    bench = Bench()
    bench.send(0, 1)
    bench.gate.close()
    bench.send(1, 2)
    assert not bench.gate.ready
    assert bench.taken() == []


def test_senders_hear_how_much_is_taken_at_a_turn() -> None:
    bench = Bench(channels=2)
    for channel in (0, 1):
        bench.send(channel, 1, 2)
    bench.taken()  # 5 bytes a record
    bench.gate.pace(40)
    assert [channel.turn for channel in bench.channels] == [100, 100]
    bench.gate.pace(44)  # about the same
    assert [channel.turn for channel in bench.channels] == [100, 100]
    bench.gate.pace(80)
    assert [channel.turn for channel in bench.channels] == [200, 200]
    bench.gate.pace(1)  # a record is sent in any case
    assert [channel.turn for channel in bench.channels] == [5, 5]
    bench.gate.pace(None)
    assert [channel.turn for channel in bench.channels] == [NO_LIMIT, NO_LIMIT]


def test_a_receiver_without_records_holds_no_sender_back() -> None:
    """Keys may be few: half of the channels never carry a record."""
    bench = Bench(channels=1)
    pendings = [
        PendingList(channel, FlushRules(8_192, 1 << 18, 100)) for channel in (bench.channels[0], Bench().channels[0])
    ]
    outputs = Outputs([Output(EdgeId(0), Forward(), pendings)], 100)
    outputs.emit(0, RowBatch(["x"] * 100), 0)
    outputs.flush()
    bench.taken()
    bench.gate.pace(10)
    assert outputs.room(100) == pytest.approx(10)
    bench.gate.pace(None)
    assert outputs.room(100) == inf


def test_small_and_large_rows_have_turns_of_their_own() -> None:
    """A join of clicks with documents: what the documents weigh says nothing of the clicks."""
    bench = Bench(channels=2)
    for _ in range(3):
        bench.send(0, 1, size=10)
        bench.send(1, 1, size=10_000)
        bench.taken()
        bench.gate.pace(100)
        assert [channel.turn for channel in bench.channels] == [500, 500_000]


def test_one_odd_batch_changes_little() -> None:
    bench = Bench(channels=1)
    for size in [10] * 10 + [100]:
        bench.send(0, 1, size=size)
        bench.taken()
    bench.gate.pace(100)
    assert bench.channels[0].turn in range(2_700, 2_801)


def test_an_input_without_records_is_told_of_no_turn() -> None:
    bench = Bench(channels=2)
    bench.send(0, 1)
    bench.taken()
    bench.gate.pace(4)
    assert [channel.turn for channel in bench.channels] == [20, None]


def test_each_receiver_has_its_share_of_what_comes_of_the_input() -> None:
    """A side output of a few records to a slow task: what goes to a fast one doesn't count there."""
    main, side = Bench(channels=1), Bench(channels=1)
    rules = FlushRules(8_192, 1 << 18, 100)
    outputs = Outputs(
        [Output(EdgeId(n), Forward(), [PendingList(one.channels[0], rules)]) for n, one in enumerate((main, side))], 100
    )
    room = inf
    for _ in range(20):
        outputs.emit(0, RowBatch(["x"] * 1_000), 0)
        outputs.emit(1, RowBatch(["x"] * 10), 0)
        outputs.flush()
        main.taken()
        side.taken()
        main.gate.pace(None)
        side.gate.pace(5)
        room = outputs.room(1_000)
    assert room == pytest.approx(500)
