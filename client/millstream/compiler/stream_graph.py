"""The program as a graph: operators are nodes; partitions, unions and side outputs have become edges.

Names and rules are Flink's: a partition that was named last counts; without one, records are passed straight on where
the parallelism of both ends agrees, and dealt out in turn where it doesn't; an operator is in the slot-sharing group
of its inputs when they agree, else in `default`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from millstream.compiler.naming import enumerator_name
from millstream.errors import CycleError, EmptyProgramError
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import execution
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.keys import default_max_parallelism
from millstream_dataflow.operators.specifications import EnumeratorSpecification, KeySelection, ReaderSpecification
from millstream_dataflow.transformations import (
    OperatorTransformation,
    PartitionTransformation,
    Program,
    SideOutputTransformation,
    Transformation,
    UnionTransformation,
)
from millstream_dataflow.types import TypeInformation

DEFAULT_SLOT_SHARING_GROUP = "default"


@dataclass(frozen=True, slots=True)
class StreamNode:
    """An operator with its settings decided."""

    operator: OperatorTransformation
    name: str
    parallelism: int
    max_parallelism: int
    slot_sharing_group: str
    defined_at: str

    @property
    def number(self) -> int:
        """Identifies the node: its transformation's number."""
        return self.operator.number


@dataclass(frozen=True, slots=True)
class StreamEdge:
    """How records travel between two operators."""

    source: int
    target: int
    partitioning: Partitioning
    tag: str = ""
    type: TypeInformation[Any] | None = None
    key: KeySelection | None = None
    partitioner: Callable[[Any, int], int] | None = None
    defined_at: str = ""
    """Where the user chose the partitioning; empty where nobody did."""
    input: int = 0
    """Which input of the target it feeds: operators of connected streams have two."""


@dataclass(frozen=True, slots=True)
class _Link:
    """An edge before its partitioning is decided."""

    source: int
    target: int
    tag: str
    type: TypeInformation[Any] | None
    chosen: PartitionTransformation | None
    input: int


@dataclass(frozen=True, slots=True)
class StreamGraph:
    """Nodes in an order in which inputs come first, and edges in the order of their targets' inputs."""

    nodes: Mapping[int, StreamNode]
    edges: tuple[StreamEdge, ...]
    _inputs: dict[int, list[StreamEdge]] = field(init=False, repr=False, default_factory=dict[int, list[StreamEdge]])
    _outputs: dict[int, list[StreamEdge]] = field(init=False, repr=False, default_factory=dict[int, list[StreamEdge]])

    def __post_init__(self) -> None:
        for edge in self.edges:
            self._inputs.setdefault(edge.target, []).append(edge)
            self._outputs.setdefault(edge.source, []).append(edge)

    def inputs(self, node: int) -> list[StreamEdge]:
        """The edges into a node."""
        return self._inputs.get(node, [])

    def outputs(self, node: int) -> list[StreamEdge]:
        """The edges out of a node."""
        return self._outputs.get(node, [])


def build_stream_graph(program: Program, configuration: Configuration) -> StreamGraph:
    """The graph of everything that the program's operators need.

    A source that nobody reads is left out, as in Flink. EmptyProgramError when nothing else is there, CycleError when a
    stream feeds itself.
    """
    operators = _reachable(program)
    links = {operator.number: _links(operator) for operator in operators}
    nodes: dict[int, StreamNode] = {}
    for operator in operators:
        groups = [nodes[link.source].slot_sharing_group for link in links[operator.number]]
        nodes[operator.number] = _node(operator, groups, configuration)
    edges = tuple(_edge(link, nodes) for group in links.values() for link in group)
    _follow_readers(nodes, edges)
    return StreamGraph(nodes, edges)


def _node(operator: OperatorTransformation, groups: Iterable[str], configuration: Configuration) -> StreamNode:
    parallelism = operator.fixed_parallelism or operator.parallelism or configuration.get(execution.PARALLELISM)
    return StreamNode(
        operator,
        operator.name,
        parallelism,
        operator.max_parallelism or _max_parallelism(parallelism, configuration),
        operator.slot_sharing_group or _common(groups),
        operator.defined_at,
    )


def _max_parallelism(parallelism: int, configuration: Configuration) -> int:
    chosen = configuration.get(execution.MAX_PARALLELISM)
    return chosen if chosen > 0 else default_max_parallelism(parallelism)


