"""A program's plan in Flink's JSON form, as its plan visualizer and other tools of Flink's read it: operators as they
were written, before they are chained into tasks.

`ship_strategy` has the names of Flink's partitioners. `side` says which input of the operator a stream feeds, `first`
or `second`; Flink itself says `second` of all.
"""

from typing import Any

from millstream.compiler.stream_graph import StreamEdge, StreamGraph, StreamNode, is_source
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import EnumeratorSpecification, SinkSpecification


def plan_as_flinks(graph: StreamGraph) -> dict[str, Any]:
    """What `json.dumps` makes Flink's execution plan of."""
    return {"nodes": [_node(node, graph.inputs(node.number)) for node in graph.nodes.values() if not _is_within(node)]}


def _is_within(node: StreamNode) -> bool:
    """A source is one node, with the enumerator of its splits, as in Flink."""
    return isinstance(node.operator.specification, EnumeratorSpecification)


def _node(node: StreamNode, inputs: list[StreamEdge]) -> dict[str, Any]:
    """One operator."""
    shown: dict[str, Any] = {
        "id": node.number,
        "type": node.name,
        "pact": _pact(node),
        "contents": node.operator.description or node.name,
        "parallelism": node.parallelism,
    }
    streams = [edge for edge in inputs if edge.partitioning is not Partitioning.SPLITS]
    if streams:
        shown["predecessors"] = [_predecessor(edge) for edge in streams]
    return shown


def _pact(node: StreamNode) -> str:
    """Flink's word for what an operator is to the job."""
    if is_source(node.operator):
        return "Data Source"
    return "Data Sink" if isinstance(node.operator.specification, SinkSpecification) else "Operator"


def _predecessor(edge: StreamEdge) -> dict[str, Any]:
    side = "second" if edge.input else "first"
    return {"id": edge.source, "ship_strategy": edge.partitioning.name, "side": side}
