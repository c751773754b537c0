"""A job graph for people: drawn as text, or as plain values for `--json`."""

from collections.abc import Iterator
from typing import Any

from millstream_dataflow.identity import VertexId
from millstream_dataflow.job_graph import Edge, Exchange, JobGraph, OperatorSummary, Vertex
from millstream_dataflow.plan import Plan
from millstream_dataflow.words import counted


def plan_as_text(graph: JobGraph) -> str:
    """The vertices in the order of the data, each with its operators and with where its records go.

    Job "word count": 2 vertices, 2 slots

    1  Source: Collection -> Flat Map
       parallelism 1, max parallelism 128
       └── hash ──> 2
    2  Keyed Reduce -> Sink: Print
       parallelism 2, max parallelism 128
    """
    return "\n".join(_lines(graph)) + "\n"


def plan_as_dict(graph: JobGraph) -> dict[str, Any]:
    """The same as values that JSON can hold."""
    return {
        "job": graph.job,
        "name": graph.name,
        "slots": Plan(graph).slots_needed(),
        "vertices": [_vertex_dict(vertex) for vertex in graph.vertices],
        "edges": [_edge_dict(edge) for edge in graph.edges],
    }


def _lines(graph: JobGraph) -> Iterator[str]:
    vertices, slots = len(graph.vertices), Plan(graph).slots_needed()
    yield f'Job "{graph.name}": {counted(vertices, "vertex", "vertices")}, {counted(slots, "slot")}'
    yield ""
    numbers = {vertex.id: number for number, vertex in enumerate(graph.vertices, start=1)}
    margin = " " * (len(str(len(numbers))) + 2)
    for vertex in graph.vertices:
        yield f"{numbers[vertex.id]:<{len(margin)}}{vertex.name}"
        yield f"{margin}{_settings(vertex)}"
        yield from (f"{margin}{line}" for line in _uids(vertex))
        outputs = [edge for edge in graph.edges if edge.source == vertex.id]
        for edge in outputs:
            corner = "└──" if edge is outputs[-1] else "├──"
            yield f"{margin}{corner} {_travel(edge)} ──> {numbers[edge.target]}"


def _settings(vertex: Vertex) -> str:
    settings = [f"parallelism {vertex.parallelism}", f"max parallelism {vertex.max_parallelism}"]
    if vertex.slot_sharing_group != "default":
        settings.append(f"slot-sharing group {vertex.slot_sharing_group}")
    if vertex.triggered:
        settings.append("bounded" if vertex.bounded else "unbounded")
    return ", ".join(settings)


def _uids(vertex: Vertex) -> Iterator[str]:
    return (f"uid {operator.uid}: {operator.name}" for operator in vertex.operators if operator.uid)


def _travel(edge: Edge) -> str:
    words = [edge.partitioning.value]
    if edge.tag:
        words.append(f"side output {edge.tag}")
    if edge.exchange is Exchange.BLOCKING:
        words.append("blocking")
    if edge.input:
        words.append(f"input {edge.input + 1}")
    return ", ".join(words)


def _vertex_dict(vertex: Vertex) -> dict[str, Any]:
    return {
        "id": vertex.id,
        "name": vertex.name,
        "parallelism": vertex.parallelism,
        "max_parallelism": vertex.max_parallelism,
        "slot_sharing_group": vertex.slot_sharing_group,
        "source": vertex.triggered,
        "bounded": vertex.bounded if vertex.triggered else None,
        "operators": [_operator_dict(operator) for operator in vertex.operators],
    }


def _operator_dict(operator: OperatorSummary) -> dict[str, Any]:
    return {
        "id": operator.id,
        "name": operator.name,
        "kind": operator.kind,
        "uid": operator.uid or None,
        "keyed": operator.keyed,
        "commits_outside": operator.commits_outside,
    }


def _edge_dict(edge: Edge) -> dict[str, Any]:
    ends: dict[str, VertexId] = {"source": edge.source, "target": edge.target}
    return {
        **ends,
        "partitioning": edge.partitioning.value,
        "exchange": edge.exchange.value,
        "side_output": edge.tag or None,
        "input": edge.input,
    }
