"""When a snapshot is due, and which channels wait for it (law 4.2). Pure: barriers in, decisions out.

A barrier splits every channel into what belongs to the checkpoint and what doesn't. A task takes its snapshot when
the barrier has come by every channel. EXACTLY_ONCE holds the channels back that have delivered theirs, so nothing
behind the barrier gets into the state; AT_LEAST_ONCE doesn't, and counts the barriers of each checkpoint by itself.

A checkpoint is given up by command, not by a frame, which would stand behind the very data that is held back. So a
task keeps the exact set of ids that were aborted above the highest it has passed, and drops their barriers wherever
they turn up. It gives up by itself, and says so, when a higher barrier overtakes (its sender has heard of an abort
that is still on its way to us) and when its leader is lost: then nobody could abort, and an alignment could stand for
ever.

An **unaligned** checkpoint waits for no records: its cut is due as soon as one barrier stands anywhere in a queue
(`announced`). What the barriers overtake here belongs to it, by each channel up to the barrier, wherever that is. So it
waits for the channels alone on which no barrier may overtake (`dataflow/plan.py`: IN_ORDER). A checkpoint is so from
its beginning, or from the moment when its alignment has taken too long (`turn`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Barrier
from millstream_taskmanager.task.protocol import ProtocolError

_NONE = CheckpointId(0)  # ids begin at 1
_LEADERLESS = "there is no leader that could abort it"


class Guarantee(Enum):
    """How often the state may see a record after a restore."""

    EXACTLY_ONCE = "exactly once"
    AT_LEAST_ONCE = "at least once"


@dataclass(frozen=True, slots=True)
class Block:
    """Take nothing more from this channel."""

    channel: int


@dataclass(frozen=True, slots=True)
class Unblock:
    """Take from these channels again."""

    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Now is the cut: snapshot, and the barrier into every output."""

    barrier: Barrier
    overtaken: tuple[int, ...] = ()
    """Channels whose barrier hasn't been taken: what comes by them before it belongs to the checkpoint."""


@dataclass(frozen=True, slots=True)
class Forget:
    """What has been begun of this checkpoint is of no use any more."""

    checkpoint: CheckpointId
    older_too: bool = False


@dataclass(frozen=True, slots=True)
class Decline:
    """Tell the coordinator that this task gives its part up."""

    checkpoint: CheckpointId
    reason: str


Decision = Block | Unblock | TakeSnapshot | Forget | Decline


