"""From a checkpoint's metadata to the state of each new subtask, at any parallelism (design 8). Nothing here opens a
data file.

Keyed state goes by key group: a new subtask reads, from every old one whose range overlaps its own, the groups they
share. List state of a vertex whose parallelism is the same stays where it was; otherwise the items of all old
subtasks are laid end to end and cut into even parts. Union state goes to everybody, broadcast state (equal in all)
from one. A vertex counts as finished only if all its subtasks were (law 5.3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from millstream_dataflow.identity import OperatorId, SubtaskId
from millstream_dataflow.job_graph import OperatorSummary, Vertex
from millstream_dataflow.keys import group_range
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.snapshots import (
    KEY_HASH_VERSION,
    METADATA_FORMAT,
    CheckpointMetadata,
    FileRef,
    InlineBytes,
    ListRange,
    OperatorCount,
    OperatorSnapshot,
    Redistribution,
    RestorePart,
    StoredTask,
    TaskRestore,
)

Stored = tuple[StoredTask, OperatorSnapshot]


def incompatibilities(metadata: CheckpointMetadata, plan: Plan, *, allow_non_restored: bool) -> list[str]:
    """Why a job can't start from this checkpoint, a sentence each; empty when it can."""
    if metadata.format > METADATA_FORMAT or metadata.key_hash != KEY_HASH_VERSION:
        found = f"metadata format {metadata.format} and key hash {metadata.key_hash}"
        known_ones = f"format {METADATA_FORMAT} and key hash {KEY_HASH_VERSION}"
        return [f"checkpoint {metadata.checkpoint} has {found}; this Millstream reads {known_ones}"]
    problems: list[str] = []
    known = {operator.id: vertex for vertex in plan.graph.vertices for operator in vertex.operators}
    left_over = {snapshot.operator for _, snapshot in _snapshots(metadata) if _holds_state(snapshot)} - known.keys()
    if left_over and not allow_non_restored:
        names = ", ".join(sorted(metadata.operator_names.get(operator, operator) for operator in left_over))
        problems.append(
            f"the checkpoint holds state that no operator of this job claims: {names}; give the operators the uids "
            "they had, or pass --allow-non-restored-state to drop that state"
        )
    for task, snapshot in _snapshots(metadata):
        vertex = known.get(snapshot.operator)
        if vertex and snapshot.end_group and task.max_parallelism != vertex.max_parallelism:
            problems.append(
                f"{vertex.name} has maximal parallelism {vertex.max_parallelism}, its state was stored with "
                f"{task.max_parallelism}; set_max_parallelism({task.max_parallelism}) keeps it"
            )
    return sorted(set(problems))


def _snapshots(metadata: CheckpointMetadata) -> Iterable[Stored]:
    return ((task, snapshot) for task in metadata.tasks for snapshot in task.snapshot.operators)


def _holds_state(snapshot: OperatorSnapshot) -> bool:
    return snapshot.end_group > 0 or any(state.items for state in snapshot.lists)


