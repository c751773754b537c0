"""JobManagers, TaskManagers and clients that prove to each other who they are, and a leader that dies."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.elected import SESSION_S
from tests.support.safe_clusters import SafeElectedCluster, working_set
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

HOSTS = {1: "127.0.0.2", 2: "127.0.0.3"}
"""Where each JobManager is reached: its certificate has both, as `--host` has said."""


@pytest.fixture
def cluster(ensemble: Ensemble, tmp_path: Path) -> Generator[SafeElectedCluster]:
    working_set(tmp_path, *HOSTS.values())
    options = {
        "high-availability.type": "zookeeper",
        "high-availability.zookeeper.quorum": ensemble.hosts,
        "high-availability.cluster-id": tmp_path.name,
        "high-availability.zookeeper.client.session-timeout": f"{SESSION_S * 1_000:.0f} ms",
        "high-availability.zookeeper.client.connection-timeout": "1 s",
    }
    own = {number: {"jobmanager.host": host} for number, host in HOSTS.items()}
    with closing(SafeElectedCluster(tmp_path, options, quorum=ensemble.hosts, own=own)) as cluster:
        cluster.start_jobmanagers(*HOSTS)
        for number in range(2):
            cluster.start_taskmanager(number, 1)
        cluster.wait_for_slots(2)
        yield cluster


def test_the_next_leader_is_found_and_known_by_its_certificate(cluster: SafeElectedCluster, tmp_path: Path) -> None:
    """By TaskManagers and by a program, which ask ZooKeeper, and by a client that asks any of them: a standby sends it
    to the address in `jobmanager.host`.
    """
    load = Load(cluster, tmp_path, count=20_000)
    load.start()
    former = cluster.leader()
    [standby] = cluster.standbys()
    sent = cluster.asks("list", port=cluster.ports[standby])
    assert sent.returncode == 0, sent.stderr
    assert load.job in sent.stdout
    cluster.jobmanagers[former].kill()
    load.until_next_checkpoint(20)
    assert cluster.leader() == standby
    assert load.attempts() == {1}
    load.finish()
