"""Cores that are wrong on purpose.

The simulation must find each of them out, or it proves nothing about the real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream_dataflow.identity import Epoch, TaskId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.checkpoints.completed import restart_points
from millstream_jobmanager.core.checkpoints.pending import Pending
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.core.job import Job
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.settings import ClusterSettings
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.record import CompletedCheckpoint
from millstream_runtime.messages.session import CheckpointCompleted

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster


class BrokenCore(ClusterCore):
    """Spoils every job that comes in."""

    def open_job(self, turn: Turn, plan: Plan, journal: Journal, *, recovered: bool) -> Job:
        """The job, spoilt."""
        job = super().open_job(turn, plan, journal, recovered=recovered)
        self.spoil(job)
        return job

    def spoil(self, job: Job) -> None:
        """Replace a part by a wrong one."""


class BelievesFormerAttempts(BrokenCore):
    """A restart aborts nothing, and late parts of the former attempt still complete its checkpoint (law 1.3)."""

    def spoil(self, job: Job) -> None:
        """The attempt isn't looked at."""

        def nothing(turn: Turn) -> None:
            """Whatever is pending stays."""
            del turn

        def believed(task: TaskId) -> bool:
            return task.subtask in job.context.plan.region_of

        job.coordinator.region_failed = nothing  # type: ignore[method-assign]  # broken on purpose
        job.is_current = believed  # type: ignore[method-assign]  # broken on purpose


class TellsBeforeStoring(BrokenCore):
    """A completion is told as soon as the metadata is written; the pointer is stored afterwards (law 4.3)."""

    def spoil(self, job: Job) -> None:
        """The telling comes first."""
        coordinator = job.coordinator
        store = coordinator._store  # broken on purpose

        def told_first(turn: Turn, pending: Pending) -> None:
            job.context.tell_holders(
                turn, lambda region: CheckpointCompleted(region.attempt, pending.id, commits=True, last=False)
            )
            store(turn, pending)

        coordinator._store = told_first  # type: ignore[method-assign]  # broken on purpose


class RestoresFromOlder(BrokenCore):
    """A region restarts from the checkpoint before the newest, whose successor's files are already out (law 4.6)."""

    def spoil(self, job: Job) -> None:
        """The newest is overlooked."""

        def older() -> CompletedCheckpoint | None:
            points = restart_points(job.context.journal.record)
            return points[-2] if len(points) > 1 else None

        job.deployer.point = older  # type: ignore[method-assign]  # broken on purpose


BROKEN: tuple[type[BrokenCore], ...] = (BelievesFormerAttempts, TellsBeforeStoring, RestoresFromOlder)


def broken_core(cls: type[BrokenCore], epoch: Epoch, settings: ClusterSettings, cluster: Cluster) -> ClusterCore:
    """A spoilt core for a run."""
    chances = Chances(lambda: b"secret", cluster.world.random.random)
    return cls(epoch, settings, cluster.job_settings, chances)
