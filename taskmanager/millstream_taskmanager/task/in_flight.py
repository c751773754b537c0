"""What one checkpoint stores of the channels of one task: the records that its barriers overtake.

    of an input    what stands in its queue, and then what comes, until the barrier does
    of an output   what waits before the barrier, for want of credit

Both are bounded by credit, but for an input whose barrier is long in coming: its records go on being worked on, so
that nobody waits, and each that comes is stored. What would be too much is held back in its queue instead.

An output of a checkpoint that is still aligned may hold its barrier up (`waits`): when that has taken too long the
barrier overtakes there too (`overtake`). Until then nothing of it is stored, and the part isn't complete.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_dataflow.records import Barrier, Batch, Element
from millstream_runtime.checkpoint_files.contents import ChannelContents
from millstream_runtime.messages.snapshots import AlignmentStats, AuditCounts, ChannelCount
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.codecs.batches import ChannelCodec
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.in_flight import ChannelWriter
from millstream_taskmanager.exchange.pending import PendingList

MOST_RECORDED: Final = 4 << 20
"""Bytes of one input that are stored while they come: twice what a gate lends. Behind them the channel waits."""


@dataclass(frozen=True, slots=True)
class Overtaking:
    """How a task's barriers may overtake. Nothing of it: they never do."""

    after: int
    """Milliseconds from a checkpoint's first barrier here until all others overtake; 0: at once."""
    codecs: Mapping[EdgeId, ChannelCodec]
    """Of the edges on which they may: all but those of `IN_ORDER` (dataflow/plan.py)."""


NOTHING_OVERTAKEN: Final[Mapping[EdgeId, ChannelCodec]] = {}


class InFlight:
    """See the module. UserCodeError from whatever stores a record that can't be stored."""

    def __init__(self, barrier: Barrier, codecs: Mapping[EdgeId, ChannelCodec], gate: Gate | None, begun: int) -> None:
        """`begun`: when the checkpoint's first barrier came here, milliseconds."""
        self.barrier = barrier
        self._codecs = codecs
        self._gate = gate
        self._begun = begun
        self._aligned_at: int | None = None
        self._inputs: dict[int, ChannelWriter] = {}
        self._outputs: dict[ChannelId, ChannelWriter] = {}
        self._unsent: dict[ChannelId, PendingList] = {}
        self._held = set[int]()
        self._unaligned = barrier.unaligned
        self.open = set[int]()
        """Inputs whose barrier is still to come."""

    @property
    def complete(self) -> bool:
        """Whether everything has been overtaken that will be."""
        return not self.open and not self._unsent

    # ------------------------------------------------------------------------------------------------------ inputs

    def take(self, channels: Iterable[int], rest: tuple[int, Batch] | None, now: int) -> None:
        """What stands in the queues of these channels. `rest`: what the task has taken out of one and not yet begun."""
        gate = self._gate
        if gate is None:
            return
        for channel in channels:
            elements, has_come = gate.before(channel, self.barrier.checkpoint)
            writer = self._inputs[channel] = ChannelWriter(self._codecs[gate.channels[channel].edge])
            if rest is not None and rest[0] == channel:
                writer.add(rest[1])
            for element in elements:
                writer.add(element)
            if not has_come:
                self.open.add(channel)
                gate.record(channel)
        self._note_aligned(now)

    def record(self, channel: int, element: Element | Parcel) -> None:
        """Something comes by a channel that is open."""
        writer = self._inputs[channel]
        writer.add(element)
        if writer.size > MOST_RECORDED and channel not in self._held and self._gate is not None:
            self._held.add(channel)
            self._gate.block(channel)

    def close(self, channel: int, now: int) -> None:
        """Its barrier has come, or its end."""
        if channel in self.open:
            self.open.remove(channel)
            self._let_go(channel)
            self._note_aligned(now)

    def _let_go(self, channel: int) -> None:
        if self._gate is not None:
            self._gate.stop_recording(channel)
            if channel in self._held:
                self._held.remove(channel)
                self._gate.unblock((channel,))

    def _note_aligned(self, now: int) -> None:
        if not self.open:
            self._aligned_at = now

    # ----------------------------------------------------------------------------------------------------- outputs

    def may_overtake(self, channel: PendingList) -> bool:
        """Whether a barrier may, on its edge."""
        return channel.id.edge in self._codecs

    def store(self, channels: Iterable[PendingList]) -> None:
        """What waits in these before the barrier, which is about to overtake it."""
        for channel in channels:
            elements = channel.before(self.barrier.checkpoint)
            if elements:
                writer = self._outputs[channel.id] = ChannelWriter(self._codecs[channel.id.edge])
                for element in elements:
                    writer.add(element)

    def wait_for(self, channel: PendingList) -> None:
        """The barrier is in its place in the channel, and may overtake later."""
        if self.may_overtake(channel) and channel.holds(self.barrier.checkpoint):
            self._unsent[channel.id] = channel

    def sent(self, channel: PendingList) -> None:
        """The barrier has left the channel."""
        self._unsent.pop(channel.id, None)

    @property
    def waits(self) -> bool:
        """Whether some barrier is still held up."""
        return bool(self._unsent)

    def overtake(self) -> None:
        """Let the barriers that are held up overtake."""
        self.store(self._unsent.values())
        self._unaligned = True
        barrier = replace(self.barrier, unaligned=True)
        for channel in self._unsent.values():
            channel.overtake(barrier)
        self._unsent.clear()

    # -------------------------------------------------------------------------------------------------- all of it

    def contents(self) -> tuple[ChannelContents, ...]:
        """What is stored; channels without anything are left out."""
        channels = () if self._gate is None else self._gate.channels
        inputs = [(channels[position], False, writer) for position, writer in self._inputs.items()]
        outputs = [(channel, True, writer) for channel, writer in self._outputs.items()]
        return tuple(
            ChannelContents(channel, output, writer.records, tuple(writer.items))
            for channel, output, writer in [*inputs, *outputs]
            if writer.records  # watermarks alone say nothing that their sender won't say again
        )

    def counted(self, audit: AuditCounts) -> AuditCounts:
        """The counts at the cut, with what is stored (law 10.1)."""
        positions = {} if self._gate is None else {one: place for place, one in enumerate(self._gate.channels)}
        received = {channel: self._inputs.get(place) for channel, place in positions.items()}
        return replace(audit, sent=_counted(audit.sent, self._outputs), received=_counted(audit.received, received))

    def stats(self) -> AlignmentStats:
        """What people see of it."""
        size = sum(writer.size for writer in (*self._inputs.values(), *self._outputs.values()))
        took = 0 if self._aligned_at is None else self._aligned_at - self._begun
        return AlignmentStats(took, size, self._unaligned)

    def drop(self) -> None:
        """It was given up."""
        for channel in tuple(self.open):
            self._let_go(channel)
        self.open.clear()
        self._unsent.clear()


def _counted(
    counts: Sequence[ChannelCount], writers: Mapping[ChannelId, ChannelWriter | None]
) -> tuple[ChannelCount, ...]:
    return tuple(
        count if (writer := writers.get(count.channel)) is None else replace(count, in_flight=writer.records)
        for count in counts
    )
