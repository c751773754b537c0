"""Law 9.1: credits are bytes; both ends of several channels, with everything under way, in any order."""

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.exchange.credits import (
    FIRST_TURN,
    NO_LIMIT,
    ByteCredits,
    CreditedEnd,
    ExplicitCredits,
    Grant,
)
from millstream_taskmanager.exchange.errors import ExchangeError

WINDOW, FLOATING, FRAME, CHANNELS = 10_000, 25_000, 17_000, 3


class Pair:
    """Senders and a receiver with wires between them."""

    def __init__(self) -> None:
        self.senders = [CreditedEnd(WINDOW) for _ in range(CHANNELS)]
        self.receiver = ByteCredits(CHANNELS, WINDOW, FLOATING)
        self.frames = [deque[tuple[int, bool]]() for _ in range(CHANNELS)]
        self.grants = [deque[int]() for _ in range(CHANNELS)]
        self.queues = [deque[int]() for _ in range(CHANNELS)]
        self.blocked = set[int]()

    def do(self, what: str, channel: int, size: int) -> None:
        """One event, if it is possible now."""
        match what:
            case "send" if self.senders[channel].credit > 0:
                self.senders[channel].spend(size)
                self.frames[channel].append((size, self.senders[channel].credit <= 0))
            case "deliver" if self.frames[channel]:
                size, backlog = self.frames[channel].popleft()
                self.queues[channel].append(size)
                self.granted(self.receiver.received(channel, size, backlog=backlog))
            case "take" if self.queues[channel] and channel not in self.blocked:
                self.granted(self.receiver.taken(channel, self.queues[channel].popleft()))
            case "grant" if self.grants[channel]:
                self.senders[channel].grant(self.grants[channel].popleft())
            case "block" if channel not in self.blocked:
                self.blocked.add(channel)
                self.receiver.block(channel)
            case "unblock" if channel in self.blocked:
                self.blocked.discard(channel)
                self.granted(self.receiver.unblock(channel))
            case "pace":
                self.granted(self.receiver.pace(channel, size))
            case _:
                pass
        if not any(queue for number, queue in enumerate(self.queues) if number not in self.blocked):
            self.granted(self.receiver.dry())

    def granted(self, grants: Sequence[Grant]) -> None:
        """Grants go on the wire."""
        for channel, size in grants:
            assert size > 0
            self.grants[channel].append(size)

    def check(self) -> None:
        """The sum is conserved, and nobody is overdrawn by a frame."""
        assert self.receiver.free >= 0
        assert self.receiver.free + sum(map(self.receiver.lent, range(CHANNELS))) == FLOATING
        for channel in range(CHANNELS):
            under_way = sum(size for size, _ in self.frames[channel]) + sum(self.grants[channel])
            held = sum(self.queues[channel]) + self.receiver.owed(channel)
            lent = self.receiver.lent(channel)
            assert lent >= 0
            assert self.senders[channel].credit + under_way + held == WINDOW + lent
            assert self.senders[channel].credit > -FRAME

    def drain(self) -> None:
        """Everything arrives and is taken."""
        for channel in self.blocked.copy():
            self.do("unblock", channel, 0)
        for _ in range(100):
            for what in ("deliver", "take", "grant"):
                for channel in range(CHANNELS):
                    self.do(what, channel, 0)


EVENTS = st.tuples(
    st.sampled_from(["send", "send", "send", "deliver", "deliver", "take", "grant", "block", "unblock", "pace"]),
    st.integers(0, CHANNELS - 1),
    st.integers(1, FRAME),
)


@given(st.lists(EVENTS, max_size=120))
def test_conserved(events: list[tuple[str, int, int]]) -> None:
    pair = Pair()
    for event in events:
        pair.do(*event)
        pair.check()
    pair.drain()
    pair.check()
    # When all is taken, everybody can send.
    assert all(sender.credit > 0 for sender in pair.senders)


@given(st.lists(EVENTS, max_size=120), st.integers(0, CHANNELS - 1))
def test_nothing_is_lent_to_a_blocked_channel(events: list[tuple[str, int, int]], channel: int) -> None:
    pair = Pair()
    for event in events:
        pair.do(*event)
    pair.do("block", channel, 0)
    lent = pair.receiver.lent(channel)
    for event in events:
        if event[0] != "unblock":
            pair.do(*event)
        assert pair.receiver.lent(channel) <= lent


