"""Fault 7: everything is killed, ZooKeeper too, and started again. The job resumes."""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.clusters import alive, descendants
from tests.support.elected import elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


def test_everything_dies_and_is_started_again(own_ensemble: Ensemble, tmp_path: Path) -> None:
    with elected_cluster(tmp_path, own_ensemble.hosts) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        everybody = [pid for process in cluster.processes() for pid in (process.pid, *descendants(process.pid))]
        own_ensemble.kill(*own_ensemble.servers)
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        for process in cluster.processes():
            process.popen.wait()
        cluster.until(lambda: not any(map(alive, everybody)), 10, "all are gone")
        own_ensemble.start(*own_ensemble.servers)
        cluster.start_jobmanagers(*cluster.jobmanagers)
        for number in list(cluster.taskmanagers):
            cluster.start_taskmanager(number, slots=1)
        assert load.attempts() == {2}
        load.until_next_checkpoint(20)
        load.finish()
