"""Fault 1: the leading JobManager is killed. The tasks hardly notice."""

import time
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.elected import SESSION_S, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


def test_the_tasks_go_on_and_the_next_leader_completes_their_checkpoints(ensemble: Ensemble, tmp_path: Path) -> None:
    """Same processes, same attempts; no task's records stand for a second; within the session timeout and 3 s the
    new leader has completed a checkpoint of its own, and files are there that nobody published before.
    """
    with elected_cluster(tmp_path, ensemble.hosts, jobmanagers=3) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        for _ in range(2):
            workers, leader, begun = cluster.all_workers(), cluster.leader(), time.monotonic()
            cluster.jobmanagers[leader].kill()
            load.until_led_on(20)
            took = time.monotonic() - begun
            assert cluster.leader() != leader
            load.assert_undisturbed(workers, begun)
            assert took < SESSION_S + 3
        load.finish()