def test_a_fast_channel_gets_a_loan_but_not_while_it_is_blocked() -> None:
    """Law 9.1, where nothing else would hinder the loan."""
    pair = Pair()
    pair.do("pace", 0, NO_LIMIT)
    pair.do("send", 0, FRAME)
    pair.do("block", 0, 0)
    pair.do("deliver", 0, 0)
    assert pair.receiver.lent(0) == 0
    pair.do("unblock", 0, 0)
    assert pair.receiver.lent(0) > 0


@given(st.lists(EVENTS, max_size=120), st.integers(1, 5_000), st.lists(EVENTS, max_size=120))
def test_no_channel_has_more_under_way_than_its_task_asks_for(
    before: list[tuple[str, int, int]], turn: int, after: list[tuple[str, int, int]]
) -> None:
    pair = Pair()
    for event in before:
        pair.do(*event)
    for channel in range(CHANNELS):
        pair.do("pace", channel, turn)
    pair.drain()
    for event in after:
        if event[0] != "pace":
            pair.do(*event)
            pair.check()
    pair.drain()
    for channel, sender in enumerate(pair.senders):  # what was granted before isn't taken back
        pair.do("send", channel, sender.credit)
    pair.drain()
    most = min(4 * turn, WINDOW)
    for sender in pair.senders:
        assert 0 < sender.credit <= most + most // 2


def test_a_slow_task_gets_no_loan() -> None:
    credits_ = ByteCredits(1, 10_000, 100_000)
    credits_.pace(0, 100)
    credits_.received(0, 8_000, backlog=True)
    assert credits_.lent(0) == 0
    assert sum(size for _, size in credits_.pace(0, NO_LIMIT)) > 0, "it is backlogged, and needn't say so again"
    assert credits_.lent(0) > 0


def test_a_channel_starts_small() -> None:
    assert CreditedEnd(1 << 20).credit == 4 * FIRST_TURN
    credits_ = ByteCredits(2, 1 << 20, 0)
    for channel in (0, 1):
        assert list(credits_.pace(channel, NO_LIMIT)) == [(channel, (1 << 20) - 4 * FIRST_TURN)]


def test_returned_in_lots_of_half_a_window() -> None:
    credits_ = ByteCredits(1, 100, 0)
    credits_.received(0, 90, backlog=False)
    assert list(credits_.taken(0, 30)) == []
    assert list(credits_.taken(0, 30)) == [(0, 60)]
    assert list(credits_.taken(0, 30)) == []
    assert list(credits_.dry()) == [(0, 30)]
    assert list(credits_.dry()) == []


def test_lent_only_to_who_is_behind() -> None:
    credits_ = ByteCredits(2, 100, 150)
    assert list(credits_.received(0, 120, backlog=False)) == []
    # Up to a full window.
    assert list(credits_.received(1, 50, backlog=True)) == [(1, 50)]
    # Larger frames: up to two of them, or what is left of the pool.
    assert list(credits_.received(1, 100, backlog=True)) == [(1, 100)]
    assert credits_.free == 0
    # Taken bytes refill the pool, which serves who waits.
    credits_.received(0, 1, backlog=True)
    assert list(credits_.taken(1, 120)) == [(0, 120)]


def test_a_channel_of_large_frames_is_lent_two_of_them() -> None:
    """While one is worked on, the next is on its way."""
    credits_ = ByteCredits(1, 100, 10_000)
    credits_.pace(0, NO_LIMIT)
    assert list(credits_.received(0, 300, backlog=True)) == [(0, 800)], "200 that were overdrawn, and twice 300"


def test_who_waits_longest_is_served_first() -> None:
    credits_ = ByteCredits(3, 100, 100)
    credits_.received(0, 100, backlog=True)
    credits_.received(1, 100, backlog=True)
    credits_.received(2, 100, backlog=True)
    assert list(credits_.taken(0, 100)) == [(1, 100)]


def test_whose_loan_was_too_small_to_send_stays_in_line() -> None:
    """It can't say again that it needs more."""
    credits_ = ByteCredits(2, 100, 150)
    assert list(credits_.received(0, 50, backlog=True)) == [(0, 50)]
    assert list(credits_.received(1, 300, backlog=True)) == [(1, 100)], "all that is left, of 200 that were overdrawn"
    assert list(credits_.taken(0, 50)) == [(1, 50)]


def test_sending_without_credit_is_an_error() -> None:
    credit = CreditedEnd(10)
    credit.spend(50)
    with pytest.raises(ExchangeError, match="credit of -40"):
        credit.spend(1)


def test_explicit_credits_return_nothing() -> None:
    credits_ = ExplicitCredits()
    credits_.block(0)
    assert [*credits_.received(0, 1, backlog=True), *credits_.taken(0, 1), *credits_.dry()] == []
    assert [*credits_.unblock(0)] == []
