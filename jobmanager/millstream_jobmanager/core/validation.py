"""What a JobManager refuses in a submitted graph, whatever client made it: it trusts nobody's checks but its own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields

from millstream_dataflow.configuration.options.execution import MAX_PARALLELISM_LIMIT
from millstream_dataflow.job_graph import JOB_GRAPH_FORMAT, JobGraph, Partitioning, Versions
from millstream_dataflow.stages import stage_problem
from millstream_jobmanager.core.settings import CheckpointSettings


def graph_problem(graph: JobGraph) -> str | None:
    """Why the graph can't be run, a sentence; None when it can."""
    if graph.format != JOB_GRAPH_FORMAT:
        return f"the job graph has format {graph.format}, this JobManager reads {JOB_GRAPH_FORMAT}"
    if not graph.vertices:
        return "the job graph has no vertices"
    wrong = _vertex_problem(graph) or _edge_problem(graph) or _cycle(graph)
    return wrong or _source_problem(graph) or stage_problem(graph)


def versions_problem(graph: JobGraph, places: Mapping[str, Versions]) -> str | None:
    """The program's functions were pickled by other versions than some place has, where a worker would refuse them."""
    for place, here in places.items():
        wrong = [
            f"{field.name} {wanted}, {place} has {own}"
            for field in fields(Versions)
            if (wanted := getattr(graph.versions, field.name)) != (own := getattr(here, field.name))
        ]
        if wrong:
            mend = "run the program with the versions of the cluster, or install the program's on all TaskManagers"
            return f"the program was compiled by other versions: {'; '.join(wrong)}; {mend}"
    return None


def _vertex_problem(graph: JobGraph) -> str | None:
    repeated = [name for name, count in Counter(vertex.id for vertex in graph.vertices).items() if count > 1]
    if repeated:
        return f"vertex {repeated[0]} stands twice in the job graph"
    operators = Counter(operator.id for vertex in graph.vertices for operator in vertex.operators)
    for operator, count in operators.items():
        if count > 1:
            return f"operator {operator} stands {count} times in the job graph; give each operator its own uid"
    for vertex in graph.vertices:
        if not 1 <= vertex.parallelism <= vertex.max_parallelism:
            return (
                f"{vertex.name} has parallelism {vertex.parallelism} and maximal parallelism {vertex.max_parallelism}; "
                "the first must lie between 1 and the second"
            )
        if vertex.max_parallelism > MAX_PARALLELISM_LIMIT:
            return f"{vertex.name} has maximal parallelism {vertex.max_parallelism}, above {MAX_PARALLELISM_LIMIT}"
    return None


def _edge_problem(graph: JobGraph) -> str | None:
    vertices = {vertex.id: vertex for vertex in graph.vertices}
    repeated = [edge for edge, count in Counter(edge.id for edge in graph.edges).items() if count > 1]
    if repeated:
        return f"edge {repeated[0]} stands twice in the job graph"
    for edge in graph.edges:
        if edge.source not in vertices or edge.target not in vertices:
            return f"edge {edge.id} leads from or to a vertex that isn't in the job graph"
        source, target = vertices[edge.source], vertices[edge.target]
        if edge.partitioning is Partitioning.FORWARD and source.parallelism != target.parallelism:
            return (
                f"the forward edge from {source.name} to {target.name} joins parallelism {source.parallelism} and "
                f"{target.parallelism}; use rebalance() or rescale() between them"
            )
    return None


def _source_problem(graph: JobGraph) -> str | None:
    """Barriers begin where triggers are taken (law 8.2); a vertex that none reaches would hold up every checkpoint."""
    fed = {edge.target for edge in graph.edges}
    for vertex in graph.vertices:
        if vertex.triggered == (vertex.id in fed):
            does = "has inputs and takes" if vertex.triggered else "has no input and doesn't take"
            return f"{vertex.name} {does} checkpoint triggers; exactly the vertices without inputs must"
    return None


def commits_outside(graph: JobGraph) -> bool:
    """Some sink's commits are seen by other systems."""
    return any(operator.commits_outside for vertex in graph.vertices for operator in vertex.operators)


def endless_problem(graph: JobGraph, settings: CheckpointSettings) -> str | None:
    """An unbounded job whose sinks would never commit is refused (law 5.4)."""
    endless = [vertex.name for vertex in graph.vertices if vertex.triggered and not vertex.bounded]
    if not endless or settings.interval is not None or not commits_outside(graph):
        return None
    return (
        f"{endless[0]} never ends, and a sink of the job commits on checkpoints, but checkpointing is off, so it would "
        "never commit; enable_checkpointing(...) or set execution.checkpointing.interval"
    )


def _cycle(graph: JobGraph) -> str | None:
    """Take away vertices without inputs until none is left; what stays is a cycle."""
    inputs = {vertex.id: [e.source for e in graph.edges if e.target == vertex.id] for vertex in graph.vertices}
    while free := [vertex for vertex, sources in inputs.items() if not any(source in inputs for source in sources)]:
        for vertex in free:
            del inputs[vertex]
    if not inputs:
        return None
    names = ", ".join(graph.vertex(vertex).name for vertex in inputs)
    return f"the job graph has a cycle through {names}; a stream can't flow back into what it comes from"
