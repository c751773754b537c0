"""Where the tasks of a worker leave their results, and find those of finished stages: on this machine by path, else at
the data port of the TaskManager that has them.
"""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from millstream_dataflow.identity import ChannelId, RegionId, SubtaskId
from millstream_dataflow.job_graph import Edge, Partitioning
from millstream_dataflow.plan import Plan
from millstream_runtime.messages.deployments import RegionDeployment, ResultPlacement, WorkerPlacement
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec
from millstream_taskmanager.results.partitions import LocalPartition, StoredPartition
from millstream_taskmanager.results.places import directory_of, file_name, result_path
from millstream_taskmanager.results.reading import Origin, StoredChannel
from millstream_taskmanager.results.requests import RemotePartition, Request, dial
from millstream_taskmanager.results.writing import ResultEnd, ResultFile

TlsOf = Callable[[], ssl.SSLContext | None]
"""For connections to other machines; None: they are plain."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """One channel from a finished stage, at its position in the gate."""

    channel: ChannelId
    position: int
    edge: Edge
    codec: ChannelCodec


@dataclass(frozen=True, slots=True)
class ResultPlaces:
    """Of one worker."""

    directory: Path
    """What its own tasks leave."""
    machine: str
    tls: TlsOf
    inputs: Mapping[tuple[RegionId, int], ResultPlacement] = field(
        default_factory=dict[tuple[RegionId, int], ResultPlacement]
    )
    """Where the workers of finished regions have left theirs, by region and ordinal."""

    def stored_channel(self, plan: Plan, arriving: Arriving, window: int) -> StoredChannel:
        """The end of a channel. ValueError when nobody has said where it begins."""
        channel = arriving.channel
        source = SubtaskId(arriving.edge.source, channel.source)
        region = plan.regions[plan.region_of[source]]
        placement = self.inputs.get((region.id, region.ordinals[source]))
        if placement is None:
            raise ValueError(f"{channel} begins at a finished task, but the deployment doesn't say where it ran")
        origin = Origin(placement.attempt, self._partition(placement, channel), BatchDecoder(arriving.codec))
        return StoredChannel(channel, arriving.position, window, origin)

    def _partition(self, placement: ResultPlacement, channel: ChannelId) -> StoredPartition:
        attempt, address, name = placement.attempt, placement.address, file_name(channel.edge, channel.source)
        if address.machine == self.machine:
            path = result_path(Path(address.results), attempt, placement.ordinal, name)
            return LocalPartition(path, channel.target)
        request = Request(
            attempt.job,
            attempt.region,
            attempt.number,
            placement.ordinal,
            name,
            channel.target,
            first=0,
            limit=0,
            ticket=placement.ticket,
        )
        return RemotePartition(partial(_dial, address.host, address.port, self.tls), request)


def reading_order(arriving: Sequence[Arriving], subtask: int) -> list[Arriving]:
    """What is broadcast comes first, as in Flink: rules are there before what they are for. Of the others each subtask
    begins with another one, so that they don't all read from one disk.
    """
    broadcast = [one for one in arriving if one.edge.partitioning is Partitioning.BROADCAST]
    others = [one for one in arriving if one.edge.partitioning is not Partitioning.BROADCAST]
    start = subtask % len(others) if others else 0
    return [*broadcast, *others[start:], *others[:start]]


def _dial(host: str, port: int, tls: TlsOf) -> socket.socket:
    return dial(host, port, tls())


def result_places(root: str, own: WorkerPlacement, deployment: RegionDeployment, tls: TlsOf) -> ResultPlaces:
    """For a worker, as it was deployed. `root`: where the workers of this TaskManager leave results."""
    directory = directory_of(Path(root), deployment.attempt.job, own.worker)
    inputs = {(placement.attempt.region, placement.ordinal): placement for placement in deployment.inputs}
    return ResultPlaces(directory, own.address.machine, tls, inputs)


def result_ends(
    places: ResultPlaces, channels: Sequence[ChannelId], codec: ChannelCodec, frame: int
) -> tuple[ResultFile, list[ResultEnd]]:
    """The file of one edge of one task, and the ends of its channels. `frame`: bytes of one, at most."""
    [(edge, source)] = {(channel.edge, channel.source) for channel in channels}
    path = places.directory / file_name(edge, source)
    file = ResultFile(path, [channel.target for channel in channels], codec.operator)
    return file, [ResultEnd(channel, file, BatchEncoder(codec, frame)) for channel in channels]
