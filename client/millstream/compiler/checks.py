"""What is refused before anything is submitted. Each check raises at the first mistake, with its mend.

Cycles and programs without anything to do are found earlier, where the graph is built (`stream_graph`); functions
that can't travel later, where they are pickled (`pickling`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from millstream.compiler.batch import is_unbounded
from millstream.compiler.naming import label
from millstream.compiler.stream_graph import StreamGraph, StreamNode, build_stream_graph, is_source
from millstream.errors import (
    CheckpointingRequiredError,
    DuplicateUidError,
    EndlessInlineError,
    KeyedStreamRequiredError,
    KeyTypeError,
    MissingUidError,
    ParallelismError,
    PartitioningError,
    ProgramError,
    SizeLimitError,
)
from millstream_dataflow.configuration import Configuration, ConfigurationError, overtaking_conflict
from millstream_dataflow.configuration.options import checkpointing, client, execution, jobmanager
from millstream_dataflow.configuration.options.execution import MAX_PARALLELISM_LIMIT
from millstream_dataflow.job_graph import Artifact, Partitioning, Vertex
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    KeySelection,
    ReaderSpecification,
    SinkSpecification,
    selections_of,
    source_of,
)
from millstream_dataflow.transformations import Program

_ELSEWHERE: Final = f"{client.TARGET.key}: embedded or remote"

Check = Callable[[StreamGraph, Configuration], None]


def check_graph(graph: StreamGraph, configuration: Configuration) -> None:
    """Refuse a graph that can't run, or could not be recovered."""
    for check in _CHECKS:
        check(graph, configuration)


def check_ends(program: Program, configuration: Configuration) -> None:
    """EndlessInlineError for a program with an unbounded source: inline, a job ends before its handle is there."""
    for node in filter(is_unbounded, build_stream_graph(program, configuration).nodes.values()):
        what = "inline, execute_async returns when the job has ended, and this source never ends"
        mend = f"use execute(), which Ctrl-C ends, or execute_and_collect(), or run the job on a cluster ({_ELSEWHERE})"
        raise EndlessInlineError(what, mend, **_place(node))


def check_size(vertices: Iterable[Vertex], artifacts: Sequence[Artifact], configuration: Configuration) -> None:
    """Refuse a job that a cluster of this configuration would not take."""
    ordered = sorted(vertices, key=lambda vertex: vertex.functions.size, reverse=True)
    size, limit = sum(vertex.functions.size for vertex in ordered), configuration.get(jobmanager.MAX_GRAPH_SIZE)
    if size > limit:
        what = (
            f"the job's functions take {size} bytes, more than the {limit} that {jobmanager.MAX_GRAPH_SIZE.key} "
            f"allows; the largest vertex is {ordered[0].name} with {ordered[0].functions.size}"
        )
        raise SizeLimitError(what, "read big data in open() or from a source instead of carrying it in a function")
    limit = configuration.get(jobmanager.MAX_ARTIFACT_SIZE)
    for artifact in artifacts:
        if artifact.blob.size > limit:
            what = f"{artifact.name} has {artifact.blob.size} bytes"
            what += f", more than the {limit} that {jobmanager.MAX_ARTIFACT_SIZE.key} allows"
            raise SizeLimitError(what, "install it where the TaskManagers run")


def key_of(node: StreamNode) -> KeySelection | None:
    """How a keyed operator finds a record's key (of its first input that has keys); None for one that needs none."""
    return next(iter(selections_of(node.operator.specification).values()), None)


def _place(node: StreamNode) -> dict[str, str]:
    return {"operator": label(node.operator), "defined_at": node.defined_at}


def _uids(graph: StreamGraph, _configuration: Configuration) -> None:
    owners: dict[str, StreamNode] = {}
    for node in graph.nodes.values():
        uid = node.operator.uid
        if uid is None:
            continue
        other = owners.setdefault(uid, node)
        if other is not node:
            what = f"its uid {uid!r} is also that of {label(other.operator)} ({other.defined_at})"
            raise DuplicateUidError(what, "give each operator a uid of its own: state is found by it", **_place(node))


def _function_of(specification: object) -> object:
    return getattr(specification, "function", None)


def _uids_of_all(graph: StreamGraph, configuration: Configuration) -> None:
    """Those that no user sees need none."""
    if configuration.get(execution.AUTO_GENERATE_UIDS):
        return
    for node in graph.nodes.values():
        specification = node.operator.specification
        ours = isinstance(specification, EnumeratorSpecification | CollectSpecification)
        if node.operator.uid is None and not ours and getattr(_function_of(specification), "needs_uid", True):
            what = f"it has no uid, and {execution.AUTO_GENERATE_UIDS.key} is false"
            raise MissingUidError(what, 'give it one: .uid("...")', **_place(node))


