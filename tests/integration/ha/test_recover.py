"""ZooKeeper's data are lost. `millstream recover` finds the jobs in the storage directory, and they go on."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from millstream_runtime.checkpoint_files import load_metadata
from millstream_runtime.states import JobState
from tests.integration.ha.load import Load
from tests.integration.programs import WINDOW
from tests.support.clusters import MILLSTREAM, alive, descendants
from tests.support.elected import ElectedCluster, elected_cluster
from tests.support.jobs import truth, window_rows
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")


def recover(cluster: ElectedCluster, *arguments: str) -> Any:  # noqa: ANN401  # what JSON holds has no type
    """What the command says, for programs."""
    address = f"127.0.0.1:{cluster.ports[cluster.leader()]}" if cluster.view() else "127.0.0.1:1"
    command = [MILLSTREAM, "recover", "--from", str(cluster.directory / "store"), "--json", "-m", address, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_job_goes_on_from_the_storage_directory_alone(own_ensemble: Ensemble, tmp_path: Path) -> None:
    with elected_cluster(tmp_path, own_ensemble.hosts) as cluster:
        load = Load(cluster, tmp_path)
        load.start()
        everybody = [pid for process in cluster.processes() for pid in (process.pid, *descendants(process.pid))]
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        for process in cluster.processes():
            process.popen.wait()
        cluster.until(lambda: not any(map(alive, everybody)), 10, "all are gone")
        own_ensemble.kill(*own_ensemble.servers)
        for server in own_ensemble.servers.values():
            shutil.rmtree(server.directory / "data")

        (found,) = recover(cluster)
        assert (found["job"], found["name"], found["ended_at"]) == (load.job, "paced load", 0)
        last = found["checkpoint"]
        assert load_metadata(last["path"]).checkpoint == last["checkpoint"] >= 2
        assert found["command"] == f"millstream run -s {last['path']} SCRIPT"

        own_ensemble.start(*own_ensemble.servers)
        cluster.start_jobmanagers(*cluster.jobmanagers)
        for number in list(cluster.taskmanagers):
            cluster.start_taskmanager(number, slots=1)
        view = cluster.view()
        assert view is not None
        assert view.jobs == ()
        assert view.epoch > last["epoch"]
        assert [again["checkpoint"] for again in recover(cluster)] == [last], "the new leader deletes nothing"
        for said in ("submitted", "known"):
            (again,) = recover(cluster, "--submit")
            assert again[said] in {"CREATED", "RUNNING"}
        load.running()
        load.until_next_checkpoint(20)
        assert load.newest() > last["checkpoint"]
        # Nothing is lost and nothing doubled. What the tasks were writing when they were killed lies hidden beside it:
        # this life of the job knows no attempts of the one before.
        (tmp_path / "held").unlink()
        cluster.wait_for_state(load.job, JobState.FINISHED, 60)
        assert window_rows(tmp_path / "out") == truth(load.count, load.keys, WINDOW)
