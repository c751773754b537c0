"""From the parts of a checkpoint to what new tasks begin with, all of it real: the bytes of data files, the
JobManager's sharing out, the reading of what is a subtask's.
"""

from collections.abc import Mapping

from millstream_dataflow.identity import CheckpointId, Epoch, SubtaskId
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.restore import Restorer, edges_in_flight, incompatibilities
from millstream_runtime.checkpoint_files import SnapshotReader, encode_snapshot
from millstream_runtime.messages.snapshots import CheckpointMetadata, InlineBytes, StoredTask
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.task.restoring import restored_of
from millstream_taskmanager.task.snapshot import TaskPart, stored_as
from millstream_taskmanager.task.task import Task


def metadata_of(
    plan: Plan, tasks: Mapping[SubtaskId, Task], parts: Mapping[SubtaskId, TaskPart], checkpoint: CheckpointId
) -> CheckpointMetadata:
    """The checkpoint as the JobManager keeps it, with all state inlined."""
    stored: list[StoredTask] = []
    for subtask, part in parts.items():
        vertex = plan.vertices[subtask.vertex]
        has_state = part.operators or part.channels
        handle = InlineBytes(b"".join(encode_snapshot(part.operators, part.channels))) if has_state else None
        task = tasks[subtask].place.task
        stored.append(StoredTask(task, vertex.parallelism, vertex.max_parallelism, stored_as(part, handle)))
    graph, kind = plan.graph, SnapshotKind.CHECKPOINT
    edges = edges_in_flight(plan.graph, (task.snapshot for task in stored))
    return CheckpointMetadata(
        graph.job, graph.name, Epoch(1), checkpoint, kind, 0, tuple(stored), {}, graph.versions, edges=edges
    )


def restored_onto(plan: Plan, metadata: CheckpointMetadata) -> dict[SubtaskId, Restored]:
    """What each task of a plan begins with."""
    assert incompatibilities(metadata, plan, allow_non_restored=False) == []
    restorer = Restorer(metadata, "", plan)
    return {subtask: restored_of(restorer.subtask(subtask), SnapshotReader) for subtask in plan.subtasks}
