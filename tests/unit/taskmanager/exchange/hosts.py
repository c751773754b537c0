"""Workers of two hosts, with TLS between them or without, and strangers who come by the same door."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from millstream_runtime.security import INTERNAL_NAME, InternalTls
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.peers import PeerSettings
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.exchange.preface import encode_preface
from millstream_taskmanager.exchange.tls import TlsWires
from millstream_taskmanager.exchange.wire import Wires
from tests.support.certificates import WorkingSet
from tests.support.wire import SECRET, DataPort, WireLoop, WireWorker, deployment, worker


def wires(working_set: WorkingSet, **settings: str) -> Wires:
    """Of a member with that configuration."""
    return TlsWires(InternalTls(working_set.configuration(**settings)))


class Hosts:
    """Two workers, each on a machine of its own; the first connects, through the data port of the second."""

    def __init__(
        self,
        loop: WireLoop,
        directory: Path,
        between: tuple[Wires, Wires],
        settings: PeerSettings | None = None,
        secrets: tuple[bytes, bytes] = (SECRET, SECRET),
    ) -> None:
        self.port = DataPort(loop)
        self.workers = [
            WireWorker(
                loop,
                deployment(directory, machines=["a", "b"], ports=[0, self.port.port], secret=secrets[ordinal]),
                ordinal,
                replace(settings or PeerSettings(), wires=between[ordinal]),
            )
            for ordinal in range(2)
        ]
        self.one, self.other = self.workers
        self.port.workers[worker(1)] = self.other.peers

    def connected(self) -> tuple[PendingList, Gate]:
        """Both begin; the ends of a channel between them."""
        out, gate = self.one.writer(worker(1)), self.other.gate(worker(0))
        for each in self.workers:
            each.begin()
        return out, gate

    def losses(self) -> list[str]:
        return [loss.reason for each in self.workers for loss in each.losses]


class Stranger:
    """A connection to the second worker, behind a preface that is right."""

    def __init__(self, hosts: Hosts) -> None:
        self.sock = socket.create_connection(("127.0.0.1", hosts.port.port))
        self.sock.sendall(encode_preface(worker(1)))
        self.sock.setblocking(False)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def begin_tls(self, context: ssl.SSLContext) -> Callable[[], bool]:
        """What is to be called until it is True: it has been refused."""
        context.check_hostname = False
        self.sock = secured = context.wrap_socket(
            self.sock, server_hostname=INTERNAL_NAME, do_handshake_on_connect=False
        )

        def refused() -> bool:
            try:
                with suppress(ssl.SSLWantReadError):
                    secured.do_handshake()
                    return secured.recv(100) == b""
            except (ssl.SSLError, ConnectionError):
                return True
            return False

        return refused

    def closed(self) -> bool:
        """Whether the worker has closed it, whatever it said before."""
        try:
            while self.sock.recv(1_000):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        self.sock.close()
