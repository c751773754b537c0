"""How a job comes into the core: submitted by a client, or found in the store by a new leader.

Accepted means durable: the client hears of it when the record is stored (law 2.2). A known id returns that job's
state (law 1.1). A job that starts from a savepoint is accepted only after the savepoint's metadata was read and fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from millstream_dataflow.identity import CheckpointId, JobId, RegionAttempt
from millstream_dataflow.plan import Plan
from millstream_dataflow.words import counted
from millstream_jobmanager.core.checkpoints.completed import restart_points
from millstream_jobmanager.core.checkpoints.ids import BLOCK
from millstream_jobmanager.core.checkpoints.restore import incompatibilities
from millstream_jobmanager.core.commands import LoadMetadata, Reply
from millstream_jobmanager.core.journal import Journal
from millstream_jobmanager.core.stages import outdated
from millstream_jobmanager.core.validation import commits_outside, endless_problem, graph_problem, versions_problem
from millstream_runtime.messages.failures import NOT_STORED, Failure, FailureKind
from millstream_runtime.messages.record import CompletedCheckpoint, JobRecord, RegionRecord
from millstream_runtime.states import JOB_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream_dataflow.job_graph import JobGraph, Versions
    from millstream_jobmanager.core.events import MetadataLoaded
    from millstream_jobmanager.core.job import Job
    from millstream_jobmanager.core.settings import ClusterSettings, JobSettings
    from millstream_jobmanager.core.turn import Turn
    from millstream_runtime.messages.client import SubmitJob
    from millstream_runtime.messages.snapshots import CheckpointMetadata


class SubmissionDoors(Protocol):
    """What submissions ask of the cluster."""

    jobs: dict[JobId, Job]

    @property
    def settings(self) -> ClusterSettings:
        """The cluster's own settings."""
        ...

    def job_settings(self, graph: JobGraph) -> JobSettings:
        """What the configuration says to a job."""
        ...

    def versions(self) -> Mapping[str, Versions]:
        """Of everybody who may run the job."""
        ...

    def nonce(self) -> str:
        """Names a write."""
        ...

    def open_job(self, turn: Turn, plan: Plan, journal: Journal, *, recovered: bool) -> Job:
        """Take a job in."""
        ...


UNSEEN_ATTEMPTS: Final = 10_000
"""How many a job may have begun since its last checkpoint: one a second for three hours."""


@dataclass(frozen=True, slots=True)
class _FormerLife:
    """What was given away of a job whose record is lost."""

    checkpoints: CheckpointId
    """Ids below it."""
    attempts: int
    """Up to this number, in each region."""


@dataclass(slots=True)
class _Waiting:
    ask: SubmitJob
    requests: list[int]


