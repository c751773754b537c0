"""Law 4.1, unaligned: when a cut is due that waits for no records, and what belongs to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier, SnapshotKind
from millstream_taskmanager.task.alignment import (
    Alignment,
    Block,
    Decline,
    Forget,
    Guarantee,
    TakeSnapshot,
    Unblock,
)

ONE, TWO = CheckpointId(1), CheckpointId(2)
ALIGNED, UNALIGNED = Barrier(ONE), Barrier(ONE, unaligned=True)


def alignment(channels: int = 3, *in_order: int, leader_present: bool = True) -> Alignment:
    return Alignment(channels, Guarantee.EXACTLY_ONCE, in_order=in_order, leader_present=leader_present)


def test_one_barrier_anywhere_is_enough() -> None:
    one = alignment()
    assert one.announced(1, UNALIGNED)
    assert one.due
    assert one.overtake() == [TakeSnapshot(UNALIGNED, (0, 1, 2))]
    assert one.passed == ONE
    assert not one.due
    assert one.overtake() == []
    assert not one.announced(0, UNALIGNED), "it is over"
    assert one.barrier(1, UNALIGNED) == [], "which had been overtaken"


def test_an_aligned_one_is_not_due_until_all_are_taken() -> None:
    one = alignment(2)
    assert one.announced(0, ALIGNED)
    assert one.announced(1, ALIGNED)
    assert not one.due
    assert one.barrier(0, ALIGNED) == [Block(0)]
    assert one.barrier(1, ALIGNED) == [TakeSnapshot(ALIGNED), Unblock((0,))]


def test_one_that_takes_too_long_turns() -> None:
    one = alignment()
    one.announced(0, ALIGNED)
    assert one.barrier(0, ALIGNED) == [Block(0)]
    one.announced(1, ALIGNED)
    one.turn(ONE)
    assert one.overtake() == [TakeSnapshot(UNALIGNED, (1, 2)), Unblock((0,))], "0 has delivered its own: nothing there"


def test_channels_in_order_are_waited_for() -> None:
    one = alignment(3, 1)
    one.announced(0, UNALIGNED)
    assert not one.due
    one.announced(1, UNALIGNED)
    assert not one.due, "it stands behind records that it may not overtake"
    assert one.barrier(0, UNALIGNED) == [Block(0)], "what is behind it doesn't belong to the checkpoint"
    assert one.barrier(1, UNALIGNED) == [TakeSnapshot(UNALIGNED, (2,)), Unblock((0,))]


def test_a_channel_in_order_that_ends_is_not_waited_for() -> None:
    one = alignment(2, 1)
    one.announced(0, UNALIGNED)
    assert one.end(1) == [TakeSnapshot(UNALIGNED, (0,))]


def test_what_is_given_up_is_not_due_any_more() -> None:
    one = alignment()
    one.announced(0, UNALIGNED)
    assert one.abort(ONE) == [Forget(ONE)]
    assert not one.due
    assert not one.announced(1, UNALIGNED)
    assert not one.wants(ONE)
    assert one.wants(TWO)


def test_without_a_leader_nothing_is_kept_for_barriers_that_may_never_come() -> None:
    one = alignment(2, leader_present=False)
    one.announced(0, UNALIGNED)
    assert [type(decision) for decision in one.overtake()] == [Forget, Decline]
    other = alignment(2, leader_present=False)
    other.announced(0, UNALIGNED)
    other.announced(1, UNALIGNED)
    assert other.overtake() == [TakeSnapshot(UNALIGNED, (0, 1))], "both barriers are here"


def test_a_higher_one_gives_the_lower_up() -> None:
    one = alignment(2)
    one.announced(0, ALIGNED)
    one.announced(1, Barrier(TWO, unaligned=True))
    first, *rest = one.overtake()
    assert first == Forget(ONE)
    assert [type(decision) for decision in rest] == [Decline, TakeSnapshot]


def test_at_least_once_has_nothing_to_overtake() -> None:
    one = Alignment(2, Guarantee.AT_LEAST_ONCE)
    assert not one.announced(0, UNALIGNED)
    assert not one.due


@given(st.permutations(range(4)), st.sets(st.integers(0, 3)), st.integers(0, 4))
def test_every_record_belongs_to_exactly_one_side(order: list[int], in_order: set[int], turned_at: int) -> None:
    """Channels bring their barriers in some order, each first announced, then taken; at some moment it turns. There
    is one cut, and exactly the channels whose barrier wasn't taken are overtaken.
    """
    one = alignment(4, *in_order)
    cuts: list[TakeSnapshot] = []
    taken = set[int]()
    for number, channel in enumerate(order):
        if number == turned_at:
            one.turn(ONE)
        one.announced(channel, ALIGNED)
        decisions = one.overtake()
        if not any(isinstance(decision, TakeSnapshot) for decision in decisions) and one.wants(ONE):
            decisions = one.barrier(channel, ALIGNED)
            taken.add(channel)
        cuts += [decision for decision in decisions if isinstance(decision, TakeSnapshot)]
    assert len(cuts) == 1
    assert set(cuts[0].overtaken) == set(range(4)) - taken
    assert in_order <= taken


@pytest.mark.parametrize("kind", [SnapshotKind.SAVEPOINT, SnapshotKind.FINAL])
def test_a_task_that_is_triggered_cuts_at_once(kind: SnapshotKind) -> None:
    one = Alignment(0, Guarantee.EXACTLY_ONCE)
    assert one.trigger(Barrier(ONE, kind)) == [TakeSnapshot(Barrier(ONE, kind))]
