"""What a TaskManager and one of its worker processes say to each other over their socketpair (design 3).

Most of it is what the session with the JobManager carries, passed on. A file descriptor may ride along
(`PeerConnected`).
"""

from dataclasses import dataclass

from millstream_dataflow.identity import TaskManagerId, WorkerId
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointAcknowledged,
    CheckpointCompleted,
    CheckpointDeclined,
    DropLeftovers,
    LimitSources,
    ListenOutput,
    OperatorReply,
    OperatorRequest,
    OutputTaken,
    PeerLost,
    Progress,
    SourceTime,
    StopSources,
    TaskOutput,
    TaskStateChanged,
    TriggerCheckpoint,
)


@dataclass(frozen=True, slots=True)
class StartTasks:
    """The worker's whole task: paths of the fetched blobs, all on the TaskManager's own disk."""

    worker: WorkerId
    graph_path: str
    deployment_path: str
    restore_path: str
    """Empty when the region starts from nothing."""
    blob_directory: str
    """Blobs by digest: functions and artifacts."""
    socket_path: str
    """Where this worker listens for peers on the same machine."""


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """End all tasks; the TaskManager kills the process when it doesn't."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer reached the TaskManager's data port and asked for this worker; its socket rides along (law 9.3)."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class PeerTaken:
    """The worker has the socket of a `PeerConnected`. There are never many that it hasn't (law 9.3)."""


@dataclass(frozen=True, slots=True)
class DropPeer:
    """The other TaskManager is silent: close all connections with its workers (law 9.2)."""

    taskmanager: TaskManagerId
    reason: str


@dataclass(frozen=True, slots=True)
class LeaderChanged:
    """The TaskManager has lost its leader, or has one again.

    Without one, alignments are given up and declined (law 4.2).
    """

    present: bool


ToWorker = (
    StartTasks
    | CancelTasks
    | PeerConnected
    | DropPeer
    | LeaderChanged
    | TriggerCheckpoint
    | CheckpointCompleted
    | CheckpointAborted
    | StopSources
    | DropLeftovers
    | OperatorRequest
    | ListenOutput
    | OutputTaken
    | LimitSources
)

FromTasks = (
    TaskStateChanged
    | CheckpointAcknowledged
    | CheckpointDeclined
    | PeerLost
    | Progress
    | OperatorReply
    | TaskOutput
    | SourceTime
)
"""What is for the JobManager in the end."""

FromWorker = FromTasks | PeerTaken
