"""What can happen to a TaskManager, each a fact that its shell has seen."""

from dataclasses import dataclass

from millstream_dataflow.identity import Epoch, SessionId, WorkerId
from millstream_runtime.messages.session import FromJobManager
from millstream_runtime.messages.worker import FromTasks


@dataclass(frozen=True, slots=True)
class LeaderConnected:
    """A stream to a leader stands; nothing has been said in it."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class LeaderDisconnected:
    """The stream ended, whoever closed it."""

    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class LeaderSaid:
    """A message of a leader, with the epoch it speaks in."""

    session: SessionId
    epoch: Epoch
    message: FromJobManager


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """A message of a worker."""

    worker: WorkerId
    message: FromTasks


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A worker process is gone, or never came to be. `cause` says how, with the last lines it printed."""

    worker: WorkerId
    cause: str
    crashed: bool
    """It ended by a signal that we didn't send, or with an error: the reason of what follows, even if it was asked to
    leave meanwhile.
    """


@dataclass(frozen=True, slots=True)
class ToldToLeave:
    """The TaskManager is to end as soon as its tasks run elsewhere, or its grace is over."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The TaskManager is to end: its session is closed, its workers must go."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = LeaderConnected | LeaderDisconnected | LeaderSaid | WorkerSaid | WorkerExited | ToldToLeave | Stopping | Tick
