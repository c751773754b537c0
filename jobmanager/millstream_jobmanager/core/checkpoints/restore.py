"""From a checkpoint's metadata to the state of each new subtask, at any parallelism (design 8). Nothing here opens a
data file.

Keyed state goes by key group: a new subtask reads, from every old one whose range overlaps its own, the groups they
share. List state of a vertex whose parallelism is the same stays where it was; otherwise the items of all old
subtasks are laid end to end and cut into even parts. Union state goes to everybody, broadcast state (equal in all)
from one. A vertex counts as finished only if all its subtasks were (law 5.3). Records in flight: `in_flight`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from millstream_dataflow.identity import OperatorId, SubtaskId
from millstream_dataflow.job_graph import OperatorSummary, Vertex
from millstream_dataflow.keys import group_range
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.in_flight import InFlightRestorer, homeless
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
    if (lost := homeless(metadata, plan)) and not allow_non_restored:
        problems.append(
            f"the checkpoint holds records in flight on exchanges that this job doesn't have: {', '.join(lost)}; go on "
            "from a savepoint, which holds none, or pass --allow-non-restored-state to drop these records"
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
        by_operator: dict[OperatorId, list[Stored]] = {}
        for task, snapshot in _snapshots(metadata):
            by_operator.setdefault(snapshot.operator, []).append((task, snapshot))
        self._held = {operator: _Held(stored) for operator, stored in by_operator.items()}
        # Also of operators that stored nothing, as a sink that has committed all.
        self._counted: dict[OperatorId, list[tuple[StoredTask, OperatorCount]]] = {}
        for task in metadata.tasks:
            for count in task.snapshot.audit.operators:
                self._counted.setdefault(count.operator, []).append((task, count))
        self._vertices = {vertex.id: self._facts(vertex) for vertex in plan.graph.vertices}
        self._in_flight = InFlightRestorer(metadata, plan, self._located)

    def subtask(self, subtask: SubtaskId) -> TaskRestore:
        """Everything one new subtask reads."""
        vertex, facts = self._plan.vertices[subtask.vertex], self._vertices[subtask.vertex]
        parts = [part for operator in vertex.operators for part in self._parts(operator, vertex, subtask.index)]
        return TaskRestore(
            subtask,
            self._metadata.checkpoint,
            tuple(parts),
            counts=facts.counts.get(subtask.index, ()),
            finished=facts.finished,
            rescaled=facts.rescaled,
            in_flight=tuple(self._in_flight.parts(subtask.vertex, subtask.index)),
        )

    def _facts(self, vertex: Vertex) -> _Facts:
        counted = [pair for operator in vertex.operators for pair in self._counted.get(operator.id, ())]
        stored = [task for operator in vertex.operators for task, _ in self._stored(operator)]
        rescaled = any(task.parallelism != vertex.parallelism for task in (*stored, *(task for task, _ in counted)))
        counts: dict[int, dict[OperatorId, OperatorCount]] = {}
        for task, count in counted:
            known = counts.setdefault(0 if rescaled else task.task.subtask.index, {})
            known[count.operator] = known[count.operator].plus(count) if count.operator in known else count
        totals = {index: tuple(known.values()) for index, known in counts.items()}
        return _Facts(rescaled, self._finished(stored), totals)

    def _finished(self, stored: Iterable[StoredTask]) -> bool:
        if self._metadata.kind is SnapshotKind.FINAL and self._metadata.job == self._plan.graph.job:
            # The job's own end: what is left is to commit and to leave. Another job started from it goes on reading.
            return True
        tasks = {task.task.subtask: task for task in stored}
        parallelism = next((task.parallelism for task in tasks.values()), 0)
        return len(tasks) == parallelism > 0 and all(task.snapshot.finished for task in tasks.values())

    def _stored(self, operator: OperatorSummary) -> Sequence[Stored]:
        held = self._held.get(operator.id)
        return () if held is None else held.stored

    def _parts(self, operator: OperatorSummary, vertex: Vertex, index: int) -> Iterable[RestorePart]:
        held = self._held.get(operator.id)
        if held is None:
            return
        groups = group_range(index, vertex.parallelism, vertex.max_parallelism)
        lists = held.list_ranges(index, vertex.parallelism)
        for number in sorted({*held.sharing(groups), *lists}):
            task, snapshot = held.stored[number]
            first, end = max(groups.start, snapshot.first_group), min(groups.stop, snapshot.end_group)
            has_groups = first < end
            if task.snapshot.handle is not None:
                yield RestorePart(
                    operator.id,
                    task.task.subtask.index,
                    self._located(task.snapshot.handle),
                    first if has_groups else 0,
                    end if has_groups else 0,
                    tuple(lists.get(number, ())),
                )

    def _located(self, handle: FileRef | InlineBytes) -> FileRef | InlineBytes:
        if isinstance(handle, FileRef):
            return replace(handle, path=f"{self._directory}/{handle.path}")
        return handle


@dataclass(frozen=True, slots=True)
class _Facts:
    """Of a vertex: the same for all its new subtasks."""

    rescaled: bool
    finished: bool
    counts: Mapping[int, tuple[OperatorCount, ...]]
    """Audit totals to go on from: each subtask its own, after a rescale all of them with subtask 0 (law 10.3)."""


class _Held:
    """What one operator's old subtasks stored, in their order. A new subtask looks only at those that it takes from:
    in a job of a thousand, at all of them for each would stop the leader for seconds.
    """

    def __init__(self, stored: Iterable[Stored]) -> None:
        self.stored = sorted(stored, key=lambda pair: pair[0].task.subtask.index)
        self._numbers = {task.task.subtask.index: number for number, (task, _) in enumerate(self.stored)}
        self._keyed = [n for n, (_, snapshot) in enumerate(self.stored) if snapshot.first_group < snapshot.end_group]
        self._ends = [self.stored[number][1].end_group for number in self._keyed]
        kinds = {state.name: state.redistribution for _, snapshot in self.stored for state in snapshot.lists}
        self._lists = [(name, kind, self._items(name)) for name, kind in kinds.items()]

    def _items(self, name: str) -> list[int]:
        return [sum(state.items for state in snapshot.lists if state.name == name) for _, snapshot in self.stored]

    def sharing(self, groups: range) -> Iterator[int]:
        """The old subtasks that have key groups of these; their ranges ascend as they do."""
        for place in range(bisect_right(self._ends, groups.start), len(self._keyed)):
            number = self._keyed[place]
            if self.stored[number][1].first_group >= groups.stop:
                return
            yield number

    def list_ranges(self, index: int, parallelism: int) -> dict[int, list[ListRange]]:
        """By old subtask, the ranges of its list states that new subtask `index` takes."""
        ranges: dict[int, list[ListRange]] = {}
        for name, redistribution, items in self._lists:
            for number, first, end in self._shares(redistribution, items, index, parallelism):
                if first < end:
                    ranges.setdefault(number, []).append(ListRange(name, first, end, redistribution))
        return ranges

    def _shares(
        self, redistribution: Redistribution, items: Sequence[int], index: int, parallelism: int
    ) -> Iterable[tuple[int, int, int]]:
        """(number, first, end) of old subtasks' items."""
        if redistribution is Redistribution.UNION:
            return [(number, 0, count) for number, count in enumerate(items)]
        if redistribution is Redistribution.BROADCAST:
            number = index % len(items)
            return [(number, 0, items[number])]
        if self.stored[0][0].parallelism == parallelism:
            own = self._numbers.get(index)
            return [] if own is None else [(own, 0, items[own])]
        total = sum(items)
        begin, stop = total * index // parallelism, total * (index + 1) // parallelism
        shares: list[tuple[int, int, int]] = []
        offset = 0
        for number, count in enumerate(items):
            shares.append((number, max(0, begin - offset), min(count, stop - offset)))
            offset += count
        return shares
