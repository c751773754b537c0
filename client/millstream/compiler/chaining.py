"""Which operators share a vertex (ARCHITECTURE 2). A chain is a tree: an operator may keep all of its consumers.

Two operators are chained when the edge between them is `forward`, parallelism, maximal parallelism and slot-sharing
group agree, the downstream one has no other input, and neither end forbids it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from millstream.compiler.stream_graph import StreamEdge, StreamGraph, StreamNode
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.chain import HEAD
from millstream_dataflow.types import TypeInformation


@dataclass(frozen=True, slots=True)
class Link:
    """One operator in its chain: the position of its parent there, and which output of it the operator takes."""

    node: StreamNode
    parent: int = HEAD
    tag: str = ""
    tag_type: TypeInformation[Any] | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The operators of one vertex, parents first."""

    links: tuple[Link, ...]

    @property
    def head(self) -> StreamNode:
        """The operator that takes the vertex's input."""
        return self.links[0].node

    def position(self, number: int) -> int:
        """Where in the chain the operator of that number stands."""
        return next(position for position, link in enumerate(self.links) if link.node.number == number)

    @property
    def name(self) -> str:
        """Flink's spelling of the tree: `Source -> (Map -> Sink, Filter)`."""
        children: dict[int, list[int]] = {}
        for position, link in enumerate(self.links):
            children.setdefault(link.parent, []).append(position)
        return _spelled(self, 0, children)


def build_chains(
    graph: StreamGraph, *, chaining: bool = True, apart: Collection[int] = frozenset()
) -> tuple[Chain, ...]:
    """Every operator in exactly one chain; chains stand in the order of their heads. `apart`: the numbers of operators
    that begin a chain whatever stands before them.
    """
    members: dict[int, list[Link]] = {}
    head_of: dict[int, int] = {}
    positions: dict[int, int] = {}
    for number, node in graph.nodes.items():
        edge = _chained_edge(graph, node) if chaining and number not in apart else None
        head = number if edge is None else head_of[edge.source]
        chain = members.setdefault(head, [])
        head_of[number] = head
        positions[number] = len(chain)
        chain.append(Link(node) if edge is None else _link(node, positions[edge.source], edge))
    return tuple(Chain(tuple(links)) for links in members.values())


def _link(node: StreamNode, parent: int, edge: StreamEdge) -> Link:
    return Link(node, parent, edge.tag, edge.type if edge.tag else None)


def _chained_edge(graph: StreamGraph, node: StreamNode) -> StreamEdge | None:
    """The edge along which an operator joins the chain of its input."""
    edges = graph.inputs(node.number)
    if len(edges) != 1:
        return None
    [edge] = edges
    return edge if _can_chain(graph.nodes[edge.source], edge, node) else None


def _can_chain(source: StreamNode, edge: StreamEdge, target: StreamNode) -> bool:
    return (
        edge.partitioning is Partitioning.FORWARD
        and source.parallelism == target.parallelism
        and source.max_parallelism == target.max_parallelism
        and source.slot_sharing_group == target.slot_sharing_group
        and source.operator.chain_with_outputs
        and target.operator.chain_with_input
    )


def _spelled(chain: Chain, position: int, children: Mapping[int, list[int]]) -> str:
    """The subtree below an operator. Long chains stay flat: only a branch opens a parenthesis."""
    names = [chain.links[position].node.name]
    while len(below := children.get(position, [])) == 1:
        [position] = below
        names.append(chain.links[position].node.name)
    if below:
        names.append(f"({', '.join(_spelled(chain, child, children) for child in below)})")
    return " -> ".join(names)
