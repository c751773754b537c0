"""Leaders without a JobManager: sessions with a real ZooKeeper, offices that were won in it, and their stores."""

import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Epoch, JobId
from millstream_jobmanager.leadership.candidate import winning
from millstream_jobmanager.store.fence import Fence
from millstream_jobmanager.store.shared import SharedJobStore
from millstream_runtime.file_systems import Location
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.nodes import ClusterNodes, decode_pointer
from millstream_runtime.leadership.zookeeper import Check, Create, Delete, ZooKeeper
from tests.support.cables import Address, Proxy
from tests.support.clusters import until
from tests.unit.jobmanager.store.samples import Clock

CLIENT = "high-availability.zookeeper.client."
SESSION_MS = 6_000


def configured(hosts: str, **settings: object) -> Configuration:
    """Of a process that uses this ZooKeeper; `settings` by the last parts of their keys, such as `ssl__enabled`."""
    options = {"session-timeout": f"{SESSION_MS} ms", "connection-timeout": "5 s"}
    options |= {name.replace("__", ".").replace("_", "-"): str(value) for name, value in settings.items()}
    configuration = Configuration().with_text("high-availability.zookeeper.quorum", hosts)
    for name, value in options.items():
        configuration = configuration.with_text(f"{CLIENT}{name}", value)
    return configuration


@contextmanager
def session(hosts: str, **settings: object) -> Generator[ZooKeeper]:
    """One that has begun."""
    opened = zookeeper(configured(hosts, **settings))
    opened.start()
    try:
        yield opened
    finally:
        opened.stop()


def make_path(connection: ZooKeeper, path: str) -> None:
    """With all above it. What was written before is seen afterwards, whichever server was asked to write it."""
    parts = path.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        connection.ask(connection.commit([Create("/" + "/".join(parts[:end]), b"")]))


def take_office(connection: ZooKeeper, nodes: ClusterNodes) -> Fence:
    """As a candidate wins it, whoever leads."""
    make_path(connection, nodes.root)
    leader = connection.ask(connection.read(nodes.leader))
    if leader is not None:
        connection.ask(connection.commit([Delete(nodes.leader)]))
    epoch = connection.ask(connection.read(nodes.epoch))
    assert connection.ask(connection.commit(winning(nodes, None, epoch))) is None
    return Fence(nodes, 0 if epoch is None else epoch.version + 1)


class SharedPlace:
    """See StorePlace. All leaders have one session, unless they are given another one."""

    def __init__(self, connection: ZooKeeper, nodes: ClusterNodes, directory: Location) -> None:
        self.clock = Clock()
        self.directory = directory
        self.nodes = nodes
        self.connection = connection
        self.holds = True
        self.store: SharedJobStore | None = None

    def elect(self, connection: ZooKeeper | None = None, directory: Location | None = None) -> SharedJobStore:
        """The store of a new office, not open yet; the predecessor doesn't know."""
        used = connection or self.connection
        fence = take_office(used, self.nodes)
        return SharedJobStore(used, fence, directory or self.directory, lambda: self.holds, self.clock)

    def lead(self, floor: int = 0) -> tuple[SharedJobStore, Epoch]:
        if self.store is not None:
            self.store.close()
        self.store = self.elect()
        return self.store, self.store.open(Epoch(floor))

    def catch_up(self) -> None:
        """A server may lag behind another, but not behind what it has answered itself."""
        self.connection.ask(self.connection.commit([Check(self.nodes.root)]))

    def record_file(self, job: JobId) -> Location:
        self.catch_up()
        node = self.connection.ask(self.connection.read(self.nodes.job(job)))
        assert node is not None
        return self.directory / "jobs" / decode_pointer(node.data).file

    def files(self) -> list[str]:
        """Of records."""
        return self.directory.storage.entries((self.directory / "jobs").path)

    def pointers(self) -> list[str]:
        """The jobs that have one."""
        self.catch_up()
        return self.connection.ask(self.connection.children(self.nodes.jobs))


_MULTI = struct.pack(">i", 14)
Moment = str
"""`before` a transaction reaches ZooKeeper, or `after` that, when its answer is awaited."""


class Robber(Proxy):
    """Passes on everything, but robs the next transaction, or its answer, and breaks the connection."""

    robs: Moment = ""
    robbed = 0

    async def _carry(self, reader, writer) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # as its base's
        ours = writer.get_extra_info("peername")[1] == self._there[1]
        try:
            while data := await reader.read(65_536):
                if ours and data[8:12] == _MULTI and self.robs == "before":
                    self._rob()
                    return
                if ours and data[8:12] == _MULTI and self.robs == "after":
                    self.robs = "its answer"
                elif not ours and self.robs == "its answer":
                    self._rob()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()

    def _rob(self) -> None:
        self.robs = ""
        self.robbed += 1


@contextmanager
def standing(make: Callable[[Address, Address], Proxy], port: int, here: int) -> Generator[Proxy]:
    """A proxy before a port of loopback."""
    proxy = make(("127.0.0.1", here), ("127.0.0.1", port))
    try:
        yield proxy
    finally:
        proxy.close()


def connected(connection: ZooKeeper) -> int:
    """The session, once there is one."""
    return until(lambda: connection.session, 10, "a session", lambda: str(connection.denied))


def named(directory: Path) -> ClusterNodes:
    """Nodes of a test's own."""
    return ClusterNodes(f"/tests/{directory.name}")
