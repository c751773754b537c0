"""Clients and TaskManagers find the leader: by ZooKeeper, by the words of a standby, and when it dies under them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from millstream import WatermarkStrategy
from millstream.cli.main import main
from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.support.clusters import MILLSTREAM
from tests.support.elected import ElectedCluster, elected_cluster
from tests.support.jobs import PacedEvents, event
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from millstream import StreamExecutionEnvironment, WatermarkStrategy
from tests.support.jobs import PacedEvents

env = StreamExecutionEnvironment.get_execution_environment()
source = PacedEvents(4_000, splits=1, rate=1_000, held={held!r})
env.from_source(source, WatermarkStrategy.no_watermarks(), "events").map(lambda e: e[1]).print()
env.execute("attached")
"""


def millstream(cluster: ElectedCluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that knows nothing but what it is given."""
    return subprocess.run(
        [MILLSTREAM, *arguments], cwd=cluster.directory, capture_output=True, text=True, timeout=40, check=False
    )


def elected(cluster: ElectedCluster) -> Sequence[str]:
    """What a client needs to find the leader in ZooKeeper."""
    keys = ("high-availability.type", "high-availability.zookeeper.quorum", "high-availability.cluster-id")
    return [part for key in keys for part in ("-D", f"{key}={cluster.options[key]}")]


def write_program(directory: Path, held: Path) -> Path:
    """PROGRAM, whose input ends when `held` is gone."""
    program = directory / "program.py"
    program.write_text(PROGRAM.format(root=str(Path(__file__).parents[3]), held=str(held)), encoding="utf-8")
    return program


def test_any_jobmanager_answers(ensemble: Ensemble, tmp_path: Path) -> None:
    """A standby names the leader, so a client that knows one address knows all of them."""
    with elected_cluster(tmp_path, ensemble.hosts, jobmanagers=3, taskmanagers=1) as cluster:
        answers: list[object] = []
        for number, port in cluster.ports.items():
            done = millstream(cluster, "list", "--json", "-m", f"127.0.0.1:{port}")
            assert (number, done.returncode, done.stderr) == (number, 0, "")
            answers.append(json.loads(done.stdout))
        assert answers == [answers[0]] * 3


def test_a_standby_sends_every_verb_to_the_leader(ensemble: Ensemble, tmp_path: Path) -> None:
    """A job is submitted, shown, saved and stopped, another one is cancelled, by clients that know a standby alone."""
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=1) as cluster:
        (standby,) = cluster.standbys()
        held = tmp_path / "held"
        held.touch()
        program = write_program(tmp_path, held)

        def ask(verb: str, *arguments: str) -> Any:  # noqa: ANN401  # what JSON holds has no type
            address = ("-m", f"127.0.0.1:{cluster.ports[standby]}", "--json")
            done = CliRunner().invoke(main, [verb, *address, *arguments])  # a process each would take a second more
            assert (verb, done.exit_code, done.stderr) == (verb, 0, "")
            return json.loads(done.stdout)

        def submit() -> JobId:
            job = JobId(ask("run", "-d", str(program))["job"])
            cluster.wait_for_tasks(job)
            return job

        job = submit()
        assert ask("info", job)["status"]["job"] == job
        for verb in (("savepoint", job, str(tmp_path)), ("stop", "-p", str(tmp_path), job)):
            assert (Path(ask(*verb)["savepoint"]) / "_metadata").is_file()
        assert cluster.details(job).status.state is JobState.FINISHED
        another = submit()
        ask("cancel", another)
        assert cluster.details(another).status.state is JobState.CANCELED
        assert cluster.standbys() == [standby]


def test_a_client_that_knows_zookeeper_needs_no_address(ensemble: Ensemble, tmp_path: Path) -> None:
    """Also when the leader has just died."""
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=1) as cluster:
        assert millstream(cluster, "list", *elected(cluster)).returncode == 0
        cluster.jobmanagers[cluster.leader()].kill()
        done = millstream(cluster, "list", *elected(cluster))
        assert done.returncode == 0, done.stderr


def test_taskmanagers_without_zookeeper_follow_a_standbys_words(ensemble: Ensemble, tmp_path: Path) -> None:
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=0) as cluster:
        (standby,) = cluster.standbys()
        address = {"high-availability.type": "NONE", "jobmanager.rpc.port": str(cluster.ports[standby])}
        cluster.start_taskmanager(0, slots=1, options=address)
        cluster.wait_for_slots(1)
        cluster.jobmanagers[cluster.leader()].kill()
        cluster.until(lambda: cluster.leader() == standby, 20, "the standby leads")
        cluster.wait_for_slots(1)


@pytest.mark.nightly
def test_an_attached_program_goes_on_when_the_leader_dies(ensemble: Ensemble, tmp_path: Path) -> None:
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=1) as cluster:
        held = tmp_path / "held"
        held.touch()
        program = write_program(tmp_path, held)
        command = [MILLSTREAM, "run", *elected(cluster), "-D", "execution.checkpointing.interval=200 ms", str(program)]
        with (tmp_path / "run.log").open("wb") as log:
            running = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            cluster.until(lambda: (view := cluster.view()) is not None and view.jobs, 20, "the job is there")
            view = cluster.view()
            assert view is not None
            cluster.wait_for_state(view.jobs[0].job, JobState.RUNNING)
            cluster.jobmanagers[cluster.leader()].kill()
            cluster.until(cluster.view, 20, "another one leads")
            assert running.poll() is None
            held.unlink()
            assert running.wait(timeout=40) == 0, (tmp_path / "run.log").read_text()


def test_collected_records_come_once_although_the_leader_dies(ensemble: Ensemble, tmp_path: Path) -> None:
    with elected_cluster(tmp_path, ensemble.hosts, taskmanagers=1) as cluster:
        held = tmp_path / "held"
        held.touch()
        env = cluster.environment(execution__checkpointing__interval="200 ms")
        source = PacedEvents(6_000, splits=1, rate=2_000, held=str(held))
        found = []
        with env.from_source(source, WatermarkStrategy.no_watermarks(), "events").execute_and_collect() as records:
            for record in records:
                found.append(record[1])
                if len(found) == 1_000:
                    cluster.jobmanagers[cluster.leader()].kill()
                if len(found) == 3_000:
                    held.unlink()
        assert found == [event(number, 10)[1] for number in range(6_000)]
