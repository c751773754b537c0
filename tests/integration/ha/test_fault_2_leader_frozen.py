"""Fault 2: the leading JobManager is frozen for twice its session timeout, then goes on. Nobody heeds it any more."""

import signal
import time
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.elected import SESSION_S, elected_cluster
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
            newest = load.newest()
            cluster.until(lambda: load.newest() > newest, 20, "a new leader completes a checkpoint")
            cluster.until(lambda: time.monotonic() > begun + 2 * SESSION_S, 10, "two session timeouts are over")
        finally:
            former.popen.send_signal(signal.SIGCONT)
        leader = cluster.leader()
        assert leader != frozen
        cluster.until(lambda: "this JobManager stands by" in former.tail(), 10, "it steps down")
        load.until_next_checkpoint(10)
        assert cluster.leader() == leader
        assert cluster.all_workers() == workers
        assert load.attempts() == {1}
        assert load.longest_stop(begun) < 1.0
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
