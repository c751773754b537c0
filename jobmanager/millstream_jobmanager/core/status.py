"""What one line about a job says."""

from collections.abc import Sequence

from millstream_dataflow.identity import TaskManagerId
from millstream_dataflow.words import counted
from millstream_jobmanager.core.checkpoints.coordinator import Coordinator
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.region_states import RegionState
from millstream_runtime.messages.client import JobStatus
from millstream_runtime.states import JobState


def job_status(context: JobContext, coordinator: Coordinator) -> JobStatus:
    """One line about a job."""
    record = context.journal.record
    failure = context.standing.failure or record.failure
    return JobStatus(
        record.job,
        record.name,
        context.standing.state,
        _note(context, coordinator),
        record.submitted_at,
        record.ended_at,
        failure,
    )


def _note(context: JobContext, coordinator: Coordinator) -> str:
    """What the job waits for."""
    waiting = [region for region in context.regions if region.state is RegionState.WAITING]
    if context.standing.state is JobState.RECONCILING:
        missing = sum(len(region.missing) for region in context.regions)
        return f"waiting for the reports of {counted(missing, 'task')}"
    if context.standing.state in (JobState.CANCELLING, JobState.FAILING):
        return _note_of_end(context, coordinator)
    if context.standing.state is JobState.RUNNING:
        return _note_of_leaving(context)
    if not waiting or context.standing.state not in (JobState.CREATED, JobState.RESTARTING):
        return ""
    sizes = [len(region.plan.workers) for region in waiting]
    needed = min(sizes) if context.plan.staged else sum(sizes)
    free = sum(1 for _ in context.cluster.pool.free())
    if free < needed:
        return f"waiting for {needed - free:,} of {counted(needed, 'slot')}"
    if coordinator.completing:
        return "waiting for a checkpoint to be stored"
    delayed = any(region.failure is not None and region.not_before > region.waiting_since for region in waiting)
    return "waiting for the restart delay" if delayed else ""


def _note_of_leaving(context: JobContext) -> str:
    """That regions have to move, and what they wait for."""
    moving = [region for region in context.regions if region.deployed and context.leaving(region)]
    if not moving:
        return ""
    names = sorted({name for region in moving for name in context.leaving(region)})
    missing = sum(map(context.slots_wanted, moving)) - context.cluster.spare_slots()
    wanted = counted(missing, "more slot") if missing > 0 else "a checkpoint"
    if context.settings.checkpoints.interval is None:
        wanted = "its end, since it takes no checkpoints"
    return f"{leaving_words(names)}: waiting for {wanted}"


def leaving_words(taskmanagers: Sequence[TaskManagerId]) -> str:
    """`TaskManager 1f0c is leaving`."""
    names = ", ".join(taskmanager[:8] for taskmanager in taskmanagers)
    return f"TaskManager {names} is leaving" if len(taskmanagers) == 1 else f"TaskManagers {names} are leaving"


def _note_of_end(context: JobContext, coordinator: Coordinator) -> str:
    """What the end waits for: workers, then what must be known before anything is deleted, then the job store."""
    if workers := len(context.open_workers):
        return f"waiting for {counted(workers, 'worker')} to end"
    return f"waiting for {'a checkpoint' if coordinator.completing else 'its end'} to be stored"
