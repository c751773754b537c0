"""A checkpoint in flight, from its trigger to the stored pointer.

COLLECTING: tasks still owe their parts. WRITING: all parts are there and the audit balances, its `_metadata` is being
published. STORING: its pointer is being stored. Only then is it *completing*: it can't be aborted, and a failover waits
for it, since nobody could call the write of the record back (ARCHITECTURE 4). A `_metadata` that lands after an abort
does no harm: whoever restores goes by the record.
"""

from dataclasses import dataclass, field
from enum import Enum

from millstream_dataflow.identity import CheckpointId, Epoch, TaskId
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.audit import Balance
from millstream_jobmanager.core.checkpoints.restore import edges_in_flight
from millstream_jobmanager.core.moment import Moment
from millstream_runtime.messages.record import CompletedCheckpoint
from millstream_runtime.messages.snapshots import AlignmentStats, CheckpointMetadata, StoredTask, TaskSnapshot


class Phase(Enum):
    """How far it is."""

    COLLECTING = "collecting"
    WRITING = "writing"
    STORING = "storing"


@dataclass(slots=True)
class Pending:
    """One checkpoint in flight."""

    id: CheckpointId
    kind: SnapshotKind
    directory: str
    triggered: Moment
    waiting: set[TaskId]
    requests: tuple[str, ...] = ()
    """The savepoint requests that it answers."""
    parts: dict[TaskId, TaskSnapshot] = field(default_factory=dict[TaskId, TaskSnapshot])
    balance: Balance = field(default_factory=Balance)
    """Of these parts."""
    phase: Phase = Phase.COLLECTING
    metadata: CheckpointMetadata | None = None
    size: int = 0
    let_go: tuple[CompletedCheckpoint, ...] = ()
    """What retention lets go when it is stored."""
    writing: bool = False
    """A write of its `_metadata` is under way."""
    retry_at: int | None = None
    """When the write is repeated whose outcome is unknown."""
    doubt: str = ""
    """Why the last write of its `_metadata` has an unknown outcome."""

    @property
    def completing(self) -> bool:
        """Beyond the point where it could be aborted."""
        return self.phase is Phase.STORING

    def acknowledge(self, task: TaskId, snapshot: TaskSnapshot) -> bool:
        """Take a task's part; True when it was the last that was missing.

        Repetitions and foreign tasks change nothing.
        """
        if self.phase is not Phase.COLLECTING or task not in self.waiting:
            return False
        self.waiting.remove(task)
        self.parts[task] = snapshot
        self.balance.take(snapshot.audit)
        return not self.waiting


def alignment_of(pending: Pending) -> AlignmentStats:
    """Of all its tasks: the longest alignment, the bytes of records in flight together."""
    known = [part.alignment for part in pending.parts.values() if part.alignment is not None]
    return AlignmentStats(
        max((one.alignment_duration for one in known), default=0),
        sum(one.persisted_data for one in known),
        any(one.unaligned for one in known),
    )


def metadata_of(plan: Plan, epoch: Epoch, pending: Pending, wall: int) -> CheckpointMetadata:
    """What is published of a checkpoint whose parts are all there."""
    graph, vertices = plan.graph, plan.vertices
    in_flight = edges_in_flight(graph, pending.parts.values())
    tasks = [
        StoredTask(
            task, vertices[task.subtask.vertex].parallelism, vertices[task.subtask.vertex].max_parallelism, snapshot
        )
        for task, snapshot in pending.parts.items()
    ]
    return CheckpointMetadata(
        job=graph.job,
        job_name=graph.name,
        epoch=epoch,
        checkpoint=pending.id,
        kind=pending.kind,
        completed_at=wall,
        tasks=tuple(sorted(tasks, key=lambda stored: stored.task)),
        operator_names={operator.id: operator.name for v in graph.vertices for operator in v.operators},
        versions=graph.versions,
        format=2 if in_flight else 1,
        edges=in_flight,
    )
