"""What a task begins with behind a restore."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from millstream_dataflow.identity import ChannelId, EdgeId, OperatorId
from millstream_dataflow.records import EndReason
from millstream_dataflow.records.controls import MIN_TIME
from millstream_runtime.messages.snapshots import OperatorCount
from millstream_taskmanager.operators.state import FRESH, RestoredState


@dataclass(frozen=True, slots=True)
class StoredRecords:
    """Records that were in flight in one channel, to be taken before any others. See InFlightPart."""

    edge: EdgeId
    channel: ChannelId
    records: int
    items: tuple[bytes, ...]
    shared: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What a task begins with; nothing at the first start."""

    states: Mapping[OperatorId, RestoredState] = field(default_factory=dict[OperatorId, RestoredState])
    watermark: int = MIN_TIME
    ended: EndReason | None = None
    """Its input had ended (law 5.3)."""
    counts: Mapping[OperatorId, OperatorCount] = field(default_factory=dict[OperatorId, OperatorCount])
    """What the audit had counted for its operators since the job's beginning (law 10.3)."""
    others: RestoredState = FRESH
    """What operators begin with of which the checkpoint holds nothing."""
    in_flight: tuple[StoredRecords, ...] = ()
    """In the order in which they are taken."""

    def of(self, operator: OperatorId) -> RestoredState:
        """What one operator begins with."""
        return self.states.get(operator, self.others)