class Restorer:
    """Answers, for one checkpoint and one plan, what each subtask restores."""

    def __init__(self, metadata: CheckpointMetadata, directory: str, plan: Plan) -> None:
        self._metadata = metadata
        self._directory = directory
        self._plan = plan
        self._by_operator: dict[OperatorId, list[Stored]] = {}
        for task, snapshot in _snapshots(metadata):
            self._by_operator.setdefault(snapshot.operator, []).append((task, snapshot))
        for stored in self._by_operator.values():
            stored.sort(key=lambda pair: pair[0].task.subtask.index)
        # Also of operators that stored nothing, as a sink that has committed all.
        self._counted: dict[OperatorId, list[tuple[StoredTask, OperatorCount]]] = {}
        for task in metadata.tasks:
            for count in task.snapshot.audit.operators:
                self._counted.setdefault(count.operator, []).append((task, count))

    def subtask(self, subtask: SubtaskId) -> TaskRestore:
        """Everything one new subtask reads."""
        vertex = self._plan.vertices[subtask.vertex]
        parts = [part for operator in vertex.operators for part in self._parts(operator, vertex, subtask.index)]
        rescaled = any(
            task.parallelism != vertex.parallelism
            for operator in vertex.operators
            for task, _ in (*self._by_operator.get(operator.id, ()), *self._counted.get(operator.id, ()))
        )
        return TaskRestore(
            subtask,
            self._metadata.checkpoint,
            tuple(parts),
            counts=self._counts(vertex, subtask.index, rescaled=rescaled),
            finished=self._finished(vertex),
            rescaled=rescaled,
        )

    def _finished(self, vertex: Vertex) -> bool:
        if self._metadata.kind is SnapshotKind.FINAL and self._metadata.job == self._plan.graph.job:
            # The job's own end: what is left is to commit and to leave. Another job started from it goes on reading.
            return True
        stored = [task for operator in vertex.operators for task, _ in self._by_operator.get(operator.id, ())]
        tasks = {task.task.subtask: task for task in stored}
        parallelism = next((task.parallelism for task in stored), 0)
        return len(tasks) == parallelism > 0 and all(task.snapshot.finished for task in tasks.values())

    def _counts(self, vertex: Vertex, index: int, *, rescaled: bool) -> tuple[OperatorCount, ...]:
        """Audit totals to go on from: each subtask its own, after a rescale all of them with subtask 0 (law 10.3)."""
        totals: list[OperatorCount] = []
        for operator in vertex.operators:
            counts = [
                count
                for task, count in self._counted.get(operator.id, ())
                if (index == 0 if rescaled else task.task.subtask.index == index)
            ]
            if counts:
                totals.append(reduce(OperatorCount.plus, counts))
        return tuple(totals)

    def _parts(self, operator: OperatorSummary, vertex: Vertex, index: int) -> Iterable[RestorePart]:
        stored = self._by_operator.get(operator.id, [])
        groups = group_range(index, vertex.parallelism, vertex.max_parallelism)
        lists = _list_ranges(stored, index, vertex.parallelism)
        for number, (task, snapshot) in enumerate(stored):
            first, end = max(groups.start, snapshot.first_group), min(groups.stop, snapshot.end_group)
            has_groups = first < end
            if task.snapshot.handle is not None and (has_groups or lists[number]):
                yield RestorePart(
                    operator.id,
                    task.task.subtask.index,
                    self._located(task.snapshot.handle),
                    first if has_groups else 0,
                    end if has_groups else 0,
                    tuple(lists[number]),
                )

    def _located(self, handle: FileRef | InlineBytes) -> FileRef | InlineBytes:
        if isinstance(handle, FileRef):
            return replace(handle, path=f"{self._directory}/{handle.path}")
        return handle


def _list_ranges(stored: Sequence[Stored], index: int, parallelism: int) -> list[list[ListRange]]:
    """For each old subtask, the ranges of its list states that new subtask `index` takes."""
    ranges: list[list[ListRange]] = [[] for _ in stored]
    names = {state.name: state.redistribution for _, snapshot in stored for state in snapshot.lists}
    for name, redistribution in names.items():
        items = [sum(s.items for s in snapshot.lists if s.name == name) for _, snapshot in stored]
        for number, (first, end) in enumerate(_shares(redistribution, items, stored, index, parallelism)):
            if first < end:
                ranges[number].append(ListRange(name, first, end, redistribution))
    return ranges


def _shares(
    redistribution: Redistribution, items: Sequence[int], stored: Sequence[Stored], index: int, parallelism: int
) -> Iterable[tuple[int, int]]:
    """(first, end) of each old subtask's items."""
    if redistribution is Redistribution.UNION:
        return [(0, count) for count in items]
    if redistribution is Redistribution.BROADCAST:
        return [(0, count if number == index % len(items) else 0) for number, count in enumerate(items)]
    if stored[0][0].parallelism == parallelism:
        return [
            (0, count if task.task.subtask.index == index else 0)
            for count, (task, _) in zip(items, stored, strict=True)
        ]
    total = sum(items)
    begin, stop = total * index // parallelism, total * (index + 1) // parallelism
    shares: list[tuple[int, int]] = []
    offset = 0
    for count in items:
        shares.append((max(0, begin - offset), min(count, stop - offset)))
        offset += count
    return shares