def _parallelism(graph: StreamGraph, _configuration: Configuration) -> None:
    for node in graph.nodes.values():
        fixed, wished = node.operator.fixed_parallelism, node.operator.parallelism
        if fixed is not None and wished not in {None, fixed}:
            what = f"it runs with parallelism {fixed} alone, not with {wished}"
            raise ParallelismError(what, "leave out set_parallelism", **_place(node))
        if not 1 <= node.parallelism <= MAX_PARALLELISM_LIMIT:
            what = f"parallelism {node.parallelism} is not in 1 to {MAX_PARALLELISM_LIMIT}"
            raise ParallelismError(what, "choose one that is", **_place(node))
        if node.parallelism > node.max_parallelism:
            what = f"its parallelism {node.parallelism} is above its max parallelism {node.max_parallelism}"
            mend = "lower the one or raise the other (set_max_parallelism, pipeline.max-parallelism)"
            raise ParallelismError(what, mend, **_place(node))


def _inputs(graph: StreamGraph, _configuration: Configuration) -> None:
    for node in graph.nodes.values():
        edges = graph.inputs(node.number)
        if not is_source(node.operator):
            if not edges:
                raise ProgramError("it has no input", "take it from a stream that begins at a source", **_place(node))
            continue
        source = source_of(node.operator.specification)
        reads_splits = isinstance(node.operator.specification, ReaderSpecification) and source is not None
        if reads_splits and source is not None and source.has_enumerator != bool(edges):
            raise ProgramError("its source and its enumerator don't belong together", "use from_source", **_place(node))


def _keyed(graph: StreamGraph, _configuration: Configuration) -> None:
    for node in graph.nodes.values():
        keyed = selections_of(node.operator.specification)
        for edge in graph.inputs(node.number):
            if edge.input in keyed and (edge.partitioning is not Partitioning.HASH or edge.key is None):
                what = f"it works per key, but gets its records from {label(graph.nodes[edge.source].operator)} unkeyed"
                raise KeyedStreamRequiredError(what, "call key_by(...) directly before it", **_place(node))


def _key_types(graph: StreamGraph, _configuration: Configuration) -> None:
    for edge in graph.edges:
        if edge.key is None or edge.key.type is None or edge.partitioning is not Partitioning.HASH:
            continue
        if problem := edge.key.type.key_problem():
            node = graph.nodes[edge.target]
            raise KeyTypeError(
                f"its key is declared as {edge.key.type}, which can't be one: {problem}",
                "let the key selector return something that can",
                operator=label(node.operator),
                defined_at=edge.defined_at or node.defined_at,
            )


def _partitioning(graph: StreamGraph, _configuration: Configuration) -> None:
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        if edge.partitioning is Partitioning.FORWARD and source.parallelism != target.parallelism:
            what = (
                f"forward passes records on within one subtask, but {label(source.operator)} has parallelism "
                f"{source.parallelism} and this operator {target.parallelism}"
            )
            mend = "give both the same parallelism, or use rebalance() or rescale()"
            raise PartitioningError(what, mend, operator=label(target.operator), defined_at=edge.defined_at)
        if edge.partitioning is Partitioning.CUSTOM and (edge.partitioner is None or edge.key is None):
            what = "custom partitioning needs a partitioner and a key selector"
            raise PartitioningError(what, "use partition_custom(partitioner, key_selector)", defined_at=edge.defined_at)


def _overtaking(_graph: StreamGraph, configuration: Configuration) -> None:
    if (problem := overtaking_conflict(configuration)) is not None:
        raise ConfigurationError(problem)


def _commits(graph: StreamGraph, configuration: Configuration) -> None:
    """Law 5.4: what such a sink has written would stay invisible for ever."""
    if configuration.get(checkpointing.INTERVAL) is not None:
        return
    unbounded = next(filter(is_unbounded, graph.nodes.values()), None)
    for node in graph.nodes.values():
        specification = node.operator.specification
        if unbounded and isinstance(specification, SinkSpecification) and specification.sink.commits_outside:
            what = (
                f"it shows its output at each checkpoint, there are none, and {label(unbounded.operator)} "
                f"({unbounded.defined_at}) never ends"
            )
            mend = "call enable_checkpointing(interval) or set execution.checkpointing.interval"
            raise CheckpointingRequiredError(what, mend, **_place(node))


_CHECKS: Final[tuple[Check, ...]] = (
    _inputs,
    _uids,
    _uids_of_all,
    _parallelism,
    _keyed,
    _key_types,
    _partitioning,
    _overtaking,
    _commits,
)
