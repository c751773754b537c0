"""Small job graphs with readable ids: what a client would submit, without user code."""

from collections.abc import Mapping
from dataclasses import replace

from millstream_dataflow.identity import Digest, EdgeId, JobId, OperatorId, VertexId
from millstream_dataflow.job_graph import (
    BlobRef,
    Edge,
    Exchange,
    JobGraph,
    OperatorSummary,
    Partitioning,
    Vertex,
)
from millstream_runtime.versions import own_versions

VERSIONS = own_versions()
JOB = JobId("job-1")
NO_BLOB = BlobRef(Digest("0" * 64), 0)


def source(
    parallelism: int = 1, *, name: str = "source", group: str = "default", bounded: bool = True, maximum: int = 128
) -> Vertex:
    """A vertex without inputs; it takes the coordinator's triggers."""
    operator = OperatorSummary(OperatorId(f"{name}-op"), name.capitalize(), "source")
    return Vertex(
        VertexId(name),
        name.capitalize(),
        parallelism,
        maximum,
        group,
        (operator,),
        NO_BLOB,
        triggered=True,
        bounded=bounded,
    )


def keyed(parallelism: int = 1, *, name: str = "count", group: str = "default", maximum: int = 128) -> Vertex:
    """A vertex with keyed state."""
    operator = OperatorSummary(OperatorId(f"{name}-op"), name.capitalize(), "process", keyed=True)
    return Vertex(VertexId(name), name.capitalize(), parallelism, maximum, group, (operator,), NO_BLOB)


def sink(parallelism: int = 1, *, name: str = "sink", group: str = "default", commits: bool = True) -> Vertex:
    """A vertex without outputs; with `commits` other systems see what it commits."""
    operator = OperatorSummary(OperatorId(f"{name}-op"), name.capitalize(), "sink", commits_outside=commits)
    return Vertex(VertexId(name), name.capitalize(), parallelism, 128, group, (operator,), NO_BLOB)


def edge(number: int, start: Vertex, end: Vertex, partitioning: Partitioning, *, blocking: bool = False) -> Edge:
    """An edge between two vertices."""
    exchange = Exchange.BLOCKING if blocking else Exchange.PIPELINED
    return Edge(EdgeId(number), start.id, end.id, partitioning, exchange)


def graph(
    vertices: tuple[Vertex, ...],
    edges: tuple[Edge, ...],
    *,
    job: JobId = JOB,
    configuration: Mapping[str, str] | None = None,
) -> JobGraph:
    """A job of these vertices and edges."""
    return JobGraph(job, f"name of {job}", vertices, edges, VERSIONS, dict(configuration or {}))


def keyed_job(parallelism: int = 2, *, bounded: bool = True, commits: bool = True, job: JobId = JOB) -> JobGraph:
    """Source -> count -> sink, the first edge by key: one region with as many workers as its parallelism."""
    start, middle = source(parallelism, bounded=bounded), keyed(parallelism)
    end = sink(parallelism, commits=commits)
    edges = edge(0, start, middle, Partitioning.HASH), edge(1, middle, end, Partitioning.FORWARD)
    return graph((start, middle, end), edges, job=job)


def staged_job(parallelism: int = 2, *, commits: bool = True, job: JobId = JOB) -> JobGraph:
    """Source -> count -> sink in three stages: each subtask of the first two is a region, the sinks are one."""
    start, middle, end = source(parallelism), keyed(parallelism), sink(parallelism, commits=commits)
    first, second = edge(0, start, middle, Partitioning.HASH, blocking=True), Partitioning.REBALANCE
    return graph((start, middle, end), (first, edge(1, middle, end, second, blocking=True)), job=job)


def two_pipelines(parallelism: int = 1, *, bounded: bool = True, commits: bool = True, job: JobId = JOB) -> JobGraph:
    """Two pipelines that nothing connects, in slot-sharing groups of their own: two regions."""
    left, right = (
        source(parallelism, name="left", group="one", bounded=bounded),
        source(parallelism, name="right", group="two", bounded=bounded),
    )
    left_end = sink(parallelism, name="left-out", group="one", commits=commits)
    right_end = sink(parallelism, name="right-out", group="two", commits=commits)
    edges = edge(0, left, left_end, Partitioning.HASH), edge(1, right, right_end, Partitioning.HASH)
    return graph((left, left_end, right, right_end), edges, job=job)


def forward_only(parallelism: int = 2, *, job: JobId = JOB) -> JobGraph:
    """Source -> sink one to one: as many regions as its parallelism."""
    start, end = source(parallelism), sink(parallelism)
    return graph((start, end), (edge(0, start, end, Partitioning.FORWARD),), job=job)


def with_parallelism(job: JobGraph, parallelism: int) -> JobGraph:
    """The same job at another parallelism."""
    return replace(job, vertices=tuple(replace(vertex, parallelism=parallelism) for vertex in job.vertices))
