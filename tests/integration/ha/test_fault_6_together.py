"""Fault 6: several die at once, or one while it adopts; and ghosts come back after the time limit."""

import signal
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.integration.ha.test_fault_5_between_steps import killed_at, planted_cluster
from tests.support.elected import elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


def test_the_leader_and_a_taskmanager_die_together(ensemble: Ensemble, tmp_path: Path) -> None:
    """The next leader misses its tasks, and restarts the region on the spare slot, from the last checkpoint."""
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=3) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        busy = next(number for number in cluster.taskmanagers if cluster.workers(number))
        cluster.jobmanagers[cluster.leader()].kill()
        cluster.taskmanagers[busy].kill()
        cluster.until(lambda: load.attempts() == {2}, 30, "the job runs again")
        load.until_next_checkpoint(20)
        load.finish()


def test_a_leader_dies_while_it_adopts(ensemble: Ensemble, tmp_path: Path) -> None:
    """The third one finds everything as the first one has left it."""
    with planted_cluster(ensemble, tmp_path, jobmanagers=3) as (cluster, stops):
        load = Load(cluster, tmp_path)
        load.start()
        workers = cluster.all_workers()
        (stops / "adopting").touch()
        cluster.jobmanagers[cluster.leader()].kill()
        killed_at(cluster, stops, "adopting")
        load.until_next_checkpoint(20)
        assert cluster.all_workers() == workers
        assert load.attempts() == {1}
        load.finish()


def test_ghosts_that_return_after_the_time_limit_end(ensemble: Ensemble, tmp_path: Path) -> None:
    """A TaskManager is frozen when the leader dies; the next one waits for it as long as it is configured, then places
    its tasks elsewhere. When it wakes up its tasks are of a former attempt.
    """
    options = {
        "jobmanager.execution.adoption-timeout": "2 s",
        "heartbeat.interval": "500 ms",
        "heartbeat.timeout": "3 s",
    }
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=3, options=options) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        ghosts = next(number for number in cluster.taskmanagers if cluster.workers(number))
        everybody = [cluster.taskmanagers[ghosts].pid, *cluster.workers(ghosts)]
        cluster.freeze(everybody)
        try:
            cluster.jobmanagers[cluster.leader()].kill()
            cluster.until(lambda: load.attempts() == {2}, 30, "the job runs again without it")
        finally:
            cluster.signal(everybody, signal.SIGCONT)
        cluster.until(lambda: not cluster.workers(ghosts), 20, "its ghosts have ended")
        load.until_next_checkpoint(20)
        assert load.attempts() == {2}
        load.finish()
