"""The parts of one snapshot, until they are handed over to be made durable.

Records are counted as the barrier passes each channel (law 10.1): when it is taken from an input channel, which without
alignment is before the cut, and when it is written into the outputs, which is the cut.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from millstream_dataflow.identity import ChannelId, CheckpointId
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.checkpoint_files.contents import OperatorContents
from millstream_runtime.messages.snapshots import AuditCounts, ChannelCount


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One task's part of a checkpoint, as values."""

    checkpoint: CheckpointId
    kind: SnapshotKind
    operators: tuple[OperatorContents, ...] = ()
    audit: AuditCounts = AuditCounts()  # noqa: RUF009  # frozen, so one may be shared
    finished: bool = False


class SnapshotLedger:
    """Counts of checkpoints whose barriers are coming in."""

    def __init__(self, channels: Sequence[ChannelId]) -> None:
        self._channels = tuple(channels)
        self._received: dict[CheckpointId, dict[int, int]] = {}
        self._forgotten = set[CheckpointId]()

    def passes(self, checkpoint: CheckpointId, channel: int, records: int) -> None:
        """The barrier is taken from a channel, behind so many records since the attempt began."""
        self._received.setdefault(checkpoint, {})[channel] = records

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """It was given up, perhaps while its cut is being prepared."""
        self._forgotten.add(checkpoint)
        for one in [one for one in self._received if one == checkpoint or (older_too and one < checkpoint)]:
            del self._received[one]

    def is_forgotten(self, checkpoint: CheckpointId) -> bool:
        """Whether it was given up."""
        return checkpoint in self._forgotten

    def counts(
        self, checkpoint: CheckpointId, taken: Sequence[int], sent: Iterable[tuple[ChannelId, int]]
    ) -> AuditCounts:
        """The counts at the cut. `taken` are the records of each channel by now: they stand for channels that ended."""
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
        )
