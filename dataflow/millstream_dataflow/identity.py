"""Who is meant, and by whose authority: the identities and fences that ride on every message (laws 1.1 to 1.5).

None of them is a bare number or string, so a checkpoint id can't be taken for an epoch by accident. The ones that are
made of parts are frozen dataclasses; the others are NewTypes, which cost nothing at run time.
"""

from dataclasses import dataclass
from typing import NewType

JobId = NewType("JobId", str)
"""32 hexadecimal digits, made by the client, so that a repeated submit is recognised."""

Epoch = NewType("Epoch", int)
"""Counts the starts of a leading JobManager; a TaskManager obeys the highest it has seen."""

CheckpointId = NewType("CheckpointId", int)
"""One sequence per job for checkpoints and savepoints; never used twice, whoever leads."""

VertexId = NewType("VertexId", str)
"""32 hexadecimal digits, from the uids of the vertex's head or from the topology: stable between submits."""

OperatorId = NewType("OperatorId", str)
"""32 hexadecimal digits, from the operator's uid or from the topology; names its state in checkpoints."""

RegionId = NewType("RegionId", int)
"""Ordinal of a region in its job's plan; the same plan always has the same regions."""

EdgeId = NewType("EdgeId", int)
"""Ordinal of an edge in its job graph; with the two subtask indices it names a channel."""

TaskManagerId = NewType("TaskManagerId", str)
"""32 hexadecimal digits, new with every start of a TaskManager process."""

WorkerId = NewType("WorkerId", str)
"""`<job>-<region>-<attempt>-<slot ordinal>`: one worker process of one attempt."""

Digest = NewType("Digest", str)
"""SHA-256 in hexadecimal: the address of a blob."""


@dataclass(frozen=True, slots=True, order=True)
class SubtaskId:
    """One parallel instance of a vertex, whichever attempt runs it."""

    vertex: VertexId
    index: int

    def __str__(self) -> str:
        return f"{self.vertex[:8]}[{self.index}]"


@dataclass(frozen=True, slots=True, order=True)
class RegionAttempt:
    """One try at running a region; what carries an older number has no effect (law 1.3)."""

    job: JobId
    region: RegionId
    number: int

    def __str__(self) -> str:
        return f"{self.job[:8]}/region {self.region}/attempt {self.number}"


@dataclass(frozen=True, slots=True, order=True)
class TaskId:
    """One subtask in one attempt of its region: what a worker runs and reports about."""

    attempt: RegionAttempt
    subtask: SubtaskId

    def __str__(self) -> str:
        return f"{self.attempt.job[:8]}/{self.subtask}#{self.attempt.number}"


@dataclass(frozen=True, slots=True, order=True)
class SessionId:
    """One stream between a TaskManager and a leader; a newer number closes the older (law 3.1)."""

    taskmanager: TaskManagerId
    number: int

    def __str__(self) -> str:
        return f"{self.taskmanager[:8]}.{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class ChannelId:
    """One directed path between two subtasks along an edge."""

    edge: EdgeId
    source: int
    target: int

    def __str__(self) -> str:
        return f"edge {self.edge}: {self.source} -> {self.target}"


def worker_id(attempt: RegionAttempt, ordinal: int) -> WorkerId:
    """Attempts never repeat (they are stored before anything is deployed), so neither does a worker's id."""
    return WorkerId(f"{attempt.job}-{attempt.region}-{attempt.number}-{ordinal}")
