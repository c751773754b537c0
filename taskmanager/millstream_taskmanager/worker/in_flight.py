"""Records in flight: whose barriers may overtake them, and how a task begins with those of its checkpoint.

A channel that is as it was gets its own ones. Where the edge has other channels now, every subtask has all records of
the edge in the same order, deals them out as their sender would, and keeps what comes to itself. So each is taken once,
as long as whoever chooses, a key selector or the user's partitioner, says the same of a record wherever it is asked;
and all come before anything new, so records of one key keep their order.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from millstream_dataflow.identity import ChannelId, EdgeId
from millstream_dataflow.job_graph import Edge, Exchange, Partitioning
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.plan import IN_ORDER, POINTWISE
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_dataflow.words import counted
from millstream_runtime.checkpoint_files import CorruptCheckpointError
from millstream_taskmanager.exchange.codecs.batches import ChannelCodec
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.in_flight import StoredElement, read_stored
from millstream_taskmanager.exchange.partitioners import Partitioner, Place, make_partitioner
from millstream_taskmanager.operators.base import label
from millstream_taskmanager.task.in_flight import Overtaking
from millstream_taskmanager.task.restored import StoredRecords
from millstream_taskmanager.worker.orders import Orders

CodecOf = Callable[[Edge], ChannelCodec]


def overtaking(after: int, incoming: Sequence[Edge], outgoing: Sequence[Edge], codec_of: CodecOf) -> Overtaking:
    """How the barriers of one task may overtake. `after`: see Overtaking."""
    return Overtaking(after, {edge.id: codec_of(edge) for edge in (*incoming, *outgoing) if may_overtake(edge)})


def may_overtake(edge: Edge) -> bool:
    """Whether barriers may overtake records on an edge."""
    return edge.partitioning not in IN_ORDER and edge.exchange is Exchange.PIPELINED


class InFlightRestorer:
    """Gives the tasks of one process what was in flight."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._edges = {edge.id: edge for edge in orders.plan.graph.edges}

    def restore(self, gate: Gate, index: int, stored: Sequence[StoredRecords], codec_of: CodecOf) -> None:
        """Into the gate of subtask `index`. CorruptCheckpointError when records are missing or can't be read."""
        dealers: dict[EdgeId, Partitioner] = {}
        for one in stored:
            edge = self._edges[one.edge]
            elements = self._read(one, codec_of(edge))
            if not one.shared:
                channel = ChannelId(edge.id, one.channel.source, one.channel.target)
                gate.restore(gate.channels.index(channel), elements)
                continue
            dealer = dealers.get(edge.id) or dealers.setdefault(edge.id, self._dealer(edge))
            positions = [position for position, channel in enumerate(gate.channels) if channel.edge == edge.id]
            gate.restore(positions[one.channel.source % len(positions)], _dealt(dealer, elements, index))

    def _read(self, one: StoredRecords, codec: ChannelCodec) -> list[StoredElement]:
        try:
            elements = list(read_stored(codec, one.items))
        except ExchangeError as error:
            text = f"the records in flight of {one.channel} can't be read: {error}; if their type was changed, go on "
            raise CorruptCheckpointError(f"{text}from a savepoint, which holds none") from error
        found = sum(len(element) for element in elements if isinstance(element, RowBatch | ColumnBatch))
        if found != one.records:
            text = f"{counted(found, 'record')} in flight of {one.channel} were found, and {one.records} were stored"
            raise CorruptCheckpointError(text)
        return elements

    def _dealer(self, edge: Edge) -> Partitioner:
        """The partitioner of the edge, the same in every subtask that asks."""
        orders = self._orders
        # As in deployment: whoever can submit a job can run code here.
        functions = orders.blob(orders.plan.vertices[edge.source].functions)
        specification: ChainSpecification = pickle.loads(functions)  # noqa: S301  # see above
        output = next(output for output in specification.outputs if output.edge == edge.id)
        target = orders.plan.vertices[edge.target]
        operator = label(specification.nodes[output.node])
        place = Place(0, target.parallelism, target.max_parallelism, operator)
        # It was none of these when the records were stored: they are for any receiver.
        partitioning = Partitioning.REBALANCE if edge.partitioning in POINTWISE else edge.partitioning
        return make_partitioner(partitioning, output, place, np.random.default_rng(edge.id))


def _dealt(dealer: Partitioner, elements: Sequence[StoredElement], index: int) -> Iterator[Batch]:
    """What of it comes to a subtask. Watermarks don't: they told of one channel, which isn't there any more."""
    for element in elements:
        if isinstance(element, RowBatch | ColumnBatch):
            yield from (part for target, part in dealer.deal(element) if target == index)
