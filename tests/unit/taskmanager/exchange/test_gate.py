"""The gate: turns, blocked channels, and when credit returns."""

from math import inf

import pytest

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_dataflow.records import RowBatch, Watermark
from millstream_taskmanager.exchange.channel import LocalChannel
from millstream_taskmanager.exchange.credits import NO_LIMIT, ByteCredits
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.output import Output
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
    bench.send(0, 1, 2)
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
    output = Output(EdgeId(0), Forward(), pendings)
    output.emit(RowBatch(["x"] * 100), 0)
    bench.taken()
    bench.gate.pace(None)
    assert output.turn() == inf