class Alignment:
    """The barriers of one task. `channels` is the number of its input channels; none: it takes triggers instead."""

    def __init__(
        self, channels: int, guarantee: Guarantee, *, in_order: Collection[int] = (), leader_present: bool = True
    ) -> None:
        """`in_order`: the channels on which no barrier overtakes."""
        self._channels = channels
        self._in_order = frozenset(in_order)
        self._blocks = guarantee is Guarantee.EXACTLY_ONCE
        self._leader_present = leader_present
        self._pending: dict[CheckpointId, _Pending] = {}
        self._ended = set[int]()
        self._passed = _NONE
        self._given_up = set[CheckpointId]()
        self._floor = _NONE

    @property
    def passed(self) -> CheckpointId:
        """The highest checkpoint whose cut has been made here; 0 before the first."""
        return self._passed

    @property
    def pending(self) -> tuple[CheckpointId, ...]:
        """Checkpoints of which some barriers are here, lowest first."""
        return tuple(sorted(self._pending))

    @property
    def given_up(self) -> frozenset[CheckpointId]:
        """Ids above `passed` whose barriers are dropped."""
        return frozenset(self._given_up)

    def keep_order(self) -> None:
        """From now on no barrier overtakes here."""
        self._in_order = frozenset(range(self._channels))

    def wants(self, checkpoint: CheckpointId) -> bool:
        """Whether its cut is still to be made here."""
        return not self._is_over(checkpoint)

    # ------------------------------------------------------------------------------------------------- barriers

    def announced(self, channel: int, barrier: Barrier) -> bool:
        """A barrier stands in a channel's queue. Gives whether it is of interest; `due` may have changed."""
        if self._is_over(barrier.checkpoint) or not self._blocks:
            return False
        pending = self._pending.setdefault(barrier.checkpoint, _Pending(barrier))
        pending.announced.add(channel)
        pending.unaligned |= barrier.unaligned
        return True

    def turn(self, checkpoint: CheckpointId) -> None:
        """Its alignment has taken too long: from here on it is unaligned. `due` may have changed."""
        if checkpoint in self._pending:
            self._pending[checkpoint].unaligned = True

    @property
    def due(self) -> bool:
        """Whether `overtake` has a cut to make."""
        return any(pending.unaligned and self._is_due(pending) for pending in self._pending.values())

    def overtake(self) -> list[Decision]:
        """Make the cut that is due, between two batches; if one is."""
        for checkpoint, pending in sorted(self._pending.items()):
            if pending.unaligned and self._is_due(pending):
                return self._cut(checkpoint, pending)
        return []

    def barrier(self, channel: int, barrier: Barrier) -> list[Decision]:
        """A barrier has come to the head of a channel."""
        if channel in self._ended:
            raise ProtocolError(f"channel {channel} has ended, and yet brings barrier {barrier.checkpoint}")
        if self._is_over(barrier.checkpoint):
            return []
        decisions = self._overtake(barrier.checkpoint) if self._blocks else []
        pending = self._pending.setdefault(barrier.checkpoint, _Pending(barrier))
        if channel in pending.delivered:
            raise ProtocolError(f"channel {channel} brings barrier {barrier.checkpoint} a second time")
        pending.delivered.add(channel)
        pending.unaligned |= barrier.unaligned and self._blocks
        if self._is_due(pending):
            return decisions + self._cut(barrier.checkpoint, pending)
        if not self._blocks:
            return decisions
        if not self._leader_present:
            return decisions + self._decline(barrier.checkpoint, _LEADERLESS)
        if any(one > barrier.checkpoint for one in self._pending):
            return self._decline(barrier.checkpoint, "a higher barrier has overtaken it")
        pending.blocked.append(channel)
        return [*decisions, Block(channel)]

    def trigger(self, barrier: Barrier) -> list[Decision]:
        """The coordinator's own word to a task without channels. Repeated ones are ignored."""
        if self._channels:
            raise ProtocolError(
                f"checkpoint {barrier.checkpoint} was triggered at a task that gets its barriers in band"
            )
        return [] if self._is_over(barrier.checkpoint) else self._pass(_Pending(barrier))

    def end(self, channel: int) -> list[Decision]:
        """Nothing comes by this channel any more: it counts as having delivered every barrier."""
        self._ended.add(channel)
        complete = [item for item in sorted(self._pending.items()) if self._is_due(item[1])]
        return [decision for item in complete for decision in self._cut(*item)]

    # ---------------------------------------------------------------------------------------------- giving up

    def abort(self, checkpoint: CheckpointId, *, older_too: bool = False) -> list[Decision]:
        """The coordinator's own word: drop what has begun of it, and every barrier of it that turns up."""
        if older_too:
            self._floor = max(self._floor, checkpoint)
            self._given_up = {one for one in self._given_up if one > checkpoint}
        elif checkpoint > self._passed:
            self._given_up.add(checkpoint)
        gone = [one for one in sorted(self._pending) if one == checkpoint or (older_too and one < checkpoint)]
        freed = [Unblock(tuple(blocked)) for one in gone if (blocked := self._pending.pop(one).blocked)]
        # Said even if nothing has come yet: the cut may have been made, and its parts be on their way.
        return [*freed, Forget(checkpoint, older_too)]

    def leader(self, *, present: bool) -> list[Decision]:
        """The TaskManager has lost its leader, or has one again. Without one, unfinished alignments are given up."""
        self._leader_present = present
        if present or not self._blocks:
            return []
        return [decision for one in sorted(self._pending) for decision in self._decline(one, _LEADERLESS)]

    # -------------------------------------------------------------------------------------------------- inside

    def _is_over(self, checkpoint: CheckpointId) -> bool:
        return checkpoint <= self._passed or checkpoint <= self._floor or checkpoint in self._given_up

    def _is_due(self, pending: "_Pending") -> bool:
        done = self._ended | pending.delivered
        return self._in_order <= done if pending.unaligned else len(done) == self._channels

    def _missing(self, pending: "_Pending") -> bool:
        """Whether the barrier is still to come by some channel."""
        return len(self._ended | pending.delivered | pending.announced) < self._channels

    def _overtake(self, checkpoint: CheckpointId) -> list[Decision]:
        """EXACTLY_ONCE: a higher barrier cancels a lower alignment."""
        decisions: list[Decision] = []
        for lower in [one for one in self._pending if one < checkpoint]:
            decisions += self._decline(lower, f"the barrier of checkpoint {checkpoint} overtook it")
        return decisions

    def _cut(self, checkpoint: CheckpointId, pending: "_Pending") -> list[Decision]:
        """Unless records would be kept for it until a barrier comes that nobody can call off."""
        if pending.unaligned and self._missing(pending) and not self._leader_present:
            return self._decline(checkpoint, _LEADERLESS)
        return self._pass(pending)

    def _pass(self, pending: "_Pending") -> list[Decision]:
        """The cut. What is below can't come any more: a channel that was to bring its barrier has brought a higher
        one.
        """
        checkpoint = pending.barrier.checkpoint
        self._pending.pop(checkpoint, None)
        decisions: list[Decision] = []
        for lower in [one for one in sorted(self._pending) if one < checkpoint]:
            decisions += self._decline(lower, f"checkpoint {checkpoint} was complete before it")
        self._passed = checkpoint
        self._given_up = {one for one in self._given_up if one > checkpoint}
        done = self._ended | pending.delivered
        overtaken = tuple(channel for channel in range(self._channels) if channel not in done)
        barrier = replace(pending.barrier, unaligned=pending.unaligned)
        decisions.append(TakeSnapshot(barrier, overtaken))
        if pending.blocked:
            decisions.append(Unblock(tuple(pending.blocked)))
        return decisions

    def _forget(self, checkpoint: CheckpointId) -> list[Decision]:
        pending = self._pending.pop(checkpoint)
        self._given_up.add(checkpoint)
        freed: list[Decision] = [Unblock(tuple(pending.blocked))] if pending.blocked else []
        return [*freed, Forget(checkpoint)]

    def _decline(self, checkpoint: CheckpointId, reason: str) -> list[Decision]:
        return [*self._forget(checkpoint), Decline(checkpoint, reason)]


class _Pending:
    """The barriers of one checkpoint that are here."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier
        self.unaligned = barrier.unaligned
        self.announced = set[int]()
        self.delivered = set[int]()
        self.blocked: list[int] = []
