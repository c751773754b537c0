"""Who a failure belongs to, in words: a TaskManager knows ids alone, people know their vertices by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from millstream_dataflow.identity import SubtaskId, TaskId, worker_id
from millstream_dataflow.plan import Plan, RegionPlan
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import WorkerEnded

_MOST_NAMED: Final = 4


def of_task(plan: Plan, task: TaskId, failure: Failure) -> Failure:
    """The failure with its task's name, where it names no operator or file that says as much."""
    if failure.operator or failure.kind is FailureKind.CHECKPOINT:
        return failure
    return replace(failure, message=f"task {_names(plan, [task.subtask])}: {failure.message}")


def of_worker(plan: Plan, region: RegionPlan, ended: WorkerEnded) -> Failure:
    """The end of a process, with the names of all tasks that ran in it."""
    by_id = {worker_id(ended.attempt, worker.ordinal): worker.subtasks for worker in region.workers}
    subtasks = by_id.get(ended.worker, ())
    whose = f"the process of {_names(plan, subtasks)}" if subtasks else f"worker {ended.worker}"
    return Failure(FailureKind.EXTERNAL, f"{whose}: {ended.cause}")


def _names(plan: Plan, subtasks: Sequence[SubtaskId]) -> str:
    """As a user knows them: `Map (1/2)`."""
    vertices = [(plan.vertices[subtask.vertex], subtask.index) for subtask in subtasks[:_MOST_NAMED]]
    names = [f"{vertex.name} ({index + 1}/{vertex.parallelism})" for vertex, index in vertices]
    more = len(subtasks) - len(names)
    return ", ".join([*names, f"and {more} more"] if more else names)
