"""From a checkpoint's metadata to the state of each new subtask, at any parallelism (design 8). Nothing here opens a
data file.

Keyed state goes by key group: a new subtask reads, from every old one whose range overlaps its own, the groups they
share. List state of a vertex whose parallelism is the same stays where it was; otherwise the items of all old
subtasks are laid end to end and cut into even parts. Union state goes to everybody, broadcast state (equal in all)
from one. A vertex counts as finished only if all its subtasks were (law 5.3).

Records in flight all go to the receivers, those too that a sender has stored: so they come before everything new,
whoever sends that. Of a channel, what its receiver had queued precedes what its sender had not sent yet. An edge that
still has both its parallelisms has its channels, and each subtask takes its own. Else all subtasks get all records of
the edge in the same order, and each takes those that the partitioning gives to it now, as in Flink
(`millstream_taskmanager.worker.in_flight`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from millstream_dataflow.identity import ChannelId, EdgeId, OperatorId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Edge, JobGraph, OperatorSummary, Vertex
from millstream_dataflow.keys import group_range
from millstream_dataflow.plan import Plan
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.snapshots import (
    KEY_HASH_VERSION,
    METADATA_FORMAT,
    ChannelCount,
    CheckpointMetadata,
    FileRef,
    InFlightPart,
    InlineBytes,
    ListRange,
    OperatorCount,
    OperatorSnapshot,
    Redistribution,
    RestorePart,
    StoredTask,
    TaskRestore,
    TaskSnapshot,
)

Stored = tuple[StoredTask, OperatorSnapshot]
Located = Callable[[FileRef | InlineBytes], FileRef | InlineBytes]
"""A handle, with the full path of its file."""


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
    if (lost := _homeless(metadata, plan)) and not allow_non_restored:
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
        self._in_flight = _InFlight(metadata, plan, self._located)

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


# ---------------------------------------------------------------------------------------------- records in flight


@dataclass(frozen=True, slots=True)
class _StoredRecords:
    """Records of one channel in one task's snapshot."""

    channel: ChannelId
    output: bool
    records: int
    handle: FileRef | InlineBytes


def edges_in_flight(graph: JobGraph, parts: Iterable[TaskSnapshot]) -> tuple[Edge, ...]:
    """The edges of which some records are stored."""
    audits = [part.audit for part in parts]
    stored = {count.channel.edge for one in audits for count in _in_flight((*one.sent, *one.received))}
    return tuple(edge for edge in graph.edges if edge.id in stored)


def _homeless(metadata: CheckpointMetadata, plan: Plan) -> list[str]:
    """The edges of a checkpoint that hold records in flight and that the job doesn't have, as people know them."""
    known = _by_form(plan.graph.edges).keys()
    forms = {edge.id: form for form, edge in _by_form(metadata.edges).items()}
    names = {vertex.id: vertex.name for vertex in plan.graph.vertices}

    def name(vertex: VertexId) -> str:
        return names.get(vertex, f"what was vertex {vertex}")

    return [f"{name(edge.source)} -> {name(edge.target)}" for edge in metadata.edges if forms[edge.id] not in known]


class _InFlight:
    """Answers, for one checkpoint and one plan, what each subtask takes first."""

    def __init__(self, metadata: CheckpointMetadata, plan: Plan, located: Located) -> None:
        self._plan = plan
        old = _by_form(metadata.edges)
        self._old_of = {edge.id: old[form] for form, edge in _by_form(plan.graph.edges).items() if form in old}
        self._stored: dict[EdgeId, list[_StoredRecords]] = {}
        self._sizes: dict[VertexId, tuple[int, int]] = {}
        for task in metadata.tasks if metadata.edges else ():
            self._sizes[task.task.subtask.vertex] = task.parallelism, task.max_parallelism
            for one in _stored_by(task, located):
                self._stored.setdefault(one.channel.edge, []).append(one)
        for stored in self._stored.values():  # what was queued before what was not sent
            stored.sort(key=lambda one: (one.channel.source, one.channel.target, one.output))

    def parts(self, vertex: VertexId, index: int) -> Iterator[InFlightPart]:
        """Of one new subtask, in the order in which they are taken."""
        for edge in self._plan.edges_to(vertex):
            old = self._old_of.get(edge.id)
            if old is None:
                continue
            shared = not self._is_unchanged(edge, old)
            for one in self._stored.get(old.id, ()):
                if shared or one.channel.target == index:
                    yield InFlightPart(edge.id, one.channel, one.output, one.records, one.handle, shared)

    def _is_unchanged(self, edge: Edge, old: Edge) -> bool:
        """Whether its channels are those of the checkpoint, and every record is for whom it was for."""
        vertices = self._plan.vertices
        sizes = [(vertices[end].parallelism, vertices[end].max_parallelism) for end in (edge.source, edge.target)]
        former = [self._sizes.get(end) for end in (old.source, old.target)]
        return sizes == former and edge.partitioning is old.partitioning


def _stored_by(task: StoredTask, located: Located) -> Iterator[_StoredRecords]:
    handle, audit = task.snapshot.handle, task.snapshot.audit
    if handle is not None:
        for counts, output in (audit.received, False), (audit.sent, True):
            for count in _in_flight(counts):
                yield _StoredRecords(count.channel, output, count.in_flight, located(handle))


def _in_flight(counts: Iterable[ChannelCount]) -> Iterator[ChannelCount]:
    return (count for count in counts if count.in_flight)


def _by_form(edges: Iterable[Edge]) -> Mapping[tuple[VertexId, VertexId, str, int], Edge]:
    """Edges by what they are in any graph: their ends, their tag, and which of those they are."""
    found: dict[tuple[VertexId, VertexId, str, int], Edge] = {}
    for edge in edges:
        number = 0
        while (form := (edge.source, edge.target, edge.tag, number)) in found:
            number += 1
        found[form] = edge
    return found
