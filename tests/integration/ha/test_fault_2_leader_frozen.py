"""Fault 2: the leading JobManager is frozen for twice its session timeout, then goes on. Nobody heeds it any more."""

import signal
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.integration.ha.test_fault_5_between_steps import planted_cluster, stopped_at
from tests.support.cables import Proxy
from tests.support.clusters import Process, unused_ports
from tests.support.elected import SESSION_S, ElectedCluster, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


def test_it_steps_down_and_nothing_of_it_takes_effect(ensemble: Ensemble, tmp_path: Path) -> None:
    """Its checkpoints were under way, and its TaskManagers have said much that it hasn't read. The next leader's
    checkpoints go on in spite of it; attempts and processes stay as they are.
    """
    with elected_cluster(tmp_path, ensemble.hosts) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        workers, frozen, begun = cluster.all_workers(), cluster.leader(), time.monotonic()
        former = cluster.jobmanagers[frozen]
        former.popen.send_signal(signal.SIGSTOP)
        try:
            load.until_completed(2, 20)  # by a new leader, for the frozen one answers nobody
            cluster.until(lambda: time.monotonic() > begun + 2 * SESSION_S, 10, "two session timeouts are over")
        finally:
            former.popen.send_signal(signal.SIGCONT)
        leader = cluster.leader()
        assert leader != frozen
        cluster.until(lambda: "this JobManager stands by" in former.tail(), 10, "it steps down")
        load.until_next_checkpoint(10)
        assert cluster.leader() == leader
        load.assert_undisturbed(workers, begun)
        load.finish()


def test_one_whose_loop_stands_still_gives_its_office_up(ensemble: Ensemble, tmp_path: Path) -> None:
    """Its other threads go on, so its session with ZooKeeper lives as long as it does."""
    options = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "20 s"}  # twice in the first it is asked to stand
    with planted_cluster(ensemble, tmp_path, jobmanagers=2, options=options) as (cluster, stops):
        load = Load(cluster, tmp_path)
        load.start()
        workers, former = cluster.all_workers(), cluster.leader()
        jobmanager, begun = cluster.jobmanagers[former], time.monotonic()
        still = stops / f"still-{jobmanager.pid}"
        still.touch()
        gives_up = "stands still, and its lease is over"
        cluster.until(lambda: gives_up in jobmanager.tail(200), SESSION_S + 3, "it gives its office up")
        load.until_completed(2, 10)  # by another one, for this one answers nobody
        still.unlink()
        cluster.until(lambda: "this JobManager stands by" in jobmanager.tail(200), 10, "it steps down")
        load.until_next_checkpoint(10)
        assert cluster.leader() != former
        load.assert_undisturbed(workers, begun)
        load.finish()


@contextmanager
def frozen_leader(cluster: ElectedCluster, stops: Path, step: str) -> Generator[Process]:
    """Frozen where it comes to that step, until the end of the block and for two session timeouts at least. Woken up it
    believes that it leads yet: its clock, and what ZooKeeper says to it, protect nobody.
    """
    (stops / "deluded").touch()
    former, begun = cluster.jobmanagers[stopped_at(cluster, stops, step)], time.monotonic()
    try:
        yield former
        cluster.until(lambda: time.monotonic() > begun + 2 * SESSION_S, 10, "two session timeouts are over")
    finally:
        former.popen.send_signal(signal.SIGCONT)


