"""Law 4.2: whatever the order in which barriers, aborts and losses of the leader come."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier
from millstream_taskmanager.task.alignment import (
    Alignment,
    Block,
    Decision,
    Decline,
    Forget,
    Guarantee,
    TakeSnapshot,
    Unblock,
)
from millstream_taskmanager.task.protocol import ProtocolError

CHANNELS = 3
RECORD = 0


@dataclass
class Bench:
    """A task between channels that hold records (0) and barriers (their ids), each channel with every barrier once."""

    channels: list[deque[int]]
    guarantee: Guarantee
    alignment: Alignment = field(init=False)
    blocked: set[int] = field(default_factory=set[int])
    taken: list[list[int]] = field(init=False)
    cuts: dict[int, list[list[int]]] = field(default_factory=dict[int, list[list[int]]])
    declined: set[int] = field(default_factory=set[int])
    aborted: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        self.alignment = Alignment(len(self.channels), self.guarantee)
        self.taken = [[] for _ in self.channels]

    def take(self, channel: int) -> None:
        """The task takes what stands at the head of a channel, if it may."""
        if channel in self.blocked or not self.channels[channel]:
            return
        element = self.channels[channel].popleft()
        self.taken[channel].append(element)
        if element != RECORD:
            self.obey(self.alignment.barrier(channel, Barrier(CheckpointId(element))))

    def obey(self, decisions: list[Decision]) -> None:
        """Do what was decided, and judge it."""
        for decision in decisions:
            match decision:
                case Block(channel):
                    assert self.guarantee is Guarantee.EXACTLY_ONCE
                    self.blocked.add(channel)
                case Unblock(channels):
                    assert self.blocked.issuperset(channels)
                    self.blocked.difference_update(channels)
                case TakeSnapshot(barrier):
                    assert barrier.checkpoint > max(self.cuts, default=0)
                    assert barrier.checkpoint not in self.declined | self.aborted
                    self.cuts[barrier.checkpoint] = [list(taken) for taken in self.taken]
                case Decline(checkpoint):
                    assert checkpoint not in self.cuts
                    self.declined.add(checkpoint)
                case Forget():
                    pass

    def abort(self, checkpoint: int) -> None:
        """The coordinator gives up one checkpoint."""
        self.aborted.add(checkpoint)
        self.obey(self.alignment.abort(CheckpointId(checkpoint)))


CONTENTS = st.lists(st.integers(0, 2), min_size=CHANNELS * 4, max_size=CHANNELS * 4).map(
    lambda gaps: [
        deque(element for number in range(4) for element in [RECORD] * gaps[channel * 4 + number] + [number + 1])
        for channel in range(CHANNELS)
    ]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, CHANNELS - 1)),
        st.tuples(st.just("take"), st.integers(0, CHANNELS - 1)),
        st.tuples(st.just("abort"), st.integers(1, 4)),
        st.tuples(st.just("leader"), st.integers(0, 1)),
    ),
    max_size=60,
)


@given(CONTENTS, EVENTS, st.sampled_from(Guarantee))
def test_cuts(contents: list[deque[int]], events: list[tuple[str, int]], guarantee: Guarantee) -> None:
    bench = Bench(contents, guarantee)
    for what, argument in events:
        match what:
            case "take":
                bench.take(argument)
            case "abort":
                bench.abort(argument)
            case _:
                bench.obey(bench.alignment.leader(present=bool(argument)))
    bench.obey(bench.alignment.leader(present=True))
    for _ in range(20 * CHANNELS):
        for channel in range(CHANNELS):
            bench.take(channel)
    # Nobody is left waiting, everything is taken, and every barrier has had its answer.
    assert not bench.blocked
    assert not any(bench.channels)
    for number in range(1, 5):
        assert number in bench.cuts or number in bench.declined | bench.aborted
    for number, cut in bench.cuts.items():
        for before in cut:
            assert number in before
            if guarantee is Guarantee.EXACTLY_ONCE:
                assert before[-1] == number, "something behind the barrier got into the snapshot"


@given(CONTENTS, st.lists(st.integers(0, CHANNELS - 1), max_size=60), st.sampled_from(Guarantee))
def test_undisturbed_every_checkpoint_is_taken(
    contents: list[deque[int]], order: list[int], guarantee: Guarantee
) -> None:
    bench = Bench(contents, guarantee)
    for channel in order + [*range(CHANNELS)] * 60:
        bench.take(channel)
    assert sorted(bench.cuts) == [1, 2, 3, 4]
    assert not bench.declined


def test_the_set_of_aborted_ids_is_exact_and_does_not_grow_for_ever() -> None:
    alignment = Alignment(1, Guarantee.EXACTLY_ONCE)
    for number in (3, 5):
        alignment.abort(CheckpointId(number))
    assert alignment.given_up == {3, 5}
    assert alignment.barrier(0, Barrier(CheckpointId(4))) == [TakeSnapshot(Barrier(CheckpointId(4)))]
    assert alignment.given_up == {5}
    alignment.abort(CheckpointId(100), older_too=True)
    assert alignment.given_up == frozenset()
    assert alignment.barrier(0, Barrier(CheckpointId(99))) == []


def test_a_barrier_twice_by_one_channel_is_an_error() -> None:
    alignment = Alignment(2, Guarantee.AT_LEAST_ONCE)
    alignment.barrier(0, Barrier(CheckpointId(1)))
    with pytest.raises(ProtocolError, match="a second time"):
        alignment.barrier(0, Barrier(CheckpointId(1)))


def test_a_barrier_behind_the_end_is_an_error() -> None:
    alignment = Alignment(2, Guarantee.AT_LEAST_ONCE)
    alignment.end(0)
    with pytest.raises(ProtocolError, match="has ended"):
        alignment.barrier(0, Barrier(CheckpointId(1)))


def test_triggers_are_for_tasks_without_channels() -> None:
    with pytest.raises(ProtocolError, match="in band"):
        Alignment(1, Guarantee.EXACTLY_ONCE).trigger(Barrier(CheckpointId(1)))