def _common(groups: Iterable[str]) -> str:
    distinct = set(groups)
    return distinct.pop() if len(distinct) == 1 else DEFAULT_SLOT_SHARING_GROUP


def _follow_readers(nodes: dict[int, StreamNode], edges: Iterable[StreamEdge]) -> None:
    """An enumerator is no operator that a user sees: its name, place and slot-sharing group follow its reader's."""
    for edge in edges:
        enumerator, reader = nodes[edge.source], nodes[edge.target]
        if isinstance(enumerator.operator.specification, EnumeratorSpecification):
            nodes[edge.source] = replace(
                enumerator,
                name=enumerator_name(reader.name),
                slot_sharing_group=reader.slot_sharing_group,
                defined_at=reader.defined_at,
            )


def _edge(link: _Link, nodes: Mapping[int, StreamNode]) -> StreamEdge:
    """The link with its partitioning: the chosen one, else Flink's default."""
    agree = nodes[link.source].parallelism == nodes[link.target].parallelism
    default = Partitioning.FORWARD if agree else Partitioning.REBALANCE
    edge = StreamEdge(link.source, link.target, default, link.tag, link.type, input=link.input)
    if (chosen := link.chosen) is None:
        return edge
    return replace(
        edge,
        partitioning=chosen.partitioning,
        key=chosen.key,
        partitioner=chosen.partitioner,
        defined_at=chosen.defined_at,
    )


# -------------------------------------------------------------------------------------- from transformations


def is_source(operator: OperatorTransformation) -> bool:
    """Whether the operator gets records from outside the job."""
    return isinstance(operator.specification, EnumeratorSpecification | ReaderSpecification)


def _reachable(program: Program) -> list[OperatorTransformation]:
    """The operators that do something, and all that they read from: inputs first, in the order of the user's calls."""
    roots = [operator for operator in program.operators if not is_source(operator)]
    if not roots:
        raise EmptyProgramError(
            "there is nothing to execute: the program has made no operator since it last called execute()"
            if not program.operators
            else "there is nothing to execute: nothing reads what the sources give",
            "give a stream a sink, for example print(), before execute()",
        )
    done: dict[int, Transformation] = {}
    for root in roots:
        _visit(root, done)
    operators = (step for step in done.values() if isinstance(step, OperatorTransformation))
    # Numbers are the order of the calls, and a stream has the number of none before it. The order of the walk would
    # depend on which branch reads a source first, and so would ids, by which state is found.
    return sorted(operators, key=lambda operator: operator.number)


def _visit(root: Transformation, done: dict[int, Transformation]) -> None:
    """Depth first, without recursion: a program may be a chain of thousands of calls."""
    path: dict[int, Transformation] = {}
    stack: list[tuple[Transformation, bool]] = [(root, False)]
    while stack:
        transformation, left = stack.pop()
        number = transformation.number
        if left:
            del path[number]
            done[number] = transformation
        elif number in path:
            raise _cycle([*path.values()], transformation)
        elif number not in done:
            path[number] = transformation
            stack.append((transformation, True))
            stack.extend((origin, False) for origin in reversed(transformation.inputs))


def _cycle(path: list[Transformation], again: Transformation) -> CycleError:
    circle = [*path[path.index(again) :], again]
    operators = [step for step in reversed(circle) if isinstance(step, OperatorTransformation)]
    names = " -> ".join(f"{step.name} ({step.defined_at})" if step.defined_at else step.name for step in operators)
    return CycleError(f"the program has a cycle: {names}", "streams can't feed themselves; cut it")


def _links(operator: OperatorTransformation) -> list[_Link]:
    inputs = enumerate(operator.inputs)
    return [link for number, origin in inputs for link in _resolve(origin, operator.number, number)]


def _resolve(origin: Transformation, target: int, number: int) -> Iterator[_Link]:
    """The operators behind a stream. Of several partitions the one nearest to the target was named last, and counts."""
    chosen: PartitionTransformation | None = None
    tag = ""
    step = origin
    while isinstance(step, PartitionTransformation | SideOutputTransformation):
        if isinstance(step, SideOutputTransformation):
            tag = step.tag
        elif chosen is None:
            chosen = step
        step = step.inputs[0]
    if isinstance(step, UnionTransformation):
        for link in (link for part in step.inputs for link in _resolve(part, target, number)):
            yield link if chosen is None else replace(link, chosen=chosen)
    else:
        yield _Link(step.number, target, tag, origin.type, chosen, number)