def test_what_it_writes_late_is_refused(ensemble: Ensemble, tmp_path: Path) -> None:
    """Frozen between a checkpoint's metadata and the pointer to it, which it stores when it is woken up. Its successor
    has adopted the job and written nothing yet: the record has the version that both know, and the fence alone stands.
    """
    with planted_cluster(ensemble, tmp_path, jobmanagers=2) as (cluster, stops):
        load = Load(cluster, tmp_path, count=100_000)
        load.start()
        workers = cluster.all_workers()
        with frozen_leader(cluster, stops, "metadata") as former:
            (stops / "waiting").touch()
            load.running()
            leader, view = cluster.leader(), cluster.view()
        cluster.until(lambda: "steps down: the record of job" in former.tail(200), 20, "its write is refused")
        cluster.until(lambda: "this JobManager stands by" in former.tail(200), 10, "it steps down")
        (stops / "waiting").unlink()
        load.until_led_on(20)
        after = cluster.view()
        assert view is not None
        assert after is not None
        assert (cluster.leader(), after.epoch) == (leader, view.epoch)
        assert cluster.all_workers() == workers
        assert load.attempts() == {1}
        load.finish()


class Way:
    """To one address, behind which stands whom the test says: the only one that the TaskManagers know."""

    def __init__(self, cluster: ElectedCluster) -> None:
        self._ports = cluster.ports
        self._proxy: Proxy | None = None
        (self.port,) = unused_ports(1)

    def lead_to(self, jobmanager: int) -> None:
        """From now on; who came to somebody else is cut off."""
        self.close()
        self._proxy = Proxy(("127.0.0.1", self.port), ("127.0.0.1", self._ports[jobmanager]))

    def close(self) -> None:
        """It leads nowhere."""
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None


@pytest.mark.nightly  # 12 s; by day the core's own tests hold the check
def test_what_it_says_late_is_not_obeyed(ensemble: Ensemble, tmp_path: Path) -> None:
    """Frozen with a pointer stored and nobody told. When it is woken up the TaskManagers come to it once more, by an
    address that leads there; but they have heard a later epoch.
    """
    options = {"jobmanager.execution.reconnect-timeout": "20 s"}  # so long the true leader waits for them
    with (
        planted_cluster(ensemble, tmp_path, jobmanagers=2, taskmanagers=0, options=options) as (cluster, stops),
        closing(Way(cluster)) as way,
    ):
        former, load = cluster.leader(), Load(cluster, tmp_path, count=100_000)
        way.lead_to(former)
        for number in range(2):
            address = {"high-availability.type": "NONE", "jobmanager.rpc.port": str(way.port)}
            cluster.start_taskmanager(number, slots=1, options=address)
        load.start()
        workers, begun = cluster.all_workers(), time.monotonic()
        with frozen_leader(cluster, stops, "pointer") as jobmanager:
            way.close()
            leader = cluster.leader()
            way.lead_to(leader)
            load.until_completed(2, 20)
        way.lead_to(former)
        logs = cluster.taskmanagers.values()
        cluster.until(lambda: all("it must step down" in log.tail(200) for log in logs), 10, "nobody obeys it")
        way.lead_to(leader)
        (stops / "deluded").unlink()
        cluster.until(lambda: "this JobManager stands by" in jobmanager.tail(200), 10, "it steps down")
        load.until_next_checkpoint(20)
        assert cluster.leader() == leader != former
        load.assert_undisturbed(workers, begun)
        load.finish()


def test_a_leader_that_is_frozen_for_a_moment_leads_on(ensemble: Ensemble, tmp_path: Path) -> None:
    """A quarter of a session timeout: its lease outlasts that, and its session lives."""
    with elected_cluster(tmp_path, ensemble.hosts) as cluster:
        load = Load(cluster, tmp_path, count=60_000)
        load.start()
        leader, view = cluster.leader(), cluster.view()
        assert view is not None
        cluster.jobmanagers[leader].popen.send_signal(signal.SIGSTOP)
        # The fault itself: so long it does nothing. Its lease is two thirds of a session timeout, 1.33 s, from when it
        # asked last, 0.33 s ago at most; so half a second is left for the next answer, on a busy machine too.
        time.sleep(SESSION_S / 4)
        cluster.jobmanagers[leader].popen.send_signal(signal.SIGCONT)
        load.until_next_checkpoint(10)
        after = cluster.view()
        assert after is not None
        assert (cluster.leader(), after.epoch) == (leader, view.epoch)
        assert load.attempts() == {1}
        load.finish()
