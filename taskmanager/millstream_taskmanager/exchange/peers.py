"""The data connections of one worker with the others of its region's attempt: one per pair (ARCHITECTURE 3, Wire).

Of a pair the worker with the smaller ordinal connects, and tries until the other could not be reached for the deploy
timeout; the other one listens. What comes to the listening socket, or through the TaskManager's data port, has to prove
itself within a time, in few bytes; strangers are closed with a line in the log. There are never more of them at once
than peers that are missing, and a few: then the oldest goes.

The one that listens can't try. A worker's socket file says that it has begun, and on one machine that is what the
timeout waits for. On another machine there is no sign of it: that worker's TaskManager tells when it can't be started
or has died, and a silent host is found by pings (law 9.2).
"""

import logging
import secrets
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import jobmanager, network
from millstream_dataflow.identity import ChannelId, TaskManagerId, WorkerId
from millstream_runtime.messages.deployments import RegionDeployment, WorkerPlacement
from millstream_taskmanager.exchange.addresses import socket_path as path_of
from millstream_taskmanager.exchange.channel import Arrival
from millstream_taskmanager.exchange.codecs.batches import ChannelCodec
from millstream_taskmanager.exchange.countdown import CallLater, Countdown, ScheduledCall
from millstream_taskmanager.exchange.dialling import Dialler, route_to
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import FrameParser
from millstream_taskmanager.exchange.greeting import Answering, Loop
from millstream_taskmanager.exchange.handshake import NONCE_SIZE, Acceptor, Connector, Party
from millstream_taskmanager.exchange.link import Link, PeerLoss
from millstream_taskmanager.exchange.polling import Poller
from millstream_taskmanager.exchange.remote import RemoteReceivingEnd, RemoteSendingEnd
from millstream_taskmanager.exchange.wire import PlainWire, PlainWires, Wire, Wires

