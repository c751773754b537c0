"""Fault 5: the leader is killed between each two steps of a checkpoint's completion. Nothing is lost, nothing comes
twice, and the tasks go on.
"""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.ha.load import Load
from tests.support.elected import ElectedCluster, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

TOLD = {"first": 1, "all": 2}
"""How many of the two TaskManagers have heard of the completion at these steps."""
PLANTED = Path(__file__).with_name("planted.py")


def is_stopped(pid: int) -> bool:
    """By a signal."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


@contextmanager
def planted_cluster(
    ensemble: Ensemble,
    directory: Path,
    jobmanagers: int,
    *,
    taskmanagers: int = 2,
    options: Mapping[str, str] | None = None,
) -> Generator[tuple[ElectedCluster, Path]]:
    """Its JobManagers stop where a file says so."""
    stops = directory / "stops"
    stops.mkdir()
    command = (sys.executable, str(PLANTED), str(stops))
    with elected_cluster(
        directory,
        ensemble.hosts,
        jobmanagers=jobmanagers,
        taskmanagers=taskmanagers,
        options=options,
        command=command,
    ) as cluster:
        yield cluster, stops


def stopped_at(cluster: ElectedCluster, stops: Path, step: str) -> int:
    """The number of the next JobManager that comes to the step; there it stands."""
    (stops / step).touch()
    stopped = cluster.until(
        lambda: [n for n, jm in cluster.jobmanagers.items() if jm.popen.poll() is None and is_stopped(jm.pid)],
        20,
        f"a JobManager comes to the step {step}",
    )
    (stops / step).unlink()
    assert len(stopped) == 1
    return stopped[0]


def killed_at(cluster: ElectedCluster, stops: Path, step: str) -> None:
    """The next JobManager that comes to the step dies there."""
    cluster.jobmanagers[stopped_at(cluster, stops, step)].kill()


@pytest.mark.timeout(120)
def test_a_leader_dies_at_each_step_of_a_completion(ensemble: Ensemble, tmp_path: Path) -> None:
    """Four leaders, one after the other: with the metadata written, the pointer stored, one TaskManager told and not
    the other, both told. The fifth one ends the job.
    """
    with planted_cluster(ensemble, tmp_path, jobmanagers=2) as (cluster, stops):
        load = Load(cluster, tmp_path, count=200_000)
        load.start()
        workers = cluster.all_workers()
        for step in ("metadata", "pointer", "first", "all"):
            killed_at(cluster, stops, step)
            if step in TOLD:
                told = (stops / "told").read_text(encoding="utf-8").splitlines()
                assert len(told) == TOLD[step]
            cluster.start_jobmanagers(*[n for n, jm in cluster.jobmanagers.items() if jm.popen.poll() is not None])
            load.until_next_checkpoint(20)
            assert cluster.all_workers() == workers
            assert load.attempts() == {1}
        load.finish()
