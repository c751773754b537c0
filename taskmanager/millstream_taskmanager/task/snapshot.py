"""The parts of one snapshot, until they are handed over to be made durable: what was counted, keyed state that is still
being encoded, and records in flight that are still to come (`in_flight`).

Records are counted as the barrier passes each channel (law 10.1): when it is taken from an input channel, which without
alignment is before the cut, and when it is written into the outputs, which is the cut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from millstream_dataflow.identity import ChannelId, CheckpointId, OperatorId
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.checkpoint_files.contents import ChannelContents, OperatorContents
from millstream_runtime.messages.snapshots import (
    AlignmentStats,
    AuditCounts,
    ChannelCount,
    FileRef,
    InlineBytes,
    ListState,
    OperatorCount,
    OperatorSnapshot,
    TaskSnapshot,
)
from millstream_taskmanager.operators.chain_snapshot import ChainSnapshot
from millstream_taskmanager.task.in_flight import InFlight


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One task's part of a checkpoint: values, and what must be done before they may be acknowledged."""

    checkpoint: CheckpointId
    kind: SnapshotKind
    operators: tuple[OperatorContents, ...] = ()
    audit: AuditCounts = AuditCounts()  # noqa: RUF009  # frozen, so one may be shared
    finished: bool = False
    directory: str = ""
    """Where its file goes: the checkpoint's own."""
    make_durable: tuple[Callable[[], None], ...] = ()
    """What of its sinks must be durable before; it may block. The values name what this makes (law 6.1)."""
    channels: tuple[ChannelContents, ...] = ()
    """What the barriers have overtaken."""
    alignment: AlignmentStats = AlignmentStats()  # noqa: RUF009  # frozen, so one may be shared


def described(contents: OperatorContents) -> OperatorSnapshot:
    """What the JobManager must know of an operator's state to share it out: it opens no data file."""
    lists = tuple(ListState(one.name, one.redistribution, len(one.items)) for one in contents.lists)
    return OperatorSnapshot(contents.operator, contents.first_group, contents.end_group, lists)


def stored_as(part: TaskPart, handle: FileRef | InlineBytes | None) -> TaskSnapshot:
    """What the JobManager is told of a part whose bytes are there."""
    operators = tuple(map(described, part.operators))
    return TaskSnapshot(handle, operators, part.audit, part.finished, part.alignment)


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part but for its operators and channels, and where these come from."""

    part: TaskPart
    snapshot: ChainSnapshot
    in_flight: InFlight

    @property
    def complete(self) -> bool:
        """Whether everything of it is there."""
        return self.snapshot.done and self.in_flight.complete

    def whole(self) -> TaskPart:
        """The part, with everything."""
        flight, part = self.in_flight, self.part
        return replace(
            part,
            operators=self.snapshot.contents(),
            channels=flight.contents(),
            audit=flight.counted(part.audit),
            alignment=flight.stats(),
        )


class OpenParts:
    """Parts of which something is missing yet, oldest first; and in that order they are handed over."""

    def __init__(self, hand_over: Callable[[TaskPart], None]) -> None:
        self._hand_over = hand_over
        self._open: dict[CheckpointId, OpenPart] = {}
        self.encodes = False
        """Whether there is something to encode. No property: it is asked at every step."""

    def add(self, part: OpenPart) -> None:
        """One more. What is small is handed over at once."""
        first = not self.encodes
        self._open[part.part.checkpoint] = part
        if first and not part.snapshot.done:
            part.snapshot.encode_slice()
        self.settle()

    def encode_slice(self) -> None:
        """About a millisecond's work on the oldest one. UserCodeError when something can't be stored."""
        next(part for part in self._open.values() if not part.snapshot.done).snapshot.encode_slice()
        self.settle()

    def settle(self) -> None:
        """Hand over what is complete."""
        for checkpoint, part in tuple(self._open.items()):
            if not part.complete:
                break
            del self._open[checkpoint]
            self._hand_over(part.whole())
        self.encodes = any(not part.snapshot.done for part in self._open.values())

    def in_flight(self, checkpoint: CheckpointId) -> InFlight | None:
        """What a checkpoint stores of the channels, while its part is open."""
        part = self._open.get(checkpoint)
        return None if part is None else part.in_flight

    def all_in_flight(self) -> Mapping[CheckpointId, InFlight]:
        """Of all parts that are open."""
        return {checkpoint: part.in_flight for checkpoint, part in self._open.items()}

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """It was given up."""
        for one in [one for one in self._open if one == checkpoint or (older_too and one < checkpoint)]:
            self._drop(self._open.pop(one))
        self.settle()

    def close(self) -> None:
        """The task is over."""
        for part in self._open.values():
            self._drop(part)
        self._open.clear()
        self.encodes = False

    def _drop(self, part: OpenPart) -> None:
        part.snapshot.drop()
        part.in_flight.drop()


class SnapshotLedger:
    """Counts of checkpoints whose barriers are coming in."""

    def __init__(self, channels: Sequence[ChannelId], base: Mapping[OperatorId, OperatorCount] | None = None) -> None:
        """`base`: what the restored checkpoint had counted for each operator (law 10.3)."""
        self._channels = tuple(channels)
        self._base = base or {}
        self._received: dict[CheckpointId, dict[int, int]] = {}

    def passes(self, checkpoint: CheckpointId, channel: int, records: int) -> None:
        """The barrier is taken from a channel, behind so many records since the attempt began."""
        self._received.setdefault(checkpoint, {})[channel] = records

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """It was given up."""
        for one in [one for one in self._received if one == checkpoint or (older_too and one < checkpoint)]:
            del self._received[one]

    def counts(
        self,
        checkpoint: CheckpointId,
        taken: Sequence[int],
        sent: Iterable[tuple[ChannelId, int]],
        operators: Mapping[OperatorId, OperatorCount],
        restored: Sequence[int] = (),
    ) -> AuditCounts:
        """The counts at the cut. `taken` are the records of each channel by now: they stand for channels whose barrier
        hasn't been taken. `operators` count since the attempt began; `restored` is what it began with, by channel.
        """
        received: Mapping[int, int] = self._received.pop(checkpoint, {})
        begun = restored or [0] * len(self._channels)
        for lower in [one for one in self._received if one < checkpoint]:
            del self._received[lower]
        return AuditCounts(
            sent=tuple(ChannelCount(channel, records) for channel, records in sent),
            received=tuple(
                ChannelCount(channel, received.get(position, taken[position]), restored=begun[position])
                for position, channel in enumerate(self._channels)
            ),
            operators=tuple(
                self._base.get(operator, OperatorCount(operator)).plus(operators.get(operator, OperatorCount(operator)))
                for operator in sorted(self._base.keys() | operators.keys())
            ),
        )
