"""The last step: a job graph without user code in it, and beside it the blobs that hold all user code."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from millstream.compiler.batch import chains_of, exchange_of, has_stages, is_batch, with_mode
from millstream.compiler.chaining import Chain
from millstream.compiler.checks import check_graph, check_size, key_of
from millstream.compiler.ids import known_by_order, operator_ids, order_warning
from millstream.compiler.modules import collect_modules
from millstream.compiler.naming import kind, label
from millstream.compiler.pickling import blob_of, by_value, pickle_chain
from millstream.compiler.silent_windows import silent_windows
from millstream.compiler.source_files import ProgramFiles
from millstream.compiler.stream_graph import StreamEdge, StreamGraph, StreamNode, build_stream_graph
from millstream_dataflow.configuration import Configuration, Scope
from millstream_dataflow.configuration.options import checkpointing, recovery
from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.identity import Digest, EdgeId, JobId, OperatorId, VertexId
from millstream_dataflow.job_graph import Artifact, BlobRef, Edge, JobGraph, OperatorSummary, Vertex
from millstream_dataflow.operators.chain import ChainInput, ChainNode, ChainOutput, ChainSpecification
from millstream_dataflow.operators.grouped import batch_form
from millstream_dataflow.operators.specifications import (
    OperatorSpecification,
    ReaderSpecification,
    SinkSpecification,
    source_of,
)
from millstream_dataflow.time.alignment import WatermarkAlignment
from millstream_dataflow.transformations import Program
from millstream_runtime.versions import own_versions

_log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True)
class CompileSettings:
    """What a compilation needs beside the program."""

    job: JobId
    name: str
    configuration: Configuration = field(default_factory=Configuration)
    files: ProgramFiles = field(default_factory=ProgramFiles)


@dataclass(frozen=True, slots=True)
class CompiledJob:
    """A graph, the bytes it refers to, and the id of each operator by its transformation's number."""

    graph: JobGraph
    blobs: Mapping[Digest, bytes]
    operators: Mapping[int, OperatorId]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The program laid out: what vertices and edges are made from."""

    chains: tuple[Chain, ...]
    ids: Mapping[int, OperatorId]
    heads: Mapping[int, int]
    """The head of each operator's chain, by number."""
    edges: tuple[tuple[Edge, StreamEdge], ...]
    """Those between vertices, each with what it was made from."""
    batch: bool
    """Whether operators run in their batch form."""


def compile_program(program: Program, settings: CompileSettings) -> CompiledJob:
    """A program as a job; ProgramError for one that can't be. The same program gives the same bytes, the id apart."""
    graph = build_stream_graph(program, settings.configuration)
    configuration = with_mode(graph, settings.configuration)
    check_graph(graph, configuration)
    layout = _lay_out(graph, configuration)
    if not layout.batch:
        _warn_of_order(graph, layout, configuration)
        for warning in silent_windows(graph):
            _log.warning("%s", warning)
    blobs: dict[Digest, bytes] = {}
    modules = collect_modules(settings.files, dict(sys.modules))
    artifacts = tuple(Artifact(archive.name, _keep(archive.data, blobs)) for archive in modules.archives)
    with by_value(modules.by_value):
        functions = [pickle_chain(*_specification(chain, layout)) for chain in layout.chains]
    vertices = tuple(
        _vertex(chain, layout, _keep(data, blobs)) for chain, data in zip(layout.chains, functions, strict=True)
    )
    check_size(vertices, artifacts, configuration)
    job_graph = JobGraph(
        settings.job,
        settings.name,
        vertices,
        tuple(edge for edge, _ in layout.edges),
        own_versions(),
        configuration.to_strings((Scope.JOB,)),
        artifacts,
    )
    return CompiledJob(job_graph, blobs, layout.ids)


def _warn_of_order(graph: StreamGraph, layout: _Layout, configuration: Configuration) -> None:
    """Said where state will be stored, or is to be restored: elsewhere it doesn't matter whose it is."""
    stored = configuration.get(checkpointing.INTERVAL) is not None
    restored = configuration.get(recovery.PATH) is not None
    if (stored or restored) and (nodes := known_by_order(graph, layout.ids)):
        _log.warning("%s", order_warning(nodes))


def _keep(data: bytes, blobs: dict[Digest, bytes]) -> BlobRef:
    reference = blob_of(data)
    blobs[reference.digest] = data
    return reference


def _lay_out(graph: StreamGraph, configuration: Configuration) -> _Layout:
    chains = chains_of(graph, configuration)
    stages = has_stages(configuration)
    ids = operator_ids(graph)
    heads = {link.node.number: chain.head.number for chain in chains for link in chain.links}
    between = [edge for edge in graph.edges if heads[edge.target] == edge.target]
    edges = (
        (
            Edge(
                EdgeId(number),
                VertexId(ids[heads[edge.source]]),
                VertexId(ids[edge.target]),
                edge.partitioning,
                exchange_of(edge.partitioning, stages=stages),
                tag=edge.tag,
                input=edge.input,
            ),
            edge,
        )
        for number, edge in enumerate(between)
    )
    return _Layout(chains, ids, heads, tuple(edges), is_batch(configuration))


def _specification(chain: Chain, layout: _Layout) -> tuple[ChainSpecification, list[str]]:
    """What the worker runs, and how errors name its operators."""
    nodes = tuple(
        ChainNode(
            layout.ids[link.node.number],
            link.node.name,
            batch_form(link.node.operator.specification) if layout.batch else link.node.operator.specification,
            link.parent,
            link.tag,
            link.node.defined_at,
            link.node.operator.type,
            link.tag_type,
        )
        for link in chain.links
    )
    head = chain.head.number
    inputs = tuple(
        ChainInput(edge.id, origin.type, origin.input) for edge, origin in layout.edges if origin.target == head
    )
    outputs = tuple(
        ChainOutput(
            edge.id,
            chain.position(origin.source),
            edge.tag,
            origin.type,
            origin.key,
            origin.partitioner,
            origin.defined_at,
        )
        for edge, origin in layout.edges
        if layout.heads[origin.source] == head
    )
    return ChainSpecification(nodes, inputs, outputs), [
        label(link.node.operator, link.node.name) for link in chain.links
    ]


def _vertex(chain: Chain, layout: _Layout, functions: BlobRef) -> Vertex:
    head = chain.head
    specification = head.operator.specification
    source = source_of(specification)
    triggered = source is not None and not any(origin.target == head.number for _, origin in layout.edges)
    return Vertex(
        VertexId(layout.ids[head.number]),
        chain.name,
        head.parallelism,
        head.max_parallelism,
        head.slot_sharing_group,
        tuple(_summary(link.node, layout.ids) for link in chain.links),
        functions,
        triggered,
        bounded=triggered and source is not None and source.boundedness is Boundedness.BOUNDED,
        alignment=_alignment(specification) if not layout.batch else None,
    )


def _alignment(specification: OperatorSpecification) -> WatermarkAlignment | None:
    return specification.strategy.alignment if isinstance(specification, ReaderSpecification) else None


def _summary(node: StreamNode, ids: Mapping[int, OperatorId]) -> OperatorSummary:
    specification = node.operator.specification
    return OperatorSummary(
        ids[node.number],
        node.name,
        kind(specification),
        node.operator.uid or "",
        keyed=key_of(node) is not None,
        commits_outside=isinstance(specification, SinkSpecification) and specification.sink.commits_outside,
    )
