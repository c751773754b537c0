"""What `list`, `info` and an attached client show: read-only pictures of the core's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream_jobmanager.core.checkpoints.audit import edge_audits, operator_audits
from millstream_runtime.messages.client import (
    CheckpointCounts,
    CheckpointView,
    ClusterView,
    JobDetails,
    SavepointStatus,
    TaskManagerView,
    TaskView,
)
from millstream_runtime.messages.snapshots import AlignmentStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream_dataflow.identity import TaskId
    from millstream_dataflow.job_graph import Versions
    from millstream_jobmanager.core.cluster import ClusterCore
    from millstream_jobmanager.core.job import Job
    from millstream_runtime.messages.record import CompletedCheckpoint
    from millstream_runtime.messages.session import TaskTotals


def job_details(job: Job, totals: Mapping[TaskId, TaskTotals]) -> JobDetails:
    """Everything about a job."""
    record = job.context.journal.record
    coordinator = job.coordinator
    counts = [stored.snapshot.audit for stored in coordinator.metadata.tasks] if coordinator.metadata else []
    return JobDetails(
        job.status(),
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
    stats = job.coordinator.alignments.get(point.checkpoint, AlignmentStats())
    return CheckpointView(
        point.checkpoint,
        point.kind,
        point.path,
        point.completed_at,
        duration,
        point.size,
        alignment_duration=stats.alignment_duration,
        persisted_data=stats.persisted_data,
        unaligned=stats.unaligned,
    )


def cluster_view(cluster: ClusterCore, versions: Versions) -> ClusterView:
    """Everything `millstream list` shows, in the order of registration and of submission."""
    leaving = cluster.leaving()
    taskmanagers = tuple(
        TaskManagerView(name, address.host, address.port, *cluster.pool.counts(name), leaving=name in leaving)
        for name, address in cluster.addresses().items()
    )
    statuses = tuple(cluster.statuses())
    return ClusterView(cluster.settings.leader, cluster.epoch, versions, taskmanagers, statuses)
