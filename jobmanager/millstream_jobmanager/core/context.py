"""What the parts of one job share, and the doors through which they reach the cluster.

No behaviour beyond addressing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from millstream_dataflow.identity import Epoch, JobId, RegionAttempt, SessionId, SubtaskId, TaskManagerId, WorkerId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.commands import Send
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.settings import ClusterSettings, JobSettings
from millstream_jobmanager.core.slots import SlotPool
from millstream_jobmanager.core.standing import Standing
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.deployments import DataAddress
from millstream_runtime.messages.session import FromJobManager


class ClusterDoors(Protocol):
    """What a job may ask of the cluster around it."""

    @property
    def epoch(self) -> Epoch:
        """Of this leader."""
        ...

    @property
    def settings(self) -> ClusterSettings:
        """The cluster's own settings."""
        ...

    @property
    def pool(self) -> SlotPool:
        """All slots."""
        ...

    def session_of(self, taskmanager: TaskManagerId) -> SessionId | None:
        """The open session of a TaskManager; None when there is none at the moment."""
        ...

    def taskmanagers(self) -> Iterator[TaskManagerId]:
        """Everybody with an open session."""
        ...

    def leaving(self) -> Collection[TaskManagerId]:
        """Everybody that is to end."""
        ...

    def spare_slots(self) -> int:
        """Free slots that no waiting region is about to take."""
        ...

    def resource_of(self, taskmanager: TaskManagerId) -> str:
        """The stable resource of a registered TaskManager."""
        ...

    def registered(self, taskmanager: TaskManagerId, resource: str) -> bool:
        """It, or a successor with its resource, has registered with this leader (law 3.4)."""
        ...

    def addresses(self) -> Mapping[TaskManagerId, DataAddress]:
        """Where workers of each TaskManager are reached."""
        ...

    def results_key(self, taskmanager: TaskManagerId) -> bytes:
        """Of a registered TaskManager, for tickets to results that lie there."""
        ...

    def secret(self) -> bytes:
        """A fresh secret for an attempt."""
        ...

    def chance(self) -> float:
        """Uniform in [0, 1)."""
        ...


@dataclass(slots=True)
class JobContext:
    """One job's facts."""

    plan: Plan
    settings: JobSettings
    standing: Standing
    journal: Journal
    cluster: ClusterDoors
    regions: list[Region]
    open_workers: dict[WorkerId, tuple[RegionAttempt, TaskManagerId]] = field(
        default_factory=dict[WorkerId, tuple[RegionAttempt, TaskManagerId]]
    )
    """Workers of any attempt that may still be alive."""

    @property
    def graph(self) -> JobGraph:
        """The job's graph."""
        return self.plan.graph

    @property
    def job(self) -> JobId:
        """The job's id."""
        return self.plan.graph.job

    def region_of(self, subtask: SubtaskId) -> Region:
        """The region that a subtask belongs to; KeyError for a foreign one."""
        return self.regions[self.plan.region_of[subtask]]

    def leaving(self, region: Region) -> list[TaskManagerId]:
        """Who holds a part of the region and is to end."""
        return sorted(region.taskmanagers.intersection(self.cluster.leaving()))

    def slots_wanted(self, region: Region) -> int:
        """How many slots a region's next attempt needs beyond those that its own workers will leave to it."""
        leaving = self.cluster.leaving()
        own = (holder for attempt, holder in self.open_workers.values() if attempt == region.attempt)
        return len(region.plan.workers) - sum(holder not in leaving for holder in own)

    def send(self, turn: Turn, taskmanager: TaskManagerId, message: FromJobManager) -> None:
        """Into the TaskManager's session; without one nothing is sent, for its next registration settles it."""
        session = self.cluster.session_of(taskmanager)
        if session is not None:
            turn.emit(Send(session, message))

    def tell_holders(self, turn: Turn, message: Callable[[Region], FromJobManager | None]) -> None:
        """To every TaskManager that holds a part of a deployed region, a message about that region."""
        for region in self.regions:
            said = message(region) if region.deployed else None
            if said is not None:
                for taskmanager in sorted(region.taskmanagers):
                    self.send(turn, taskmanager, said)
