"""What can happen to the core. Each is a fact that the shell has seen, with the moment it was seen given beside it."""

from dataclasses import dataclass
from enum import Enum

from millstream_dataflow.identity import CheckpointId, JobId, SessionId
from millstream_dataflow.job_graph import JobGraph
from millstream_runtime.messages.client import CancelJob, StopJob, SubmitJob, TriggerSavepoint
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import FromTaskManager, Register
from millstream_runtime.messages.snapshots import CheckpointMetadata

Ask = SubmitJob | CancelJob | StopJob | TriggerSavepoint


class Outcome(Enum):
    """How a write ended (law 2.1)."""

    DONE = "done"
    REFUSED = "refused"
    """Not written and never will be: no room, no permission."""
    CONFLICT = "conflict"
    """Somebody else has written: another leads."""
    UNKNOWN = "unknown"


class LoadProblem(Enum):
    """Why metadata could not be loaded."""

    CORRUPT = "corrupt"
    """Missing, truncated, altered: it will not get better (law 4.6)."""
    UNREACHABLE = "unreachable"
    """The storage doesn't answer; trying again makes sense."""


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A TaskManager registered."""

    session: SessionId
    registration: Register


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A stream ended, whoever closed it."""

    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A TaskManager said something after its registration."""

    session: SessionId
    message: FromTaskManager


@dataclass(frozen=True, slots=True)
class Asked:
    """A client asked; the answer carries the same number."""

    request: int
    ask: Ask


@dataclass(frozen=True, slots=True)
class JobRecovered:
    """A job found in the store when this leader started. All of them come before the first session."""

    record: JobRecord
    graph: JobGraph


@dataclass(frozen=True, slots=True)
class RecordStored:
    """How the write of a job's record ended, named by its nonce."""

    job: JobId
    nonce: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MetadataWritten:
    """How publishing a checkpoint's `_metadata` ended."""

    job: JobId
    checkpoint: CheckpointId
    outcome: Outcome
    size: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MetadataLoaded:
    """A checkpoint's metadata, or why there is none."""

    job: JobId
    path: str
    metadata: CheckpointMetadata | None
    problem: LoadProblem | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JobDiscarded:
    """Whether all data of an ended job are gone, as DiscardJob wanted it."""

    job: JobId
    sweep: int
    problem: str = ""
    """What kept some of them; empty when nothing did."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: the deadline that the core gave was reached."""


Event = (
    SessionOpened
    | SessionClosed
    | MessageReceived
    | Asked
    | JobRecovered
    | RecordStored
    | MetadataWritten
    | MetadataLoaded
    | JobDiscarded
    | Tick
)
