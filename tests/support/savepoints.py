"""A job with every kind of state of `kept_kinds`, its savepoint in a directory, and the job that goes on from one.

All of it is real but the processes: tasks, the bytes of data files, state inlined in the metadata, the JobManager's
sharing out.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from millstream_dataflow.identity import CheckpointId, Epoch, OperatorId, SubtaskId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_dataflow.time import WatermarkStrategy
from millstream_jobmanager.core.checkpoints.restore import Restorer, incompatibilities
from millstream_runtime.checkpoint_files import (
    SnapshotReader,
    encode_snapshot,
    load_metadata,
    publish_metadata,
    write_data_file,
)
from millstream_runtime.messages.snapshots import CheckpointMetadata, FileRef, InlineBytes, StoredTask, TaskSnapshot
from millstream_runtime.versions import own_versions
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.task.restoring import restored_of
from millstream_taskmanager.task.snapshot import TaskPart, described
from tests.support.kept_kinds import KINDS, answers_held
from tests.support.kept_state import PAUSE, PausingSource
from tests.support.tasks import Drawing, VirtualJob

KINDS_FILE = "kinds.json"
"""Beside the savepoint: the kinds of state that are in it."""

_SAVEPOINT, _LAST = 1, 2


def drawn(kinds: Sequence[str], parallelism: int) -> Drawing:
    """The job with these kinds of state, each collected for itself."""
    drawing = Drawing()
    strategy = WatermarkStrategy.no_watermarks()
    source = drawing.source("source", PausingSource(2), strategy, parallelism=min(parallelism, 2))
    for kind in kinds:
        kept = KINDS[kind]
        vertex = drawing.vertex(kind, kept.specification(), parallelism=parallelism)
        kept.connect(drawing, source, vertex)
        drawing.edge(vertex, drawing.collect(f"{kind}: results"), Partitioning.REBALANCE)
    return drawing


def save(directory: Path) -> None:
    """Run the job to its pause, and write a savepoint of it there."""
    job = VirtualJob(drawn(tuple(KINDS), 2))
    with answers_held():
        job.settle()
        job.trigger(_SAVEPOINT, SnapshotKind.SAVEPOINT)
        job.settle()
        job.coroutines.close()
    directory.mkdir(parents=True)
    parts = job.parts[CheckpointId(_SAVEPOINT)]
    assert len(parts) == len(job.tasks), job.errors
    stored = tuple(_stored(job, subtask, part, directory) for subtask, part in parts.items())
    graph, kind = job.plan.graph, SnapshotKind.SAVEPOINT
    checkpoint, versions = CheckpointId(_SAVEPOINT), own_versions()
    names = {str(operator.id): operator.name for vertex in graph.vertices for operator in vertex.operators}
    metadata = CheckpointMetadata(graph.job, graph.name, Epoch(1), checkpoint, kind, 0, stored, names, versions)
    publish_metadata(str(directory), metadata)
    (directory / KINDS_FILE).write_text(json.dumps(list(KINDS), indent=1) + "\n", encoding="utf-8")


def _stored(job: VirtualJob, subtask: SubtaskId, part: TaskPart, directory: Path) -> StoredTask:
    """Of each vertex the first task has a file of its own, the second one's state lies in the metadata."""
    vertex = job.plan.vertices[subtask.vertex]
    chunks = encode_snapshot(part.operators)
    handle: FileRef | InlineBytes | None = None
    if part.operators and subtask.index == 0:
        handle = write_data_file(str(directory), f"{subtask.vertex.replace(' ', '-').replace(':', '')}.data", chunks)
    elif part.operators:
        handle = InlineBytes(b"".join(chunks))
    snapshot = TaskSnapshot(handle, tuple(map(described, part.operators)), part.audit, part.finished)
    return StoredTask(job.tasks[subtask].place.task, vertex.parallelism, vertex.max_parallelism, snapshot)


class Resumed:
    """The job that goes on from a savepoint, to its end."""

    def __init__(self, directory: Path, parallelism: int) -> None:
        self.kinds: list[str] = json.loads((directory / KINDS_FILE).read_text(encoding="utf-8"))
        drawing = drawn(self.kinds, parallelism)
        self._job = VirtualJob(drawing, restored=_restored(directory, Plan(drawing.graph()[0])))
        self._job.settle()
        self._job.pass_time(PAUSE)
        self._job.finish(_LAST)
        self._job.coroutines.close()
        self._end = self._job.restored_from(_LAST)

    def results(self, kind: str) -> Counter[Any]:
        """What the operator has given, before the savepoint and after."""
        return KINDS[kind].counted(self._job.collected(f"{kind}: results"))

    def stored(self, kind: str) -> Counter[Any] | None:
        """What its subtasks hold in the end, where that is to be looked at."""
        look = KINDS[kind].stored
        states = [one.of(OperatorId(f"{kind}/0")) for subtask, one in self._end.items() if subtask.vertex == kind]
        return None if look is None else look(states)


def _restored(directory: Path, plan: Plan) -> dict[SubtaskId, Restored]:
    metadata = load_metadata(str(directory))
    assert incompatibilities(metadata, plan, allow_non_restored=False) == []
    restorer = Restorer(metadata, str(directory), plan)
    return {subtask: restored_of(restorer.subtask(subtask), SnapshotReader) for subtask in plan.subtasks}
