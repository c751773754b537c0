"""What the TaskManager's core asks of its shell, carried out in order."""

from dataclasses import dataclass

from millstream_dataflow.identity import JobId, SessionId, WorkerId
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.session import FromTaskManager
from millstream_runtime.messages.worker import ToWorker


@dataclass(frozen=True, slots=True)
class SendToLeader:
    """Into the present session."""

    session: SessionId
    message: FromTaskManager


@dataclass(frozen=True, slots=True)
class CloseSession:
    """End the stream and look for the leader anew."""

    session: SessionId
    reason: str
    refused: bool = False
    """Whoever leads doesn't want this TaskManager: to ask again soon would be no use."""


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Fetch what the deployment names, start a process, give it its tasks.

    Ends in messages of the worker or in WorkerExited.
    """

    deployment: DeployWorker


@dataclass(frozen=True, slots=True)
class SendToWorker:
    """Through the worker's control socket; lost if the process is gone."""

    worker: WorkerId
    message: ToWorker


@dataclass(frozen=True, slots=True)
class KillWorker:
    """SIGKILL to the worker's process group."""

    worker: WorkerId
    reason: str


@dataclass(frozen=True, slots=True)
class DropJob:
    """Nothing of this job is needed here any more: blobs, listeners."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Leave:
    """This TaskManager, which was told to leave, keeps nobody waiting any more: stop it."""


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for people."""

    text: str
    warning: bool = False


Command = SendToLeader | CloseSession | StartWorker | SendToWorker | KillWorker | DropJob | Leave | Tell
