"""From a job graph to the tasks of one process: functions unpickled, gates and channels made, operators tied together.

Graph and plan say everything; the JobManager planned with the same function, so nothing is negotiated. Each subtask
unpickles its chain for itself: function objects of two subtasks have nothing in common, as if in two processes.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from millstream_dataflow.identity import (
    ChannelId,
    EdgeId,
    SubtaskId,
    TaskId,
    VertexId,
    WorkerId,
    worker_id,
)
from millstream_dataflow.job_graph import Edge, Exchange, Partitioning
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.operators.specifications import EnumeratorSpecification, ReaderSpecification
from millstream_dataflow.plan import Plan
from millstream_taskmanager.exchange.channel import LocalChannel, SendingEnd
from millstream_taskmanager.exchange.codecs.batches import ChannelCodec
from millstream_taskmanager.exchange.credits import ByteCredits, ExplicitCredits
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.output import Output, Outputs, SplitOutput
from millstream_taskmanager.exchange.partitioners import Place, make_partitioner
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.exchange.remote import RemoteChannels
from millstream_taskmanager.operators.base import TaskPlace, label
from millstream_taskmanager.operators.building import build_chain
from millstream_taskmanager.results.reading import StoredInputs
from millstream_taskmanager.results.writing import ResultFile
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.enumerator_task import EnumeratorTask
from millstream_taskmanager.task.operator_task import OperatorTask
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.task.source_task import SourceTask
from millstream_taskmanager.task.stage import StageParts
from millstream_taskmanager.task.task import Task, TaskParts
from millstream_taskmanager.user_code.awaiting import without_waits
from millstream_taskmanager.worker.in_flight import InFlightRestorer, overtaking
from millstream_taskmanager.worker.orders import Orders
from millstream_taskmanager.worker.stored import Arriving, ResultPlaces, reading_order, result_ends


@dataclass(slots=True)
class _Site:
    """A task as it is built."""

    id: TaskId
    specification: ChainSpecification
    doors: TaskDoors
    gate: Gate | None = None
    outputs: dict[EdgeId, list[PendingList]] = field(default_factory=dict[EdgeId, list[PendingList]])
    files: list[ResultFile] = field(default_factory=list[ResultFile])
    stored: StoredInputs | None = None


def deploy(orders: Orders, doors_of: Callable[[TaskId], TaskDoors]) -> list[Task]:
    """The tasks, connected with each other. `doors_of` is asked once for each, before the task is there."""
    sites = {subtask: _site(orders, subtask, doors_of) for subtask in orders.attempts}
    for site in sites.values():
        site.gate = _gate(orders, site)
    for site in sites.values():
        _connect(orders, site, sites)
        _connect_from_afar(orders, site)
        _restore_in_flight(orders, site)
    return [_task(orders, site) for site in sites.values()]


def ranks(plan: Plan) -> dict[VertexId, int]:
    """For each vertex the length of the longest path that leads to it from a source; enumerators come before all.

    An enumerator does little, and its readers get splits and barriers from it alone: by its place in the graph it would
    wait behind a reader that always has records, and no checkpoint would begin.
    """
    found: dict[VertexId, int] = {}

    def rank(vertex: VertexId) -> int:
        if vertex not in found:
            found[vertex] = max((rank(edge.source) + 1 for edge in plan.edges_to(vertex)), default=0)
        return found[vertex]

    for vertex in plan.vertices:
        rank(vertex)
    highest = max(found.values(), default=0)
    return found | {edge.source: highest + 1 for edge in plan.graph.edges if _carries_splits(edge)}


def _site(orders: Orders, subtask: SubtaskId, doors_of: Callable[[TaskId], TaskDoors]) -> _Site:
    task = TaskId(orders.attempts[subtask], subtask)
    functions = orders.blob(orders.plan.vertices[subtask.vertex].functions)
    # Cloudpickle's own format is read by pickle, which runs what it is told to: whoever can submit a job can run code
    # here. Nothing asks who that is; by default the cluster listens on the loopback address alone.
    specification: ChainSpecification = pickle.loads(functions)  # noqa: S301  # see above
    doors = doors_of(task)
    return _Site(task, without_waits(specification, doors.coroutines), doors)


def _gate(orders: Orders, site: _Site) -> Gate | None:
    edges = list(orders.plan.edges_to(site.id.subtask.vertex))
    if not edges:
        return None
    channels: list[ChannelId] = []
    inputs: list[int] = []
    input_of = {given.edge: given.input for given in site.specification.inputs}
    for edge in edges:
        into = list(orders.plan.channels_to(edge, site.id.subtask.index))
        channels += into
        inputs += [input_of[edge.id]] * len(into)
    settings = orders.settings
    if any(_carries_splits(edge) for edge in edges):
        return Gate(channels, inputs, ExplicitCredits(), site.doors.wake)
    return Gate(channels, inputs, ByteCredits(len(channels), settings.window, settings.floating), site.doors.wake)


def _connect(orders: Orders, site: _Site, sites: Mapping[SubtaskId, _Site]) -> None:
    """The channels that begin at a task."""
    for edge in orders.plan.edges_from(site.id.subtask.vertex):
        pending = site.outputs[edge.id] = []
        if edge.exchange is Exchange.BLOCKING:
            pending += _into_file(orders, site, edge)
            continue
        window = 0 if _carries_splits(edge) else orders.settings.window
        for channel in orders.plan.channels_from(edge, site.id.subtask.index):
            target = SubtaskId(edge.target, channel.target)
            if target in sites:
                end: SendingEnd = _local_channel(channel, window, sites[target])
            else:
                peer = _worker_of(orders, site, target)
                end = _peers(orders, channel).sending_end(channel, peer, window, _codec_out(site, edge))
            pending.append(PendingList(end, orders.settings.flush))


def _into_file(orders: Orders, site: _Site, edge: Edge) -> Iterator[PendingList]:
    """The channels of an edge whose targets run when this task has finished."""
    channels = list(orders.plan.channels_from(edge, site.id.subtask.index))
    file, ends = result_ends(_results(orders, edge), channels, _codec_out(site, edge), orders.settings.frame)
    site.files.append(file)
    return (PendingList(end, orders.settings.flush) for end in ends)


def _results(orders: Orders, edge: Edge) -> ResultPlaces:
    if orders.results is None:
        raise ValueError(f"edge {edge.id} is blocking, and there is no place for what is left")
    return orders.results


def _local_channel(channel: ChannelId, window: int, target: _Site) -> LocalChannel:
    if target.gate is None:
        raise ValueError(f"{channel} leads to a task without a gate")
    position = target.gate.channels.index(channel)
    end = LocalChannel(channel, window, target.gate, position)
    target.gate.connect(position, end)
    return end


def _connect_from_afar(orders: Orders, site: _Site) -> None:
    """The channels that end at a task and begin in another process."""
    if site.gate is None:
        return
    edges = {edge.id: edge for edge in orders.plan.edges_to(site.id.subtask.vertex)}
    if orders.plan.reads_results(site.id.subtask.vertex):
        _connect_to_files(orders, site, site.gate, edges)
        return
    for position, channel in enumerate(site.gate.channels):
        edge = edges[channel.edge]
        source = SubtaskId(edge.source, channel.source)
        if source not in orders.attempts:
            peer = _worker_of(orders, site, source)
            codec = _codec_in(site, edge)
            end = _peers(orders, channel).receiving_end(channel, peer, site.gate, position, codec)
            site.gate.connect(position, end)


def _restore_in_flight(orders: Orders, site: _Site) -> None:
    """What a task takes before anything that comes."""
    stored = orders.restored.get(site.id.subtask, Restored()).in_flight
    if stored and site.gate is not None:
        InFlightRestorer(orders).restore(site.gate, site.id.subtask.index, stored, partial(_codec_in, site))


def _connect_to_files(orders: Orders, site: _Site, gate: Gate, edges: Mapping[EdgeId, Edge]) -> None:
    """The channels from tasks that have finished. One that was restored at its end has read them all."""
    restored = orders.restored.get(site.id.subtask)
    if restored is not None and restored.ended is not None:
        return
    arriving = [
        Arriving(channel, position, edges[channel.edge], _codec_in(site, edges[channel.edge]))
        for position, channel in enumerate(gate.channels)
    ]
    ordered = reading_order(arriving, site.id.subtask.index)
    results = _results(orders, ordered[0].edge)
    channels = [results.stored_channel(orders.plan, one, orders.settings.window) for one in ordered]
    site.stored = StoredInputs(gate, channels)


def _peers(orders: Orders, channel: ChannelId) -> RemoteChannels:
    if orders.peers is None:
        raise ValueError(f"{channel} leads to or from another process, and there is no way to one")
    return orders.peers


def _worker_of(orders: Orders, site: _Site, subtask: SubtaskId) -> WorkerId:
    """The process of a subtask that shares a channel with one of ours, and so the region and its attempt."""
    region = orders.plan.regions[orders.plan.region_of[subtask]]
    ordinal = next(worker.ordinal for worker in region.workers if subtask in worker.subtasks)
    return worker_id(site.id.attempt, ordinal)


def _codec(site: _Site, edge: Edge) -> ChannelCodec:
    return _codec_in(site, edge) if edge.target == site.id.subtask.vertex else _codec_out(site, edge)


def _codec_out(site: _Site, edge: Edge) -> ChannelCodec:
    nodes = site.specification.nodes
    if _carries_splits(edge):  # which no operator of a chain gives, and no user declares
        return ChannelCodec(None, label(nodes[0]), splits=True)
    output = next(output for output in site.specification.outputs if output.edge == edge.id)
    return ChannelCodec(output.type, label(nodes[output.node]))


def _codec_in(site: _Site, edge: Edge) -> ChannelCodec:
    head = label(site.specification.nodes[0])
    if _carries_splits(edge):
        return ChannelCodec(None, head, splits=True)
    return ChannelCodec(next(given.type for given in site.specification.inputs if given.edge == edge.id), head)


def _task(orders: Orders, site: _Site) -> Task:
    head = site.specification.nodes[0].specification
    if isinstance(head, EnumeratorSpecification):
        [(edge, channels)] = site.outputs.items()
        return EnumeratorTask(_parts(orders, site, []), SplitOutput(edge, channels), site.doors)
    parts = _parts(orders, site, _outputs(orders, site))
    if isinstance(head, ReaderSpecification):
        return SourceTask(parts, site.gate, site.doors)
    if site.gate is None:
        raise ValueError(f"task {site.id} has no input and is no source")
    return OperatorTask(parts, site.gate, site.doors)


def _parts(orders: Orders, site: _Site, outputs: Sequence[Output]) -> TaskParts:
    vertex = orders.plan.vertices[site.id.subtask.vertex]
    place = TaskPlace(
        site.id,
        vertex.name,
        vertex.parallelism,
        vertex.max_parallelism,
        orders.settings.parameters,
        orders.plan.graph.name,
        {operator.id: operator.name for operator in vertex.operators},
    )
    # An enumerator's one output takes splits, which no operator of a chain gives.
    specification = site.specification if outputs else _without_outputs(site.specification)
    settings, plan = orders.settings, orders.plan
    edges = list(plan.edges_to(vertex.id)), list(plan.edges_from(vertex.id))
    after = settings.overtake_after
    return TaskParts(
        place,
        build_chain(specification, [output.rows_only for output in outputs], settings.operators),
        Outputs(outputs, settings.flush.timeout),
        settings.guarantee,
        orders.restored.get(site.id.subtask, Restored()),
        settings.flush.records,
        None if after is None or plan.staged else overtaking(after, *edges, partial(_codec, site)),
        _stage(orders, site),
    )


def _stage(orders: Orders, site: _Site) -> StageParts | None:
    plan, subtask = orders.plan, site.id.subtask
    if not plan.staged:
        return None
    ends_alone = plan.region_of[subtask] not in plan.last_regions
    return StageParts(site.files, site.stored, plan.reads_results(subtask.vertex), ends_alone)


def _outputs(orders: Orders, site: _Site) -> list[Output]:
    """In the order of the chain's outputs, which is how a chain names them."""
    return [_output(orders, site, number) for number in range(len(site.specification.outputs))]


def _output(orders: Orders, site: _Site, number: int) -> Output:
    output = site.specification.outputs[number]
    edge = next(edge for edge in orders.plan.graph.edges if edge.id == output.edge)
    channels = site.outputs[edge.id]
    target = orders.plan.vertices[edge.target]
    subtask = site.id.subtask.index
    place = Place(subtask, len(channels), target.max_parallelism, label(site.specification.nodes[output.node]))
    chance = np.random.default_rng((orders.settings.seed, edge.id, subtask))
    reuse = orders.settings.operators.object_reuse
    return Output(edge.id, make_partitioner(edge.partitioning, output, place, chance, reuse=reuse), channels)


def _without_outputs(specification: ChainSpecification) -> ChainSpecification:
    return ChainSpecification(specification.nodes, specification.inputs)


def _carries_splits(edge: Edge) -> bool:
    return edge.partitioning is Partitioning.SPLITS
