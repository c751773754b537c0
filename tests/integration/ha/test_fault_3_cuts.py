"""Fault 3: the leading JobManager is cut off from ZooKeeper, from the TaskManagers, from both. One leader's decisions
take effect, and nothing is committed twice.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.cabled import Cables, laid_cables
from tests.support.elected import SESSION_S, ElectedCluster, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


@contextmanager
def cabled_cluster(ensemble: Ensemble, directory: Path) -> Generator[tuple[ElectedCluster, Cables]]:
    """Two JobManagers, each behind cables of its own."""
    options = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "3 s"}
    with (
        laid_cables(ensemble, 2) as cables,
        elected_cluster(directory, ensemble.hosts, options=options, own=cables.own, ports=cables.ports) as cluster,
    ):
        yield cluster, cables


def assert_nothing_is_committed_until(over: Callable[[], bool], load: Load, cut_at: float) -> None:
    """From a second after the cut on: by then whatever was told before it has been committed."""
    known: set[str] | None = None

    def stands() -> bool:
        nonlocal known
        if known is None and time.monotonic() > cut_at + 1.0:
            known = load.published()
        assert known in (None, load.published())
        return known is not None and over()

    load.cluster.until(stands, 20, "the cut is noticed at both of its ends")


@pytest.mark.parametrize("which", [pytest.param("zookeeper", marks=pytest.mark.nightly), "both"])
def test_a_leader_without_zookeeper(ensemble: Ensemble, tmp_path: Path, which: str) -> None:
    """It pauses, then gives up; the other one leads, and adopts the tasks."""
    with cabled_cluster(ensemble, tmp_path) as (cluster, cables):
        load = Load(cluster, tmp_path)
        load.start()
        workers, former, begun = cluster.all_workers(), cluster.leader(), time.monotonic()
        for cable in cables.of(former, which):
            cable.cut()
        log = cluster.jobmanagers[former]
        cluster.until(lambda: "leads no more" in log.tail(200), SESSION_S + 2, "it gives up on its own clock")
        load.until_led_on(20)
        for cable in cables.of(former, which):
            cable.mend()
        cluster.until(lambda: "connected to ZooKeeper" in log.tail(3), 20, "it is back")
        load.until_next_checkpoint(10)
        assert cluster.leader() != former
        load.assert_undisturbed(workers, begun)
        load.finish()


def test_a_leader_without_taskmanagers(ensemble: Ensemble, tmp_path: Path) -> None:
    """It goes on leading, takes them for dead after the heartbeat timeout, and waits for slots; they go on computing
    and commit nothing. When they come back their tasks are of a former attempt: they end, uncommitted, and the job
    starts again.
    """
    with cabled_cluster(ensemble, tmp_path) as (cluster, cables):
        load = Load(cluster, tmp_path)
        load.start()
        leader, ghosts, begun = cluster.leader(), cluster.all_workers(), time.monotonic()
        for cable in cables.of(leader, "taskmanagers"):
            cable.cut()
        logs = cluster.taskmanagers.values()
        assert_nothing_is_committed_until(
            lambda: cluster.slots() == 0 and all("the leader is lost" in log.tail() for log in logs), load, begun
        )
        assert cluster.all_workers() == ghosts
        assert load.longest_stop(begun) < 1.0
        for cable in cables.of(leader, "taskmanagers"):
            cable.mend()
        load.running()
        cluster.until(lambda: not set(ghosts) & set(cluster.all_workers()), 20, "the former attempt's workers end")
        assert cluster.leader() == leader
        assert load.attempts() == {2}
        load.until_next_checkpoint(15)
        load.finish()
