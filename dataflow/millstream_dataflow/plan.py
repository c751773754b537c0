"""From a job graph to what runs: subtasks, workers, regions, channels. The JobManager plans with it and every worker
finds its own tasks and channels with it, so the two can't disagree.

A slot-sharing group whose largest parallelism is P needs P slots; slot i runs subtask i of each of its vertices in
one worker process. A **region** is a connected part of the subtasks over pipelined edges, closed over shared workers
(law 1.3): what must be restarted together when one of them fails.

Blocking edges cut a job into **stages** (`stages`), one after the other in the same slots: a stage shares no worker
with another one, so most of its subtasks are regions of their own. What nothing reads from, the sinks, is the **last**
stage and one region: it holds its slots until all of it has ended and the job's final checkpoint is taken, so it takes
all of them or none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from millstream_dataflow.identity import ChannelId, RegionId, SubtaskId, VertexId
from millstream_dataflow.job_graph import Edge, Exchange, JobGraph, Partitioning, Vertex
from millstream_dataflow.stages import Sets, ends_of, stages_of

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
        self.staged = any(edge.exchange is Exchange.BLOCKING for edge in graph.edges)
        """Whether some regions begin when others have finished."""
        self.stage_of = stages_of(graph) if self.staged else dict.fromkeys(self.vertices, 0)
        self.regions = _regions(self)
        self.region_of: dict[SubtaskId, RegionId] = {
            subtask: region.id for region in self.regions for subtask in region.subtasks
        }

    @cached_property
    def triggered(self) -> tuple[SubtaskId, ...]:
        """The subtasks that take checkpoint triggers from the coordinator (law 8.2)."""
        return tuple(subtask for subtask in self.subtasks if self.takes_triggers(subtask.vertex))

    def takes_triggers(self, vertex: VertexId) -> bool:
        """Whether no barrier comes to it by a channel: what it reads from has finished, or it reads from nothing."""
        return self.vertices[vertex].triggered or self.reads_results(vertex)

    def reads_results(self, vertex: VertexId) -> bool:
        """Whether its input lies in files. Then all of it does."""
        return any(edge.exchange is Exchange.BLOCKING for edge in self.edges_to(vertex))

    @cached_property
    def last_regions(self) -> frozenset[RegionId]:
        """Those that take the job's final checkpoint and end with it; all, where no region waits for another."""
        ends = ends_of(self.graph)
        return frozenset(self.region_of[subtask] for subtask in self.subtasks if subtask.vertex in ends)

    @cached_property
    def producers(self) -> dict[RegionId, tuple[frozenset[RegionId], ...]]:
        """The regions that each region reads results of. Sets are shared, since most regions read from all of a
        stage.
        """
        found: dict[RegionId, dict[frozenset[RegionId], None]] = {region.id: {} for region in self.regions}
        for edge in self.graph.edges:
            if edge.exchange is Exchange.BLOCKING:
                self._add_producers(edge, found)
        return {region: tuple(sets) for region, sets in found.items()}

    def _add_producers(self, edge: Edge, found: dict[RegionId, dict[frozenset[RegionId], None]]) -> None:
        sources, targets = self.vertices[edge.source].parallelism, self.vertices[edge.target].parallelism
        of_all = frozenset(self.region_of[SubtaskId(edge.source, source)] for source in range(sources))
        for target in range(targets):
            read = of_all
            if edge.partitioning in POINTWISE:
                indices = source_indices(edge.partitioning, target, sources, targets)
                read = frozenset(self.region_of[SubtaskId(edge.source, source)] for source in indices)
            found[self.region_of[SubtaskId(edge.target, target)]][read] = None

    def producers_of(self, region: RegionId) -> frozenset[RegionId]:
        """The regions that a region reads results of."""
        return frozenset().union(*self.producers[region])

    def consumers_of(self, region: RegionId) -> list[RegionId]:
        """The regions that read results of a region."""
        return [one for one, sets in self.producers.items() if any(region in producers for producers in sets)]

    def slots_needed(self) -> int:
        """Workers of all regions together; where stages follow one another, of the largest stage."""
        sizes: dict[int, int] = {}
        for region in self.regions:
            for worker in region.workers:
                stage = self.stage_of[worker.subtasks[0].vertex]
                sizes[stage] = sizes.get(stage, 0) + 1
        return max(sizes.values(), default=0)

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


_Slot = tuple[int, str, int]
"""Stage, slot-sharing group and index."""


def _slots(plan: Plan) -> dict[_Slot, list[SubtaskId]]:
    """The subtasks that share each slot."""
    slots: dict[_Slot, list[SubtaskId]] = {}
    for subtask in plan.subtasks:
        group = plan.vertices[subtask.vertex].slot_sharing_group
        slots.setdefault((plan.stage_of[subtask.vertex], group, subtask.index), []).append(subtask)
    return slots


def _regions(plan: Plan) -> tuple[RegionPlan, ...]:
    slots = _slots(plan)
    slot_of = {subtask: slot for slot, subtasks in slots.items() for subtask in subtasks}
    sets = Sets(slots)
    for edge in plan.graph.edges:
        if edge.exchange is Exchange.BLOCKING:
            continue
        for source, target in _ties(plan, edge):
            sets.join(slot_of[SubtaskId(edge.source, source)], slot_of[SubtaskId(edge.target, target)])
    if plan.staged:
        ends = ends_of(plan.graph)
        last = [slot for slot, subtasks in slots.items() if any(subtask.vertex in ends for subtask in subtasks)]
        for slot in last:
            sets.join(last[0], slot)
    regions: list[RegionPlan] = []
    for number, members in enumerate(sets.all()):
        workers = [WorkerPlan(o, slot[1], slot[2], tuple(slots[slot])) for o, slot in enumerate(members)]
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
