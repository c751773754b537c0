"""The parts of one snapshot, until they are handed over to be made durable: what was counted, and keyed state that is
still being encoded.

Records are counted as the barrier passes each channel (law 10.1): when it is taken from an input channel, which without
alignment is before the cut, and when it is written into the outputs, which is the cut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from millstream_dataflow.identity import ChannelId, CheckpointId, OperatorId
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.checkpoint_files.contents import OperatorContents
from millstream_runtime.messages.snapshots import AuditCounts, ChannelCount, ListState, OperatorCount, OperatorSnapshot
from millstream_taskmanager.operators.chain_snapshot import ChainSnapshot


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


def described(contents: OperatorContents) -> OperatorSnapshot:
    """What the JobManager must know of an operator's state to share it out: it opens no data file."""
    lists = tuple(ListState(one.name, one.redistribution, len(one.items)) for one in contents.lists)
    return OperatorSnapshot(contents.operator, contents.first_group, contents.end_group, lists)


class OpenParts:
    """Parts whose keyed state isn't all encoded yet, oldest first."""

    def __init__(self, hand_over: Callable[[TaskPart], None]) -> None:
        self._hand_over = hand_over
        self.open: dict[CheckpointId, tuple[TaskPart, ChainSnapshot]] = {}

    def add(self, part: TaskPart, snapshot: ChainSnapshot) -> None:
        """A part but for its operators, and where they come from. What is small is handed over at once."""
        self.open[part.checkpoint] = (part, snapshot)
        if len(self.open) == 1:
            self.encode_slice()

    def encode_slice(self) -> None:
        """About a millisecond's work on the oldest one. UserCodeError when something can't be stored."""
        checkpoint, (part, snapshot) = next(iter(self.open.items()))
        snapshot.encode_slice()
        if snapshot.done:
            del self.open[checkpoint]
            self._hand_over(replace(part, operators=snapshot.contents()))

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """It was given up."""
        for one in [one for one in self.open if one == checkpoint or (older_too and one < checkpoint)]:
            _, snapshot = self.open.pop(one)
            snapshot.drop()

    def close(self) -> None:
        """The task is over."""
        for _, snapshot in self.open.values():
            snapshot.drop()
        self.open.clear()


class SnapshotLedger:
    """Counts of checkpoints whose barriers are coming in."""

    def __init__(self, channels: Sequence[ChannelId], base: Mapping[OperatorId, OperatorCount] | None = None) -> None:
        """`base`: what the restored checkpoint had counted for each operator (law 10.3)."""
        self._channels = tuple(channels)
        self._base = base or {}
        self._received: dict[CheckpointId, dict[int, int]] = {}
        self._forgotten = set[CheckpointId]()
        self._floor = CheckpointId(0)  # all up to here were given up, known or not; ids begin at 1

    def passes(self, checkpoint: CheckpointId, channel: int, records: int) -> None:
        """The barrier is taken from a channel, behind so many records since the attempt began."""
        self._received.setdefault(checkpoint, {})[channel] = records

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """It was given up, perhaps while its cut is being prepared."""
        if older_too:
            self._floor = max(self._floor, checkpoint)
        else:
            self._forgotten.add(checkpoint)
        for one in [one for one in self._received if one == checkpoint or (older_too and one < checkpoint)]:
            del self._received[one]

    def is_forgotten(self, checkpoint: CheckpointId) -> bool:
        """Whether it was given up."""
        return checkpoint <= self._floor or checkpoint in self._forgotten

    def counts(
        self,
        checkpoint: CheckpointId,
        taken: Sequence[int],
        sent: Iterable[tuple[ChannelId, int]],
        operators: Mapping[OperatorId, OperatorCount],
    ) -> AuditCounts:
        """The counts at the cut. `taken` are the records of each channel by now: they stand for channels that ended.
        `operators` count since the attempt began.
        """
        received: Mapping[int, int] = self._received.pop(checkpoint, {})
        for lower in [one for one in self._received if one < checkpoint]:
            del self._received[lower]
        self._forgotten = {one for one in self._forgotten if one > checkpoint}
        return AuditCounts(
            sent=tuple(ChannelCount(channel, records) for channel, records in sent),
            received=tuple(
                ChannelCount(channel, received.get(position, taken[position]))
                for position, channel in enumerate(self._channels)
            ),
            operators=tuple(
                self._base.get(operator, OperatorCount(operator)).plus(operators.get(operator, OperatorCount(operator)))
                for operator in sorted(self._base.keys() | operators.keys())
            ),
        )
