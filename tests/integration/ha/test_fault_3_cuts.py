"""Fault 3: the leading JobManager is cut off from ZooKeeper, from the TaskManagers, from both. One leader's decisions
take effect, and nothing is committed twice.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.cables import Proxy
from tests.support.clusters import free_port
from tests.support.elected import SESSION_S, ElectedCluster, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


@dataclass
class Cables:
    """Of each JobManager: to each server of ZooKeeper, and from TaskManagers to it."""

    zookeeper: dict[int, list[Proxy]]
    taskmanagers: dict[int, Proxy]

    def of(self, jobmanager: int, which: str) -> Iterator[Proxy]:
        """Those that a test cuts."""
        if which in {"zookeeper", "both"}:
            yield from self.zookeeper[jobmanager]
        if which in {"taskmanagers", "both"}:
            yield self.taskmanagers[jobmanager]


@contextmanager
def cabled_cluster(ensemble: Ensemble, directory: Path) -> Generator[tuple[ElectedCluster, Cables]]:
    """Two JobManagers, each behind cables of its own. Clients and TaskManagers reach ZooKeeper without one."""
    options = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "3 s"}
    with ExitStack() as stack:
        cables = Cables({}, {})
        ports: dict[int, int] = {}
        own: dict[int, dict[str, str]] = {}
        for number in (1, 2):
            servers = [server.port for server in ensemble.servers.values()]
            proxies = {free_port(): port for port in servers}
            cables.zookeeper[number] = [
                Proxy(("127.0.0.1", here), ("127.0.0.1", there)) for here, there in proxies.items()
            ]
            port = free_port()
            outside = f"127.0.1.{number}"  # TaskManagers are told this address, at the same port
            cables.taskmanagers[number] = Proxy((outside, port), ("127.0.0.1", port))
            for proxy in (*cables.zookeeper[number], cables.taskmanagers[number]):
                stack.callback(proxy.close)
            quorum = ",".join(f"127.0.0.1:{here}" for here in proxies)
            own[number] = {"high-availability.zookeeper.quorum": quorum, "jobmanager.host": outside}
            ports[number] = port
        started = elected_cluster(directory, ensemble.hosts, options=options, own=own, ports=ports)
        yield stack.enter_context(started), cables


@pytest.mark.parametrize("which", ["zookeeper", "both"])
def test_a_leader_without_zookeeper(ensemble: Ensemble, tmp_path: Path, which: str) -> None:
    """It pauses, then gives up; the other one leads, and adopts the tasks."""
    with cabled_cluster(ensemble, tmp_path) as (cluster, cables):
        load = Load(cluster, tmp_path)
        load.start()
        workers, former, begun, newest = cluster.all_workers(), cluster.leader(), time.monotonic(), load.newest()
        for cable in cables.of(former, which):
            cable.cut()
        log = cluster.jobmanagers[former]
        cluster.until(lambda: "leads no more" in log.tail(200), SESSION_S + 2, "it gives up on its own clock")
        cluster.until(lambda: load.newest() > newest, 20, "the other one completes a checkpoint")
        for cable in cables.of(former, which):
            cable.mend()
        cluster.until(lambda: "connected to ZooKeeper" in log.tail(3), 20, "it is back")
        load.until_next_checkpoint(10)
        assert cluster.leader() != former
        assert cluster.all_workers() == workers
        assert load.attempts() == {1}
        assert load.longest_stop(begun) < 1.0
        load.finish()


def test_a_leader_without_taskmanagers(ensemble: Ensemble, tmp_path: Path) -> None:
    """It goes on leading, takes them for dead after the heartbeat timeout, and waits for slots. When they come back
    their tasks are of a former attempt: they end, uncommitted, and the job starts again.
    """
    with cabled_cluster(ensemble, tmp_path) as (cluster, cables):
        load = Load(cluster, tmp_path)
        load.start()
        leader = cluster.leader()
        for cable in cables.of(leader, "taskmanagers"):
            cable.cut()
        cluster.until(lambda: cluster.slots() == 0, 20, "the leader takes them for dead")
        for cable in cables.of(leader, "taskmanagers"):
            cable.mend()
        load.running()
        assert cluster.leader() == leader
        assert load.attempts() == {2}
        load.until_next_checkpoint(15)
        load.finish()
