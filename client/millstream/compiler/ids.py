"""Operator ids: they name state in checkpoints, and so must be the same in the next version of a program.

With a uid the id is a digest of it and of nothing else. Without one it is a digest of what the operator is (its kind,
for sources and sinks their class) and where it stands (the ids of its inputs), so what is added elsewhere in the
program changes nothing; of several operators that are equal in both (twins), the order of the calls decides. That is
all there is to go by, and one more twin before them shifts it: whoever keeps state under such an id is told to the
user. Parallelism, names, partitioning and chaining don't count: a job that is rescaled keeps its state. The idea is
that of Flink's StreamGraphHasher, which also counts the operators before, and so is less stable.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from millstream.compiler.checks import key_of
from millstream.compiler.naming import kind, label
from millstream.compiler.stream_graph import StreamEdge, StreamGraph, StreamNode
from millstream_dataflow.identity import OperatorId
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    OperatorSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
    source_of,
)
from millstream_dataflow.state import CheckpointedFunction

ID_DIGITS = 32
_NAMED_AT_MOST = 5
"""Operators in one warning; the first that get a uid often settle the others."""


def operator_ids(graph: StreamGraph) -> dict[int, OperatorId]:
    """The id of every node, by number."""
    ids: dict[int, OperatorId] = {}
    twins: Counter[str] = Counter()
    for node in graph.nodes.values():
        uid = node.operator.uid
        if uid is not None:
            ids[node.number] = id_of_uid(uid)
        elif (reader_uid := _uid_of_reader(graph, node)) is not None:
            ids[node.number] = _digest("splits", reader_uid)
        else:
            place = _place(graph, node, ids)
            ids[node.number] = _digest("place", place, str(twins[place]))
            twins[place] += 1
    return ids


def known_by_order(graph: StreamGraph, ids: Mapping[int, OperatorId]) -> list[StreamNode]:
    """The operators with state whose ids depend on the order of the calls: those that have a twin or stand behind one,
    with no uid between.
    """
    unnamed = [
        node for node in graph.nodes.values() if node.operator.uid is None and _uid_of_reader(graph, node) is None
    ]
    places = {node.number: _place(graph, node, ids) for node in unnamed}
    twins = Counter(places.values())
    unsure: set[int] = set()
    for node in unnamed:
        behind = any(edge.source in unsure for edge in graph.inputs(node.number))
        if behind or twins[places[node.number]] > 1:
            unsure.add(node.number)
    return [node for node in unnamed if node.number in unsure and _keeps_state(node)]


def order_warning(nodes: Sequence[StreamNode]) -> str:
    """What the user is told of operators that are known by their order alone."""
    names = [f"{label(node.operator, node.name)} ({node.defined_at})" for node in nodes[:_NAMED_AT_MOST]]
    more = f" and {len(nodes) - len(names)} more" if len(nodes) > len(names) else ""
    return (
        f"only the order of the calls tells which state belongs to {', '.join(names)}{more}: a version of this program "
        "that makes an equal operator before them would restore the state of another one; call uid(...) on each"
    )


def id_of_uid(uid: str) -> OperatorId:
    """The id of an operator with that uid, in every program."""
    return OperatorId(hashlib.sha256(uid.encode()).hexdigest()[:ID_DIGITS])


def _keeps_state(node: StreamNode) -> bool:
    """Something is restored for it. An enumerator's state is lost and found with its reader's."""
    specification = node.operator.specification
    match specification:
        case ReaderSpecification() | TimestampsSpecification() | CollectSpecification():
            return True
        case SinkSpecification(sink=sink):
            return sink.commits_outside or sink.writer_keeps_state
        case _:
            function: object = getattr(specification, "function", None)
            is_broadcast = bool(getattr(specification, "states", ()))
            return key_of(node) is not None or is_broadcast or isinstance(function, CheckpointedFunction)


def _uid_of_reader(graph: StreamGraph, node: StreamNode) -> str | None:
    """An enumerator has its reader's uid: the user sees one operator."""
    if not isinstance(node.operator.specification, EnumeratorSpecification):
        return None
    return next((graph.nodes[edge.target].operator.uid for edge in graph.outputs(node.number)), None)


def _place(graph: StreamGraph, node: StreamNode, ids: Mapping[int, OperatorId]) -> str:
    inputs = sorted(_way(edge, ids) for edge in graph.inputs(node.number))
    specification = node.operator.specification
    return json.dumps([kind(specification), _connector(specification), inputs])


def _way(edge: StreamEdge, ids: Mapping[int, OperatorId]) -> tuple[str, ...]:
    """Of what has one input the same as ever; but `a.connect(b)` is another operator than `b.connect(a)`."""
    way = (ids[edge.source], edge.tag)
    return (*way, str(edge.input)) if edge.input else way


def _connector(specification: OperatorSpecification) -> str:
    connector = specification.sink if isinstance(specification, SinkSpecification) else source_of(specification)
    return "" if connector is None else f"{type(connector).__module__}.{type(connector).__qualname__}"


def _digest(*parts: str) -> OperatorId:
    # JSON of a list is no uid that a person would write, so the two kinds of ids can't meet.
    return OperatorId(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:ID_DIGITS])
