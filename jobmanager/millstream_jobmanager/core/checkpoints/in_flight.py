"""Records that were in flight at a checkpoint: which new subtask takes which of them before any others.

All of them go to the receivers, those too that a sender has stored: so they come before everything new, whoever sends
that. Of a channel, what its receiver had queued precedes what its sender had not sent yet.

An edge that still has both its parallelisms has its channels, and each subtask takes its own. Else all subtasks get
all records of the edge in the same order, and each takes those that the partitioning gives to it now
(`millstream_taskmanager.worker.in_flight`); so does Flink. Edges are known by their ends, tag and order, since their
numbers belong to one graph.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from millstream_dataflow.identity import ChannelId, EdgeId, VertexId
from millstream_dataflow.job_graph import Edge, JobGraph
from millstream_dataflow.plan import Plan
from millstream_runtime.messages.snapshots import (
    ChannelCount,
    CheckpointMetadata,
    FileRef,
    InFlightPart,
    InlineBytes,
    StoredTask,
    TaskSnapshot,
)

Located = Callable[[FileRef | InlineBytes], FileRef | InlineBytes]
"""A handle, with the full path of its file."""


@dataclass(frozen=True, slots=True)
class _Stored:
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


def homeless(metadata: CheckpointMetadata, plan: Plan) -> list[str]:
    """The edges of a checkpoint that hold records in flight and that the job doesn't have, as people know them."""
    known = _by_form(plan.graph.edges).keys()
    forms = {edge.id: form for form, edge in _by_form(metadata.edges).items()}
    names = {vertex.id: vertex.name for vertex in plan.graph.vertices}

    def name(vertex: VertexId) -> str:
        return names.get(vertex, f"what was vertex {vertex}")

    return [f"{name(edge.source)} -> {name(edge.target)}" for edge in metadata.edges if forms[edge.id] not in known]


class InFlightRestorer:
    """Answers, for one checkpoint and one plan, what each subtask takes first."""

    def __init__(self, metadata: CheckpointMetadata, plan: Plan, located: Located) -> None:
        self._plan = plan
        old = _by_form(metadata.edges)
        self._old_of = {edge.id: old[form] for form, edge in _by_form(plan.graph.edges).items() if form in old}
        self._stored: dict[EdgeId, list[_Stored]] = {}
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


def _stored_by(task: StoredTask, located: Located) -> Iterator[_Stored]:
    handle, audit = task.snapshot.handle, task.snapshot.audit
    if handle is not None:
        for counts, output in (audit.received, False), (audit.sent, True):
            for count in _in_flight(counts):
                yield _Stored(count.channel, output, count.in_flight, located(handle))


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
