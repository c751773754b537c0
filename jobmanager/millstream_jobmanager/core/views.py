"""What `list`, `info` and an attached client show: read-only pictures of the core's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream_dataflow.words import counted
from millstream_jobmanager.core.checkpoints.audit import edge_audits, operator_audits
from millstream_jobmanager.core.region_states import RegionState
from millstream_runtime.messages.client import (
    CheckpointCounts,
    CheckpointView,
    ClusterView,
    JobDetails,
    JobStatus,
    SavepointStatus,
    TaskManagerView,
    TaskView,
)
from millstream_runtime.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream_dataflow.identity import TaskId
    from millstream_dataflow.job_graph import Versions
    from millstream_jobmanager.core.cluster import ClusterCore
    from millstream_jobmanager.core.job import Job
    from millstream_runtime.messages.record import CompletedCheckpoint
    from millstream_runtime.messages.session import TaskTotals


def job_status(job: Job) -> JobStatus:
    """One line about a job."""
    record = job.context.journal.record
    failure = job.failure or record.failure
    return JobStatus(record.job, record.name, job.state, _note(job), record.submitted_at, record.ended_at, failure)


def _note(job: Job) -> str:
    """What the job waits for."""
    waiting = [region for region in job.context.regions if region.state is RegionState.WAITING]
    if job.state is JobState.RECONCILING:
        missing = sum(len(region.missing) for region in job.context.regions)
        return f"waiting for the reports of {counted(missing, 'task')}"
    if job.state in (JobState.CANCELLING, JobState.FAILING):
        return _note_of_end(job)
    if not waiting or job.state not in (JobState.CREATED, JobState.RESTARTING):
        return ""
    needed = sum(len(region.plan.workers) for region in waiting)
    free = sum(1 for _ in job.context.cluster.pool.free())
    if free < needed:
        return f"waiting for {needed - free} of {counted(needed, 'slot')}"
    if job.coordinator.completing:
        return "waiting for a checkpoint to be stored"
    return "waiting for the restart delay" if waiting[0].failure else ""


def _note_of_end(job: Job) -> str:
    """What the end waits for: workers, then what must be known before anything is deleted, then the job store."""
    if workers := len(job.context.open_workers):
        return f"waiting for {counted(workers, 'worker')} to end"
    return f"waiting for {'a checkpoint' if job.coordinator.completing else 'its end'} to be stored"


def job_details(job: Job, totals: Mapping[TaskId, TaskTotals]) -> JobDetails:
    """Everything about a job."""
    record = job.context.journal.record
    coordinator = job.coordinator
    counts = [stored.snapshot.audit for stored in coordinator.metadata.tasks] if coordinator.metadata else []
    return JobDetails(
        job_status(job),
        _tasks(job, totals),
        tuple(_checkpoint(job, point) for point in record.checkpoints),
        CheckpointCounts(
            coordinator.completed_count, coordinator.failed_count, len(coordinator.pending), coordinator.last_failure
        ),
        edge_audits(job.context.plan, counts),
        operator_audits(job.context.plan, counts),
        (
            *(SavepointStatus(request.request, "") for request in record.savepoints),
            *(SavepointStatus(result.request, result.path, result.failure) for result in record.results),
        ),
        tuple(job.failover.restarts),
    )


def _tasks(job: Job, totals: Mapping[TaskId, TaskTotals]) -> tuple[TaskView, ...]:
    views: list[TaskView] = []
    vertices = job.context.plan.vertices
    for region in job.context.regions:
        if not region.number:
            continue
        for task in region.task_ids:
            state = region.tasks[task.subtask].state
            holder = region.holder(task.subtask)
            vertex, index = task.subtask.vertex, task.subtask.index
            told = totals.get(task)
            views.append(TaskView(vertex, index, region.number, state, holder, told, vertices[vertex].name))
    return tuple(views)


def _checkpoint(job: Job, point: CompletedCheckpoint) -> CheckpointView:
    duration = job.coordinator.durations.get(point.checkpoint, 0)
    return CheckpointView(point.checkpoint, point.kind, point.path, point.completed_at, duration, point.size)


def cluster_view(cluster: ClusterCore, versions: Versions) -> ClusterView:
    """Everything `millstream list` shows, in the order of registration and of submission."""
    taskmanagers = tuple(
        TaskManagerView(taskmanager, address.host, address.port, *cluster.pool.counts(taskmanager))
        for taskmanager, address in cluster.addresses().items()
    )
    statuses = tuple(cluster.statuses())
    return ClusterView(cluster.settings.leader, cluster.epoch, versions, taskmanagers, statuses)
