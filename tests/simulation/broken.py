"""Cores that are wrong on purpose, and a store without a fence.

The simulation must find each of them out, or it proves nothing about the real one; and by the invariant that the part
breaks, whose words stand beside it: another one may be broken by any mistake.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from millstream_dataflow.identity import Epoch, RegionAttempt, TaskId, TaskManagerId, WorkerId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.checkpoints.completed import restart_points
from millstream_jobmanager.core.checkpoints.pending import Pending
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.core.job import Job
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.settings import ClusterSettings
from millstream_jobmanager.core.turn import Turn
from millstream_jobmanager.store.fence import Fence
from millstream_runtime.leadership.zookeeper import Check, Operation
from millstream_runtime.messages.record import CompletedCheckpoint
from millstream_runtime.messages.session import CheckpointCompleted, TaskReport
from tests.simulation.jobmanager import Parts, real_core

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster


class BrokenCore(ClusterCore):
    """Spoils every job that comes in."""

    breach = ""
    """A regular expression: what BrokenInvariantError says when it is found out."""

    def open_job(self, turn: Turn, plan: Plan, journal: Journal, *, recovered: bool) -> Job:
        """The job, spoilt."""
        job = super().open_job(turn, plan, journal, recovered=recovered)
        self.spoil(job)
        return job

    def spoil(self, job: Job) -> None:
        """Replace a part by a wrong one."""


class BelievesFormerAttempts(BrokenCore):
    """A restart aborts nothing, and late parts of the former attempt still complete its checkpoint (law 1.3)."""

    breach = r"^checkpoint \d+ holds parts of former attempts: "

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

    breach = r"^the completion of checkpoint \d+ is told, its pointer isn't stored$"

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

    breach = r"^\d+ records were committed twice, such as "

    def spoil(self, job: Job) -> None:
        """The newest is overlooked."""

        def older() -> CompletedCheckpoint | None:
            points = restart_points(job.context.journal.record)
            return points[-2] if len(points) > 1 else None

        job.deployer.point = older  # type: ignore[method-assign]  # broken on purpose


class AdoptsFormerAttempts(BrokenCore):
    """A new leader takes tasks of any attempt for those of the recorded one (law 3.4)."""

    breach = r"^a checkpoint is triggered at tasks that never ran: "

    def spoil(self, job: Job) -> None:
        """What is reported is believed to be of the right attempt."""
        context = job.context
        registered, can_be = job._registered, job._can_be  # broken on purpose

        def renamed(report: TaskReport) -> TaskReport:
            if report.task.subtask not in context.plan.region_of:
                return report
            region = context.region_of(report.task.subtask)
            reconciling = region.state is RegionState.RECONCILING
            return replace(report, task=TaskId(region.attempt, report.task.subtask)) if reconciling else report

        def believed(turn: Turn, taskmanager: TaskManagerId, report: TaskReport) -> None:
            registered(turn, taskmanager, renamed(report))

        def possible(report: TaskReport, workers: Container[WorkerId]) -> bool:
            return renamed(report) != report or can_be(report, workers)

        def nothing_while_it_adopts(turn: Turn, taskmanager: TaskManagerId, attempts: set[RegionAttempt]) -> None:
            others = {one for one in attempts if context.regions[one.region].state is not RegionState.RECONCILING}
            cancel(turn, taskmanager, others)

        cancel = job._cancel_ghosts
        job._cancel_ghosts = nothing_while_it_adopts  # type: ignore[method-assign]  # broken on purpose
        job._registered = believed  # type: ignore[method-assign]  # broken on purpose
        job._can_be = possible  # type: ignore[method-assign]  # broken on purpose


BROKEN: tuple[type[BrokenCore], ...] = (
    BelievesFormerAttempts,
    TellsBeforeStoring,
    RestoresFromOlder,
    AdoptsFormerAttempts,
)


class NeverTriggers(BrokenCore):
    """It takes no checkpoint, so no job ever finishes. That breaks nothing, and nothing may be found."""

    def spoil(self, job: Job) -> None:
        """None is ever due."""

        def nothing(turn: Turn) -> None:
            """As if there were time."""
            del turn

        job.coordinator.tick = nothing  # type: ignore[method-assign]  # broken on purpose


class NoFence(Fence):
    """It checks two nodes that are always there, so a deposed leader's write takes effect."""

    breach = r"^jm\S+ writes in epoch \d+, and \d+ has begun$"

    def guard(self, *operations: Operation) -> Sequence[Operation]:
        """Looks like the real one."""
        return Check(self.nodes.root), Check(self.nodes.root), *operations


def broken_parts(cls: type[BrokenCore]) -> Parts:
    """A spoilt core for a run."""

    def make_core(epoch: Epoch, settings: ClusterSettings, cluster: Cluster) -> ClusterCore:
        chances = Chances(lambda: b"secret", cluster.world.random.random)
        return cls(epoch, settings, cluster.job_settings, chances)

    return Parts(make_core)


WITHOUT_FENCE = Parts(real_core, lambda fence: NoFence(fence.nodes, fence.version))
"""The job store's writes are not fenced; elections are."""
