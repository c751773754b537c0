"""An elected cluster whose JobManagers are behind cables that can be cut: to ZooKeeper, and from TaskManagers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.support.cables import Proxy
from tests.support.clusters import unused_ports
from tests.support.zookeeper import Ensemble


@dataclass
class Cables:
    """Of each JobManager: to each server of ZooKeeper, and from TaskManagers to it."""

    zookeeper: dict[int, list[Proxy]] = field(default_factory=dict[int, list[Proxy]])
    taskmanagers: dict[int, Proxy] = field(default_factory=dict[int, Proxy])
    own: dict[int, Mapping[str, str]] = field(default_factory=dict[int, Mapping[str, str]])
    """The options that make a JobManager use its cables."""
    ports: dict[int, int] = field(default_factory=dict[int, int])
    """Where each listens behind them."""

    def of(self, jobmanager: int, which: str) -> Iterator[Proxy]:
        """Those that a test cuts: `zookeeper`, `taskmanagers` or `both`."""
        if which in {"zookeeper", "both"}:
            yield from self.zookeeper[jobmanager]
        if which in {"taskmanagers", "both"}:
            yield self.taskmanagers[jobmanager]

    def every(self) -> Iterator[Proxy]:
        """All of them."""
        for jobmanager in self.ports:
            yield from self.of(jobmanager, "both")

    def lay(self, jobmanager: int, ensemble: Ensemble) -> None:
        """The cables of one JobManager."""
        port, *ports = unused_ports(1 + len(ensemble.servers))
        proxies = dict(zip(ports, (server.port for server in ensemble.servers.values()), strict=True))
        self.zookeeper[jobmanager] = [
            Proxy(("127.0.0.1", here), ("127.0.0.1", there)) for here, there in proxies.items()
        ]
        outside = f"127.0.1.{jobmanager}"  # TaskManagers are told this address, at the same port
        self.taskmanagers[jobmanager] = Proxy((outside, port), ("127.0.0.1", port))
        self.ports[jobmanager] = port
        quorum = ",".join(f"127.0.0.1:{here}" for here in proxies)
        self.own[jobmanager] = {"high-availability.zookeeper.quorum": quorum, "jobmanager.host": outside}


@contextmanager
def laid_cables(ensemble: Ensemble, jobmanagers: int) -> Generator[Cables]:
    """For so many JobManagers. Clients and TaskManagers reach ZooKeeper without one."""
    cables = Cables()
    with ExitStack() as stack:
        for number in range(1, jobmanagers + 1):
            cables.lay(number, ensemble)
            for proxy in cables.of(number, "both"):
                stack.callback(proxy.close)
        yield cables
