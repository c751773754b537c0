"""Law 10.1: records are counted as the barrier passes each channel. Law 10.3: totals begin with what was restored."""

import pytest

from millstream_dataflow.identity import ChannelId, CheckpointId, EdgeId, OperatorId
from millstream_runtime.messages.snapshots import AuditCounts, ChannelCount, OperatorCount
from millstream_taskmanager.task.snapshot import SnapshotLedger

IN = tuple(ChannelId(EdgeId(0), number, 0) for number in range(2))
OUT = ChannelId(EdgeId(1), 0, 0)


def passed(*numbers: int) -> tuple[ChannelCount, ...]:
    return tuple(ChannelCount(channel, number) for channel, number in zip(IN, numbers, strict=True))


def test_each_channel_at_its_own_moment() -> None:
    """Without alignment a channel goes on between its barrier and the cut."""
    ledger = SnapshotLedger(IN)
    ledger.passes(CheckpointId(1), 0, 5)
    ledger.passes(CheckpointId(2), 0, 9)
    ledger.passes(CheckpointId(1), 1, 7)
    assert ledger.counts(CheckpointId(1), [11, 7], [(OUT, 18)], {}) == AuditCounts(
        (ChannelCount(OUT, 18),), passed(5, 7)
    )
    ledger.passes(CheckpointId(2), 1, 8)
    assert ledger.counts(CheckpointId(2), [12, 8], [], {}).received == passed(9, 8)


def test_an_ended_channel_counts_as_it_is() -> None:
    ledger = SnapshotLedger(IN)
    ledger.passes(CheckpointId(1), 1, 7)
    assert ledger.counts(CheckpointId(1), [11, 7], [], {}).received == passed(11, 7)


@pytest.mark.parametrize("older_too", [False, True])
def test_what_was_given_up_is_forgotten(*, older_too: bool) -> None:
    ledger = SnapshotLedger(IN)
    ledger.passes(CheckpointId(1), 0, 5)
    ledger.passes(CheckpointId(2), 0, 6)
    ledger.forget(CheckpointId(2), older_too=older_too)
    first, second = (ledger.counts(CheckpointId(number), [9, 9], [], {}).received for number in (1, 2))
    assert second == passed(9, 9), "as if no barrier of it had come"
    assert first == (passed(9, 9) if older_too else passed(5, 9))


def test_totals_begin_with_what_was_restored() -> None:
    """Law 10.3, for operators that have counted since and those that haven't."""
    one, other, new = map(OperatorId, ("one", "other", "new"))
    base = {one: OperatorCount(one, received=5, processed=4, late=1), other: OperatorCount(other, received=3)}
    ledger = SnapshotLedger(IN, base)
    since = {one: OperatorCount(one, received=2, processed=2), new: OperatorCount(new, received=1)}
    assert ledger.counts(CheckpointId(1), [0, 0], [], since).operators == (
        OperatorCount(new, received=1),
        OperatorCount(one, received=7, processed=6, late=1),
        OperatorCount(other, received=3),
    )
