"""What a task hands over for a checkpoint, and what a checkpoint's `_metadata` holds.

A task's snapshot is one data file (or the same bytes inlined): `millstream_runtime.checkpoint_files` writes it. The
JobManager never opens it; what it must know to hand state to other subtasks stands beside the handle: which
operators, which key groups, how many items of list state. Law 4.3 says when a checkpoint counts as complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from operator import add, attrgetter

from millstream_dataflow.identity import ChannelId, CheckpointId, EdgeId, Epoch, JobId, OperatorId, SubtaskId, TaskId
from millstream_dataflow.job_graph import Edge, Versions
from millstream_dataflow.records import SnapshotKind

METADATA_FORMAT = 2
"""The newest that is read. A checkpoint says 2 where it holds records in flight, which must not be overlooked."""
KEY_HASH_VERSION = 1


class Redistribution(Enum):
    """How the items of an operator's list state are shared out on restore."""

    SPLIT = "split"
    UNION = "union"
    BROADCAST = "broadcast"


@dataclass(frozen=True, slots=True)
class FileRef:
    """A data file: `path` is relative to the checkpoint's own directory."""

    path: str
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class InlineBytes:
    """The same bytes as a data file would hold, at most 20 KiB (law 3.3)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ListState:
    """Operator state by name: `items` of them lie in the snapshot, in order."""

    name: str
    redistribution: Redistribution
    items: int


@dataclass(frozen=True, slots=True)
class OperatorSnapshot:
    """What one operator of a task stored.

    Key groups are first (inclusive) and end (exclusive); both 0 when not keyed.
    """

    operator: OperatorId
    first_group: int = 0
    end_group: int = 0
    lists: tuple[ListState, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """Records that passed a channel since the attempt began, as one of its ends counted them (law 10.1)."""

    channel: ChannelId
    records: int
    in_flight: int = 0
    """Of what was sent and not received, the records that this end stores with the checkpoint."""
    restored: int = 0
    """Records in flight that the attempt began with at this end; they are not in `records` of a sender."""


@dataclass(frozen=True, slots=True)
class OperatorCount:
    """Totals of one operator since the job's beginning, restored base included (laws 10.2 and 10.3)."""

    operator: OperatorId
    received: int = 0
    processed: int = 0
    late: int = 0
    skipped: int = 0
    quarantined: int = 0
    held: int = 0
    committed: int = 0

    def plus(self, other: "OperatorCount") -> "OperatorCount":
        """The sum of two totals of one operator, counter by counter."""
        return OperatorCount(self.operator, *map(add, _counters_of(self), _counters_of(other)))


_counters_of = attrgetter(*[counter.name for counter in fields(OperatorCount)[1:]])


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """One task's counters, sampled as the barrier passed each channel."""

    sent: tuple[ChannelCount, ...] = ()
    received: tuple[ChannelCount, ...] = ()
    operators: tuple[OperatorCount, ...] = ()


@dataclass(frozen=True, slots=True)
class AlignmentStats:
    """What a checkpoint's barriers met at one task; Flink's names."""

    alignment_duration: int = 0
    """Milliseconds between its first barrier and its last."""
    persisted_data: int = 0
    """Bytes of records in flight that are stored."""
    unaligned: bool = False
    """Whether barriers have overtaken records."""


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One task's part of a checkpoint."""

    handle: FileRef | InlineBytes | None
    operators: tuple[OperatorSnapshot, ...] = ()
    audit: AuditCounts = field(default_factory=AuditCounts)
    finished: bool = False
    """All its inputs had ended (law 5.3)."""
    alignment: AlignmentStats | None = None
    """None: an earlier version stored it."""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task's part as `_metadata` keeps it."""

    task: TaskId
    parallelism: int
    max_parallelism: int
    snapshot: TaskSnapshot


@dataclass(frozen=True, slots=True)
class CheckpointMetadata:
    """A complete checkpoint or savepoint: all that a restore needs to know before it opens data files."""

    job: JobId
    job_name: str
    epoch: Epoch
    checkpoint: CheckpointId
    kind: SnapshotKind
    completed_at: int
    """Wall time, milliseconds since the epoch; for people only."""
    tasks: tuple[StoredTask, ...]
    operator_names: Mapping[str, str]
    """Operator id -> name, so that left-over state can be named after the operator is gone."""
    versions: Versions
    format: int = 1
    key_hash: int = KEY_HASH_VERSION
    edges: tuple[Edge, ...] = ()
    """Those that hold records in flight."""


@dataclass(frozen=True, slots=True)
class ListRange:
    """Items `first` (inclusive) to `end` (exclusive) of one list state in one snapshot."""

    name: str
    first: int
    end: int
    redistribution: Redistribution = Redistribution.SPLIT
    """How the list is shared out: whoever doesn't know it stores it again as it was."""


@dataclass(frozen=True, slots=True)
class RestorePart:
    """What a new subtask reads from one old snapshot for one operator. `handle.path` is a full path or URI here."""

    operator: OperatorId
    old_subtask: int
    handle: FileRef | InlineBytes
    first_group: int = 0
    end_group: int = 0
    lists: tuple[ListRange, ...] = ()


@dataclass(frozen=True, slots=True)
class InFlightPart:
    """Records that were in flight, and that a new subtask takes before any others. `handle` as in RestorePart."""

    edge: EdgeId
    """Of the new job's graph."""
    channel: ChannelId
    """As the checkpoint names it."""
    output: bool
    """Whether its sending end has stored them, else its receiving one."""
    records: int
    handle: FileRef | InlineBytes
    shared: bool = False
    """All subtasks get this part, and each takes those records of it that the partitioning gives to it now."""


@dataclass(frozen=True, slots=True)
class TaskRestore:
    """All that one new subtask restores from."""

    subtask: SubtaskId
    checkpoint: CheckpointId
    parts: tuple[RestorePart, ...]
    counts: tuple[OperatorCount, ...] = ()
    finished: bool = False
    rescaled: bool = False
    """The vertex had another parallelism; generators of watermarks start anew (law 7.1)."""
    in_flight: tuple[InFlightPart, ...] = ()
    """In the order in which they are taken."""


@dataclass(frozen=True, slots=True)
class WorkerRestore:
    """The restores of all tasks of one worker."""

    tasks: tuple[TaskRestore, ...]
