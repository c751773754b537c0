"""What a process is told to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from millstream_dataflow.identity import RegionAttempt, SubtaskId
from millstream_dataflow.job_graph import BlobRef
from millstream_dataflow.plan import Plan
from millstream_taskmanager.exchange.remote import RemoteChannels
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.worker.settings import TaskSettings
from millstream_taskmanager.worker.stored import ResultPlaces


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is to run."""

    plan: Plan
    attempts: Mapping[SubtaskId, RegionAttempt]
    """The subtasks of this process, each with its region's attempt."""
    settings: TaskSettings
    blob: Callable[[BlobRef], bytes]
    restored: Mapping[SubtaskId, Restored] = field(default_factory=dict[SubtaskId, Restored])
    peers: RemoteChannels | None = None
    """Where channels to and from other processes are had; None: all subtasks are here."""
    results: ResultPlaces | None = None
    """Where tasks leave results, and find those of others; None: the job has no stages."""
