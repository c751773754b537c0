"""What the core asks of the shell.

The shell carries out commands in their order and reports what came of them as events.
"""

from dataclasses import dataclass

from millstream_dataflow.identity import CheckpointId, Digest, JobId, RegionAttempt, SessionId
from millstream_runtime.messages.client import JobStatus
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import FromJobManager
from millstream_runtime.messages.snapshots import CheckpointMetadata


@dataclass(frozen=True, slots=True)
class Send:
    """Into a TaskManager's stream, in order."""

    session: SessionId
    message: FromJobManager


@dataclass(frozen=True, slots=True)
class CloseSession:
    """End a stream; what was sent before still goes out."""

    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """Replace the job's record if its version is `record.version - 1` (0: there is none).

    Idempotent by version and nonce.
    """

    record: JobRecord


@dataclass(frozen=True, slots=True)
class DeleteRecord:
    """Forget an ended job for good."""

    job: JobId


@dataclass(frozen=True, slots=True)
class WriteMetadata:
    """Publish a checkpoint's `_metadata` in its directory, durably and whole (law 4.3)."""

    job: JobId
    checkpoint: CheckpointId
    path: str
    metadata: CheckpointMetadata


@dataclass(frozen=True, slots=True)
class LoadMetadata:
    """Read a checkpoint's `_metadata` and check it."""

    job: JobId
    path: str


@dataclass(frozen=True, slots=True)
class DiscardCheckpoint:
    """Delete a checkpoint's directory, `_metadata` first. Not answered: what stays is found again at the job's end."""

    job: JobId
    path: str


@dataclass(frozen=True, slots=True)
class DiscardJob:
    """Delete all data of an ended job except these directories (law 2.3). Answered by JobDiscarded."""

    job: JobId
    kept: tuple[str, ...]
    sweep: int
    """How often its data were to be deleted before, under this leader."""


@dataclass(frozen=True, slots=True)
class PublishBlob:
    """Serve these bytes to whoever fetches the digest, until a newer attempt of the region or the end of the job."""

    attempt: RegionAttempt
    digest: Digest
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a client: the job's state, or why not."""

    request: int
    status: JobStatus | None
    refusal: Failure | None = None


@dataclass(frozen=True, slots=True)
class StepDown:
    """Another leads: stop deciding at once, leave all bytes to it (law 2.1)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for people: the log, and whoever watches the job."""

    job: JobId | None
    text: str
    warning: bool = False


Command = (
    Send
    | CloseSession
    | StoreRecord
    | DeleteRecord
    | WriteMetadata
    | LoadMetadata
    | DiscardCheckpoint
    | DiscardJob
    | PublishBlob
    | Reply
    | StepDown
    | Tell
)
