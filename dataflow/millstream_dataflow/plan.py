"""From a job graph to what runs: subtasks, workers, regions, channels. The JobManager plans with it and every worker
finds its own tasks and channels with it, so the two can't disagree.

A slot-sharing group whose largest parallelism is P needs P slots; slot i runs subtask i of each of its vertices in
one worker process. A **region** is a connected part of the subtasks over pipelined edges, closed over shared workers
(law 1.3): what must be restarted together when one of them fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from millstream_dataflow.identity import ChannelId, RegionId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Edge, Exchange, JobGraph, Partitioning, Vertex

POINTWISE = frozenset({Partitioning.FORWARD, Partitioning.RESCALE})
"""Every other partitioning connects each source subtask with each target subtask."""

IN_ORDER = POINTWISE | {Partitioning.BROADCAST, Partitioning.SPLITS}
"""Edges on which no barrier overtakes a record, so that nothing of them is ever stored in flight: at another
parallelism nobody could say whose those of a pointwise edge were, and which receivers have had a broadcast one already.
Flink aligns on the same edges."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What one slot runs. `ordinal` counts the workers of the region."""

    ordinal: int
    group: str
    index: int
    subtasks: tuple[SubtaskId, ...]


@dataclass(frozen=True)
class RegionPlan:
    """What starts and fails together."""

    id: RegionId
    workers: tuple[WorkerPlan, ...]

    @cached_property
    def ordinals(self) -> dict[SubtaskId, int]:
        """The ordinal of the worker that runs each subtask."""
        return {subtask: worker.ordinal for worker in self.workers for subtask in worker.subtasks}

    @property
    def subtasks(self) -> Iterator[SubtaskId]:
        """All subtasks of the region, worker by worker."""
        return (subtask for worker in self.workers for subtask in worker.subtasks)


def target_indices(partitioning: Partitioning, source: int, sources: int, targets: int) -> range:
    """The target subtasks that source subtask `source` of `sources` is connected with."""
    if partitioning not in POINTWISE:
        return range(targets)
    if sources <= targets:
        return range(-(-source * targets // sources), -(-(source + 1) * targets // sources))
    return range(source * targets // sources, source * targets // sources + 1)


def source_indices(partitioning: Partitioning, target: int, sources: int, targets: int) -> range:
    """The source subtasks that target subtask `target` is connected with: the inverse of `target_indices`."""
    if partitioning not in POINTWISE:
        return range(sources)
    if sources <= targets:
        return range(target * sources // targets, target * sources // targets + 1)
    return range(-(-target * sources // targets), -(-(target + 1) * sources // targets))


class Plan:
    """A job graph laid out. Deterministic: the same graph gives the same regions, ordinals and channels."""

    def __init__(self, graph: JobGraph) -> None:
        self.graph = graph
        self.vertices: dict[VertexId, Vertex] = {vertex.id: vertex for vertex in graph.vertices}
        self.subtasks = tuple(SubtaskId(v.id, index) for v in graph.vertices for index in range(v.parallelism))
        self.regions = _regions(self)
        self.region_of: dict[SubtaskId, RegionId] = {
            subtask: region.id for region in self.regions for subtask in region.subtasks
        }

    @cached_property
    def triggered(self) -> tuple[SubtaskId, ...]:
        """The subtasks that take checkpoint triggers from the coordinator (law 8.2)."""
        return tuple(subtask for subtask in self.subtasks if self.vertices[subtask.vertex].triggered)

    def slots_needed(self) -> int:
        """Workers of all regions together."""
        return sum(len(region.workers) for region in self.regions)

    def edges_from(self, vertex: VertexId) -> Iterator[Edge]:
        """The vertex's outputs, in the graph's order."""
        return (edge for edge in self.graph.edges if edge.source == vertex)

    def edges_to(self, vertex: VertexId) -> Iterator[Edge]:
        """The vertex's inputs, in the graph's order."""
        return (edge for edge in self.graph.edges if edge.target == vertex)

    def channels_from(self, edge: Edge, source: int) -> Iterator[ChannelId]:
        """The channels along an edge that begin at a source subtask, by target index."""
        parallelism = self.vertices[edge.source].parallelism, self.vertices[edge.target].parallelism
        return (ChannelId(edge.id, source, t) for t in target_indices(edge.partitioning, source, *parallelism))

    def channels_to(self, edge: Edge, target: int) -> Iterator[ChannelId]:
        """The channels along an edge that end at a target subtask, by source index."""
        parallelism = self.vertices[edge.source].parallelism, self.vertices[edge.target].parallelism
        return (ChannelId(edge.id, s, target) for s in source_indices(edge.partitioning, target, *parallelism))


def _slots(plan: Plan) -> dict[tuple[str, int], list[SubtaskId]]:
    """(slot-sharing group, index) -> the subtasks that share that slot."""
    slots: dict[tuple[str, int], list[SubtaskId]] = {}
    for subtask in plan.subtasks:
        group = plan.vertices[subtask.vertex].slot_sharing_group
        slots.setdefault((group, subtask.index), []).append(subtask)
    return slots


def _regions(plan: Plan) -> tuple[RegionPlan, ...]:
    slots = _slots(plan)
    slot_of = {subtask: slot for slot, subtasks in slots.items() for subtask in subtasks}
    union = _UnionFind(slots)
    for edge in plan.graph.edges:
        if edge.exchange is Exchange.BLOCKING:
            continue
        for source, target in _ties(plan, edge):
            union.join(slot_of[SubtaskId(edge.source, source)], slot_of[SubtaskId(edge.target, target)])
    regions: list[RegionPlan] = []
    for number, members in enumerate(union.sets()):
        workers = [WorkerPlan(o, group, i, tuple(slots[group, i])) for o, (group, i) in enumerate(members)]
        regions.append(RegionPlan(RegionId(number), tuple(workers)))
    return tuple(regions)


def _ties(plan: Plan, edge: Edge) -> Iterator[tuple[int, int]]:
    """Pairs of subtasks that tie together all which the edge connects: its channels, or as few of them as will do where
    each source has one to each target (of 32,768 by as many there are a thousand million).
    """
    sources, targets = plan.vertices[edge.source].parallelism, plan.vertices[edge.target].parallelism
    if edge.partitioning in POINTWISE:
        for source in range(sources):
            yield from ((source, target) for target in target_indices(edge.partitioning, source, sources, targets))
    else:
        yield from ((source, 0) for source in range(sources))
        yield from ((0, target) for target in range(targets))


class _UnionFind:
    """Sets of slots that grow together; `sets` gives them in the order of their first members."""

    def __init__(self, members: dict[tuple[str, int], list[SubtaskId]]) -> None:
        self._parent = {member: member for member in members}

    def _root(self, member: tuple[str, int]) -> tuple[str, int]:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: tuple[str, int], other: tuple[str, int]) -> None:
        self._parent[self._root(other)] = self._root(one)

    def sets(self) -> list[list[tuple[str, int]]]:
        found: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for member in self._parent:
            found.setdefault(self._root(member), []).append(member)
        return list(found.values())
