"""The stages of a job graph: which vertices run at the same time. Batch mode's; a job without blocking edges has one.

Vertices that are connected by pipelined edges must run together. Those that nothing reads from run together too, as
the last stage: they are what is left when all others have finished.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from millstream_dataflow.identity import VertexId
from millstream_dataflow.job_graph import Exchange, JobGraph

T = TypeVar("T", bound=Hashable)


def ends_of(graph: JobGraph) -> frozenset[VertexId]:
    """The vertices that nothing reads from."""
    return frozenset(vertex.id for vertex in graph.vertices) - {edge.source for edge in graph.edges}


def stages_of(graph: JobGraph) -> dict[VertexId, int]:
    """The number of each vertex's stage. Numbers name stages, and say nothing of their order."""
    sets = Sets([vertex.id for vertex in graph.vertices])
    for edge in graph.edges:
        if edge.exchange is Exchange.PIPELINED:
            sets.join(edge.source, edge.target)
    ends = sorted(ends_of(graph))
    for vertex in ends:
        sets.join(ends[0], vertex)
    return {vertex: number for number, members in enumerate(sets.all()) for vertex in members}


def stage_problem(graph: JobGraph) -> str | None:
    """Why the stages can't run one after the other, a sentence; None when they can."""
    names = {vertex.id: vertex.name for vertex in graph.vertices}
    blocked = {edge.target for edge in graph.edges if edge.exchange is Exchange.BLOCKING}
    for edge in graph.edges:
        if edge.exchange is Exchange.PIPELINED and edge.target in blocked:
            return (
                f"{names[edge.target]} reads from files and, by edge {edge.id}, from a task that runs; it can't do both"
            )
    if not blocked:
        return None
    stage_of = stages_of(graph)
    before = {
        stage: {stage_of[e.source] for e in graph.edges if stage_of[e.target] == stage} for stage in stage_of.values()
    }
    for edge in graph.edges:
        if edge.exchange is Exchange.BLOCKING and stage_of[edge.source] == stage_of[edge.target]:
            return f"{names[edge.target]} reads what {names[edge.source]} leaves at its end, but both run together"
    return None if _follow(before) else "stages wait for each other"


def _follow(before: dict[int, set[int]]) -> bool:
    """Whether there is an order."""
    waiting = {stage: {other for other in others if other != stage} for stage, others in before.items()}
    while free := [stage for stage, others in waiting.items() if not others & waiting.keys()]:
        for stage in free:
            del waiting[stage]
    return not waiting


class Sets(Generic[T]):
    """Sets of members that grow together; `all` gives them in the order of their first members."""

    def __init__(self, members: Iterable[T]) -> None:
        self._parent: dict[T, T] = {member: member for member in members}

    def join(self, one: T, other: T) -> None:
        """Both sets are one."""
        self._parent[self._root(other)] = self._root(one)

    def all(self) -> list[list[T]]:
        """The sets."""
        found: dict[T, list[T]] = {}
        for member in self._parent:
            found.setdefault(self._root(member), []).append(member)
        return list(found.values())

    def _root(self, member: T) -> T:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member