class Submissions:
    """Jobs on their way in."""

    def __init__(self, cluster: SubmissionDoors) -> None:
        self._cluster = cluster
        self._waiting: dict[JobId, _Waiting] = {}

    def submit(self, turn: Turn, request: int, ask: SubmitJob) -> None:
        """A client wants a job run."""
        job = ask.graph.job
        if job in self._waiting:
            self._waiting[job].requests.append(request)
        elif job in self._cluster.jobs:
            turn.emit(Reply(request, self._cluster.jobs[job].status()))
        elif (problem := self._problem(ask.graph)) is not None:
            turn.emit(Reply(request, None, Failure(FailureKind.USER, problem)))
        else:
            self._waiting[job] = _Waiting(ask, [request])
            if ask.restore_path:
                turn.emit(LoadMetadata(job, ask.restore_path))
            else:
                self._accept(turn, ask, None)

    def _problem(self, graph: JobGraph) -> str | None:
        return (
            graph_problem(graph)
            or versions_problem(graph, self._cluster.versions())
            or endless_problem(graph, self._cluster.job_settings(graph).checkpoints)
        )

    def pending(self, job: JobId) -> bool:
        """The job isn't accepted yet."""
        return job in self._waiting

    def loaded(self, turn: Turn, event: MetadataLoaded) -> bool:
        """The savepoint's metadata has arrived; False when no submission waits for it."""
        waiting = self._waiting.get(event.job)
        if waiting is None or event.path != waiting.ask.restore_path:
            return False
        if event.metadata is None:
            self._refuse(turn, event.job, f"savepoint {event.path} can't be used: {event.reason}")
            return True
        plan = Plan(waiting.ask.graph)
        problems = incompatibilities(event.metadata, plan, allow_non_restored=waiting.ask.allow_non_restored_state)
        if not waiting.ask.accept_duplicates:
            problems += self._passed(event.path, event.metadata, waiting.ask.graph)
        if problems:
            self._refuse(turn, event.job, "; ".join(problems))
        else:
            self._accept(turn, waiting.ask, _point(event.path, event.metadata), _former_life(event.metadata, event.job))
        return True

    def _passed(self, path: str, metadata: CheckpointMetadata, graph: JobGraph) -> list[str]:
        """A job known here has completed newer checkpoints, and this graph's sinks have committed on them (law 4.6)."""
        former = self._cluster.jobs.get(metadata.job)
        points = [point.path for point in restart_points(former.context.journal.record)] if former else []
        if path not in points[:-1] or not commits_outside(graph):
            return []
        text = (
            f"checkpoint {path} is older than {points[-1]}; what sinks have committed since would be committed "
            "again; --accept-duplicates goes on from it nevertheless"
        )
        return [text]

    def _refuse(self, turn: Turn, job: JobId, text: str, kind: FailureKind = FailureKind.USER) -> None:
        for request in self._waiting.pop(job).requests:
            turn.emit(Reply(request, None, Failure(kind, text)))

    def _accept(
        self, turn: Turn, ask: SubmitJob, restore: CompletedCheckpoint | None, former: _FormerLife | None = None
    ) -> None:
        graph, plan = ask.graph, Plan(ask.graph)
        record = JobRecord(graph.job, graph.name, ask.graph_blob, turn.now.wall, JobState.CREATED, restore=restore)
        if former is not None:
            attempts = (RegionAttempt(graph.job, region.id, former.attempts) for region in plan.regions)
            record = replace(
                record,
                reserved_checkpoints=former.checkpoints,
                regions=tuple(RegionRecord(attempt, workers=()) for attempt in attempts),
            )
        journal = Journal(record, self._cluster.nonce, self._cluster.settings.retry_delay)

        def stored(turn: Turn) -> None:
            origin = f", from {ask.restore_path}" if restore else ""
            turn.tell(graph.job, f"{graph.name} is submitted: {_extent(plan)}{origin}")
            for request in self._waiting.pop(graph.job).requests:
                turn.emit(Reply(request, self._cluster.jobs[graph.job].status()))

        def refused(turn: Turn, reason: str) -> None:
            del self._cluster.jobs[graph.job]
            self._refuse(turn, graph.job, f"the job {NOT_STORED}: {reason}", FailureKind.EXTERNAL)

        job = self._cluster.open_job(turn, plan, journal, recovered=False)
        for known in record.regions:
            job.context.regions[known.attempt.region].number = known.attempt.number
        journal.change(turn, replace, stored, refused)

    def recover(self, turn: Turn, record: JobRecord, graph: JobGraph) -> None:
        """A job of a former leader: hold it until its tasks are reported (law 3.4), or keep it as a tombstone."""
        plan = Plan(graph)
        journal = Journal(record, self._cluster.nonce, self._cluster.settings.retry_delay)
        job = self._cluster.open_job(turn, plan, journal, recovered=True)
        if JOB_STATES.is_final(record.state):
            job.ending.discard(turn)
            return
        stored = {region.attempt.region: region for region in record.regions}
        stale = outdated(plan, stored)
        for region in job.context.regions:
            known = stored.get(region.plan.id)
            if known is not None and known.workers and region.plan.id not in stale:
                region.restored_from(known)
            elif known is not None:
                region.number = known.attempt.number
        turn.tell(record.job, f"{record.name} is recovered from the store")


def _extent(plan: Plan) -> str:
    """`3 vertices, 6 tasks, parallelism 2`."""
    vertices = counted(len(plan.vertices), "vertex", "vertices")
    highest = max(vertex.parallelism for vertex in plan.vertices.values())
    return f"{vertices}, {counted(len(plan.subtasks), 'task')}, parallelism {highest:,}"


def _former_life(metadata: CheckpointMetadata, job: JobId) -> _FormerLife | None:
    """Of a job that goes on from its own checkpoint, since its store was lost: ids above the block of that (law 1.4),
    and attempts above all that a TaskManager may still run of it (law 1.3).
    """
    if metadata.job != job:
        return None
    highest = max((stored.task.attempt.number for stored in metadata.tasks), default=0)
    return _FormerLife(CheckpointId(metadata.checkpoint + BLOCK), highest + UNSEEN_ATTEMPTS)


def _point(path: str, metadata: CheckpointMetadata) -> CompletedCheckpoint:
    return CompletedCheckpoint(
        CheckpointId(metadata.checkpoint),
        metadata.epoch,
        metadata.kind,
        path,
        metadata.completed_at,
        size=0,
        discardable=False,
    )