_BACKLOG: Final = 128  # connections that wait to be accepted
_STRANGERS: Final = 16  # more than that many unproved connections beside those of missing peers are too many
_PAUSE: Final = 100  # milliseconds without accepting when there are no more descriptors
_PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR
_MILLISECOND: Final = timedelta(milliseconds=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """Bytes of a payload; milliseconds. `deploy_timeout`: for which a peer may be out of reach before it is lost.
    `wires`: between hosts; on one machine nobody else comes near a socket in a private directory.
    """

    max_frame: int = network.MAX_FRAME_SIZE.default
    handshake_timeout: int = network.HANDSHAKE_TIMEOUT.default // _MILLISECOND
    deploy_timeout: int = jobmanager.DEPLOYMENT_TIMEOUT.default // _MILLISECOND
    wires: Wires = PlainWires()  # noqa: RUF009  # it has no state


def peer_settings(configuration: Configuration, wires: Wires) -> PeerSettings:
    """What the configuration says."""
    get = configuration.get
    return PeerSettings(
        get(network.MAX_FRAME_SIZE),
        get(network.HANDSHAKE_TIMEOUT) // _MILLISECOND,
        get(jobmanager.DEPLOYMENT_TIMEOUT) // _MILLISECOND,
        wires,
    )


def between_hosts(own: WorkerPlacement, deployment: RegionDeployment) -> bool:
    """Whether some of the region's workers are on other machines."""
    return any(placement.address.machine != own.address.machine for placement in deployment.workers)


class Peers:
    """See the module. `listen`, so that peers find us; make all ends, which may take its time; then `start`."""

    def __init__(  # noqa: PLR0913, PLR0917  # one of each, and none belongs to another
        self,
        me: WorkerId,
        deployment: RegionDeployment,
        poller: Poller,
        settings: PeerSettings,
        on_lost: Callable[[PeerLoss], None],
        call_later: CallLater,
    ) -> None:
        """`on_lost` is called once for each lost peer, between two steps; every task that shares a channel with it has
        to fail. `call_later` takes milliseconds.
        """
        self._placements = {placement.worker: placement for placement in deployment.workers}
        if me not in self._placements:
            raise ExchangeError(f"{me} is no worker of {deployment.attempt}")
        self._me = self._placements[me]
        self._between_hosts = between_hosts(self._me, deployment)
        self._party = Party(me, deployment.attempt, deployment.secret)
        self._loop = Loop(poller, call_later, settings.handshake_timeout)
        self._settings = settings
        self._on_lost = on_lost
        self._links: dict[WorkerId, Link] = {}
        self._work: dict[Link, None] = {}
        self._diallers: dict[WorkerId, Dialler] = {}
        self._greetings: dict[Answering, None] = {}  # the oldest first
        self._awaited: dict[WorkerId, Countdown] = {}
        self._closed = ""
        """Why the last connection was that came and couldn't prove itself."""
        self._accepts_again: ScheduledCall | None = None
        self._listener: socket.socket | None = None
        self._path = ""

    # ------------------------------------------------------------------------------------------- its channels

    def sending_end(self, channel: ChannelId, peer: WorkerId, window: int, codec: ChannelCodec) -> RemoteSendingEnd:
        """See RemoteChannels."""
        return self._link(peer).add_sending_end(channel, window, codec)

    def receiving_end(
        self, channel: ChannelId, peer: WorkerId, gate: Arrival, position: int, codec: ChannelCodec
    ) -> RemoteReceivingEnd:
        """See RemoteChannels."""
        return self._link(peer).add_receiving_end(channel, gate, position, codec)

    def _link(self, peer: WorkerId) -> Link:
        if peer not in self._links:
            placement = self._placements.get(peer)
            if placement is None or placement is self._me:
                raise ExchangeError(f"{peer} is no peer of {self._me.worker} in {self._party.attempt}")
            self._links[peer] = Link(placement, self._settings.max_frame, self._note_work, self._on_lost)
        return self._links[peer]

    def _note_work(self, link: Link) -> None:
        self._work[link] = None

    def flush(self) -> None:
        """Send what has come together. To be called between steps, and before the loop waits."""
        if self._work:
            work, self._work = self._work, {}
            for link in work:
                link.flush()

    # -------------------------------------------------------------------------------------------- connecting

    def listen(self, socket_path: str) -> None:
        """Take connections of peers on this machine. The file is ours alone; ExchangeError when it can't be made."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        try:
            listener.bind(socket_path)
            Path(socket_path).chmod(_PRIVATE)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise ExchangeError(f"{self._me.worker} can't listen on {socket_path}: {error}") from error
        self._listener = listener
        self._path = socket_path
        self._loop.poller.register(listener, self._accept)

    def start(self) -> None:
        """Connect with all peers that share a channel and have a larger ordinal; wait for the others."""
        timeout = self._settings.deploy_timeout
        for worker, link in self._links.items():
            if self._me.ordinal < link.placement.ordinal:
                self._dial(worker, link, timeout)
            elif link.waits and link.placement.address.machine == self._me.address.machine:
                self._awaited[worker] = self._wait_for(link, timeout)

    def adopt(self, sock: socket.socket) -> None:
        """A connection for us that came through the TaskManager's data port, behind its preface. It is closed unheard
        where no peer is on another machine: then it is no peer's, and there are no wires between hosts to hear it by.
        """
        if not self._between_hosts:
            sock.close()
            text = "%s closed a connection: it came through the data port, and the whole region is on this machine"
            _log.warning(text, self._me.worker)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer(self._settings.wires.answering(sock))

    def _dial(self, worker: WorkerId, link: Link, timeout: int) -> None:
        def handshake() -> Connector:
            return Connector(self._party, worker, secrets.token_bytes(NONCE_SIZE))

        route = route_to(link.placement, self._me.address.machine, self._settings.wires)
        dialler = Dialler(route, self._loop, handshake, self._connected, link.lose)
        self._diallers[worker] = dialler
        dialler.start(timeout)

    def _wait_for(self, link: Link, timeout: int) -> Countdown:
        path = Path(path_of(link.placement.address.directory, link.placement.worker))
        return Countdown(
            timeout,
            self._loop.call_later,
            lambda: link.lose(f"it has not begun to listen on {path} within {timeout} ms"),
            lambda: not path.exists(),
        )

    def _accept(self) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            _log.warning("%s can't take a connection: %s; it tries again in %d ms", self._me.worker, error, _PAUSE)
            self._loop.poller.unregister(listener)
            self._accepts_again = self._loop.call_later(_PAUSE, self._accept_again)
            return
        sock.setblocking(False)
        self._answer(PlainWire(sock))

    def _accept_again(self) -> None:
        if self._listener is not None:
            self._loop.poller.register(self._listener, self._accept)

    def _answer(self, wire: Wire) -> None:
        missing = sum(link.waits for link in self._links.values())
        if (waiting := len(self._greetings)) >= missing + _STRANGERS:
            oldest = next(iter(self._greetings))  # whoever is honest and not busy has proved itself in milliseconds
            del self._greetings[oldest]
            oldest.close()
            _log.warning("%s closed a connection: %d haven't proved who they are", self._me.worker, waiting)

        def done(wire: Wire, parser: FrameParser, peer: WorkerId) -> None:
            self._greetings.pop(greeting, None)
            self._connected(wire, parser, peer)

        def failed(reason: str) -> None:
            self._greetings.pop(greeting, None)
            self._closed = reason
            _log.warning("%s closed a connection: %s", self._me.worker, reason)

        handshake = Acceptor(self._party, self._refusal, secrets.token_bytes(NONCE_SIZE))
        greeting = Answering(wire, self._loop, handshake, done, failed)
        self._greetings[greeting] = None

    def _refusal(self, worker: WorkerId) -> str | None:
        link = self._links.get(worker)
        if link is None:
            return "no channel leads to it"
        if link.placement.ordinal > self._me.ordinal:
            return "it is called, it doesn't call"
        return None if link.waits else "it is connected, or was"

    def _connected(self, wire: Wire, parser: FrameParser, peer: WorkerId) -> None:
        self._diallers.pop(peer, None)
        self._give_up_waiting(peer)
        self._links[peer].connect(wire, self._loop, parser)

    def _give_up_waiting(self, peer: WorkerId) -> None:
        if (countdown := self._awaited.pop(peer, None)) is not None:
            countdown.cancel()

    # ------------------------------------------------------------------------------------------------- ending

    def drop(self, taskmanager: TaskManagerId, reason: str) -> None:
        """Close all connections with the workers of a TaskManager: it is silent (law 9.2)."""
        for worker, link in self._links.items():
            if link.placement.taskmanager == taskmanager:
                link.lose("; ".join([reason, *self._tried(worker, link)]))

    def _tried(self, worker: WorkerId, link: Link) -> list[str]:
        """Don't expect it any more. What has come of it so far, where there was no connection yet."""
        self._give_up_waiting(worker)
        if (dialler := self._diallers.pop(worker, None)) is not None:
            dialler.close()
            return [str(dialler)]
        if link.waits and self._closed:
            return [f"the last connection that came was closed: {self._closed}"]
        return []

    def close(self) -> None:
        """Send what the kernel still takes, then close everything. Nothing is reported any more."""
        self.flush()
        for timer in (*self._awaited.values(), self._accepts_again):
            if timer is not None:
                timer.cancel()
        parts: list[Dialler | Answering | Link] = [*self._diallers.values(), *self._greetings, *self._links.values()]
        for part in parts:
            part.close()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._loop.poller.unregister(listener)
            listener.close()
            with suppress(OSError):  # its directory may be gone
                Path(self._path).unlink()
