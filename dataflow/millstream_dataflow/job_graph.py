"""The job graph: what a client submits and what everybody plans from. Values only, no user code inside.

A vertex is a chain of operators that run in one task; an edge says how records travel between two vertices. What the
user wrote travels beside it, one blob per vertex, addressed by its SHA-256; a JobManager never opens it (design 2.3).
Words are Flink's: vertex, edge, parallelism, slot-sharing group, partitioning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from millstream_dataflow.identity import Digest, EdgeId, JobId, OperatorId, VertexId
from millstream_dataflow.time.alignment import WatermarkAlignment

JOB_GRAPH_FORMAT = 1
"""Grows when an older JobManager could misread a graph; it then refuses it by this number."""


class Partitioning(Enum):
    """Which target subtasks a record of a source subtask goes to."""

    FORWARD = "forward"
    HASH = "hash"
    REBALANCE = "rebalance"
    RESCALE = "rescale"
    BROADCAST = "broadcast"
    SHUFFLE = "shuffle"
    GLOBAL = "global"
    CUSTOM = "custom"
    SPLITS = "splits"
    """From a split enumerator to its readers: one credit is one split (law 8.1)."""


class Exchange(Enum):
    """Whether the target runs while the source produces, or after it has finished."""

    PIPELINED = "pipelined"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Bytes kept elsewhere, by content."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A source archive that the worker puts on its import path before it loads functions (law 12.1)."""

    name: str
    blob: BlobRef


@dataclass(frozen=True, slots=True)
class Versions:
    """What must agree between the program and the workers, since functions travel as bytecode."""

    python: str
    millstream: str
    cloudpickle: str
    pyarrow: str


@dataclass(frozen=True, slots=True)
class OperatorSummary:
    """One operator of a chain, as much of it as planning and checkpoints need."""

    id: OperatorId
    name: str
    kind: str
    uid: str = ""
    keyed: bool = False
    commits_outside: bool = False
    """A sink whose commits other systems see: decides about older checkpoints (law 4.6)."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """A chain of operators that run together, `parallelism` times."""

    id: VertexId
    name: str
    parallelism: int
    max_parallelism: int
    slot_sharing_group: str
    operators: tuple[OperatorSummary, ...]
    functions: BlobRef
    triggered: bool = False
    """Takes checkpoint triggers from the coordinator: split enumerators, and sources without one (law 8.2)."""
    bounded: bool = False
    """A source that ends by itself; only meaningful where `triggered`."""
    alignment: WatermarkAlignment | None = None
    """The sources that this one keeps together with in event time, if it is one that does."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How records travel from the tasks of one vertex to those of another."""

    id: EdgeId
    source: VertexId
    target: VertexId
    partitioning: Partitioning
    exchange: Exchange = Exchange.PIPELINED
    tag: str = ""
    """The side output it carries; empty for the main output. Each tag is an edge of its own (law 10.2)."""
    input: int = 0
    """Which input of the target it feeds, for people; the worker obeys what its chain says."""


@dataclass(frozen=True, slots=True)
class JobGraph:
    """A whole job. `configuration` holds the job's own options as `key -> value` strings."""

    job: JobId
    name: str
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    versions: Versions
    configuration: Mapping[str, str] = field(default_factory=dict[str, str])
    artifacts: tuple[Artifact, ...] = ()
    format: int = JOB_GRAPH_FORMAT

    def vertex(self, vertex: VertexId) -> Vertex:
        """The vertex of that id; KeyError when there is none."""
        for candidate in self.vertices:
            if candidate.id == vertex:
                return candidate
        raise KeyError(vertex)
