"""Workers of one region in one process, each with its own data connections over real sockets."""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from millstream_dataflow.identity import (
    ChannelId,
    EdgeId,
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    TaskManagerId,
    WorkerId,
    worker_id,
)
from millstream_dataflow.records import Batch, Element, RowBatch
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment, WorkerPlacement
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder, BatchEncoder, ChannelCodec, Payload
from millstream_taskmanager.exchange.credits import ByteCredits, GateCredits
from millstream_taskmanager.exchange.frames import Frame
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.link import PeerLoss
from millstream_taskmanager.exchange.peers import Peers, PeerSettings
from millstream_taskmanager.exchange.pending import FlushRules, PendingList
from millstream_taskmanager.exchange.preface import PrefaceReader
from millstream_taskmanager.worker.loop import steady_clock
from millstream_taskmanager.worker.poller import SocketPoller
from millstream_taskmanager.worker.scheduler import Delays, ScheduledCall

ATTEMPT = RegionAttempt(JobId("4f" * 16), RegionId(0), 3)
SECRET = b"thirty-two bytes that none knows"
PATIENCE_S = 20
ANYTHING = ChannelCodec(None, "Map at program.py:7")


def worker(ordinal: int, attempt: RegionAttempt = ATTEMPT) -> WorkerId:
    """The worker in that slot."""
    return worker_id(attempt, ordinal)


def deployment(
    directory: Path,
    workers: int = 2,
    *,
    attempt: RegionAttempt = ATTEMPT,
    machines: Sequence[str] = (),
    ports: Sequence[int] = (),
    secret: bytes = SECRET,
) -> RegionDeployment:
    """Workers on a TaskManager each; on one machine unless said otherwise."""
    placements = [
        WorkerPlacement(
            worker(ordinal, attempt),
            ordinal,
            TaskManagerId(f"taskmanager-{ordinal}"),
            0,
            DataAddress(
                "127.0.0.1",
                ports[ordinal] if ports else 0,
                str(directory),
                machines[ordinal] if machines else "this machine",
            ),
        )
        for ordinal in range(workers)
    ]
    return RegionDeployment(attempt, Epoch(1), secret, tuple(placements))


def channel(edge: int = 0, source: int = 0, target: int = 0) -> ChannelId:
    """A channel."""
    return ChannelId(EdgeId(edge), source, target)


class WireLoop:
    """A poller and timers by the real clock."""

    def __init__(self) -> None:
        self.poller = SocketPoller()
        self.delays = Delays(steady_clock)
        self.peers: list[Peers] = []

    def call_later(self, delay: int, action: Callable[[], None]) -> ScheduledCall:
        return self.delays.call_later(delay, action)

    def turn(self, timeout: float = 0.01) -> None:
        """Once around."""
        for peers in self.peers:
            peers.flush()
        self.poller.poll(timeout)
        self.delays.run()

    def until(self, condition: Callable[[], object]) -> None:
        """Go around until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it doesn't come to pass"
            self.turn()

    def close(self) -> None:
        for peers in self.peers:
            peers.close()
        self.poller.close()


class WireWorker:
    """The wire of one worker, with gates and pending lists as its tasks would have them."""

    def __init__(
        self, loop: WireLoop, region: RegionDeployment, ordinal: int, settings: PeerSettings | None = None
    ) -> None:
        self.loop = loop
        self.placement = region.workers[ordinal]
        self.losses: list[PeerLoss] = []
        self.errors: list[BaseException] = []
        self.settings = settings or PeerSettings()
        self.peers = Peers(
            self.placement.worker, region, loop.poller, self.settings, self.losses.append, loop.call_later
        )
        loop.peers.append(self.peers)

    @property
    def socket_path(self) -> str:
        return socket_path(self.placement.address.directory, self.placement.worker)

    def begin(self) -> None:
        self.peers.listen(self.socket_path)
        self.peers.start()

    def writer(
        self,
        to: WorkerId,
        id_: ChannelId | None = None,
        *,
        window: int = 64 << 10,
        codec: ChannelCodec = ANYTHING,
        rules: FlushRules | None = None,
    ) -> PendingList:
        """What a task there writes to."""
        end = self.peers.sending_end(id_ or channel(), to, window, codec)
        pending = PendingList(end, rules or FlushRules(8_192, 1 << 20, 100))
        pending.when_writable(lambda: None, self.errors.append)
        return pending

    def gate(
        self,
        from_: WorkerId,
        *ids: ChannelId,
        credit: GateCredits | None = None,
        codec: ChannelCodec = ANYTHING,
        window: int = 64 << 10,
        floating: int = 1 << 20,
    ) -> Gate:
        """What a task there reads from, one that takes whatever comes."""
        channels = ids or (channel(),)
        gate = Gate(channels, [0] * len(channels), credit or ByteCredits(len(channels), window, floating), lambda: None)
        for position, id_ in enumerate(channels):
            gate.connect(position, self.peers.receiving_end(id_, from_, gate, position, codec))
        gate.pace(None)
        return gate


class DataPort:
    """A TaskManager's data port: reads the preface and hands the socket on."""

    def __init__(self, loop: WireLoop) -> None:
        self._loop = loop
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.workers: dict[WorkerId, Peers] = {}
        loop.poller.register(self._listener, self._accept)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        reader = PrefaceReader()

        def read() -> None:
            name = reader.feed(sock.recv(reader.wanted))
            if name is not None:
                self._loop.poller.unregister(sock)
                if name in self.workers:
                    self.workers[name].adopt(sock)
                else:
                    sock.close()

        self._loop.poller.register(sock, read)

    def close(self) -> None:
        self._loop.poller.unregister(self._listener)
        self._listener.close()


def drain(gate: Gate) -> list[Element]:
    """All that can be taken."""
    found: list[Element] = []
    while (taken := gate.take()) is not None:
        found.append(taken.element)
    return found


def values(elements: Sequence[Element]) -> list[Any]:
    """The records among them."""
    return [value for element in elements if isinstance(element, RowBatch) for value in element.values]


def impatient(settings: PeerSettings | None = None) -> PeerSettings:
    """Times that a test can wait for."""
    return replace(settings or PeerSettings(), handshake_timeout=200, deploy_timeout=400)


def over_a_wire(
    codec: ChannelCodec, batches: Sequence[Batch], limit: int = 1 << 20
) -> tuple[list[Payload], list[Batch]]:
    """Batches over a wire, as payloads and as what comes out."""
    encoder, decoder = BatchEncoder(codec, limit), BatchDecoder(codec)
    payloads = [payload for batch in batches for payload in encoder.encode(batch)]
    frames = [
        Frame(payload.kind, payload.flags, (0, 0, 0), number, b"".join(payload.parts))
        for number, payload in enumerate(payloads)
    ]
    assert [len(frame.payload) for frame in frames] == [payload.size for payload in payloads]
    parcels = [decoder.parcel(frame) for frame in frames]
    return payloads, [cast("Batch", parcel.open()) for parcel in parcels]
