"""Fault 8: a TaskManager is frozen for longer than the heartbeat timeout, its tasks are placed elsewhere, and it wakes
up. Its ghosts end, and none of their output is committed.
"""

import signal
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.elected import elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

OPTIONS = {"heartbeat.interval": "500 ms", "heartbeat.timeout": "3 s"}


@pytest.mark.parametrize(
    "workers_too",
    [
        pytest.param(True, id="with its workers", marks=pytest.mark.nightly),
        pytest.param(False, id="without its workers"),
    ],
)
def test_it_wakes_up_among_strangers(ensemble: Ensemble, tmp_path: Path, *, workers_too: bool) -> None:
    """Without its workers: they compute and send on as if nothing had happened, until their TaskManager hears."""
    with elected_cluster(tmp_path, ensemble.hosts, jobmanagers=1, taskmanagers=3, options=OPTIONS) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        frozen = next(number for number in cluster.taskmanagers if cluster.workers(number))
        below = cluster.workers(frozen)
        everybody = [cluster.taskmanagers[frozen].pid, *(below if workers_too else [])]
        cluster.freeze(everybody)
        try:
            cluster.until(lambda: load.attempts() == {2}, 30, "its tasks run elsewhere")
            load.until_next_checkpoint(20)
        finally:
            cluster.signal(everybody, signal.SIGCONT)
        cluster.until(lambda: not set(below) & set(cluster.workers(frozen)), 20, "its ghosts have ended")
        load.until_next_checkpoint(20)
        assert load.attempts() == {2}
        load.finish()
