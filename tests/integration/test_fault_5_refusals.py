"""Fault 5: what can't work is refused with a sentence when it is submitted; too few slots are waited for."""

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream.errors import RequestRefusedError
from millstream_runtime.states import JobState
from tests.integration.programs import windows
from tests.support.clusters import MILLSTREAM, Cluster, running_cluster
from tests.support.jobs import PacedEvents

HEAD = """
from millstream import *
env = StreamExecutionEnvironment.get_execution_environment()
numbers = env.from_collection([1, 2, 3])
"""

REFUSED = {
    "an unpicklable function": (
        "import threading\nlock = threading.Lock()\nnumbers.map(lambda v: (lock, v)[1]).print()",
        ("lock", "can't be pickled"),
    ),
    "two operators with one uid": (
        "numbers.map(str).uid('one').map(str).uid('one').print()",
        ("uid", "one"),
    ),
    "more parallelism than key groups": (
        "numbers.map(str).set_max_parallelism(4).set_parallelism(5).print()",
        ("parallelism 5", "4"),
    ),
    "a keyed operation on a stream without keys": (
        "numbers.reduce(lambda a, b: a + b).print()",
        ("key_by",),
    ),
    "keys whose hash isn't stable": (
        "numbers.key_by(lambda v: [v], key_type=Types.LIST(Types.LONG())).reduce(lambda a, b: a).print()",
        ("list",),
    ),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    options = {"slot.request.timeout": "3 s"}
    with running_cluster(tmp_path_factory.mktemp("refusals"), taskmanagers=1, slots=2, options=options) as running:
        yield running


def run(cluster: Cluster, directory: Path, program: str, *options: str) -> tuple[int, str]:
    """Exit code and everything that `millstream run` said."""
    script = directory / "job.py"
    script.write_text(HEAD + program + "\nenv.execute('refused')\n", encoding="utf-8")
    command = [MILLSTREAM, "run", "-D", f"jobmanager.rpc.port={cluster.port}", *options, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50, cwd=directory)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_a_program_that_can_t_work_is_refused(cluster: Cluster, tmp_path: Path, name: str) -> None:
    program, words = REFUSED[name]
    code, said = run(cluster, tmp_path, program)
    assert code != 0
    for word in words:
        assert word in said, said
    assert "refused" not in [job.name for job in (cluster.view() or pytest.fail("no answer")).jobs]


def test_an_unknown_key_is_refused_and_the_nearest_named(cluster: Cluster, tmp_path: Path) -> None:
    code, said = run(cluster, tmp_path, "numbers.print()", "-D", "parallelism.defualt=2")
    assert code == 2
    assert "parallelism.default" in said


def test_a_program_of_another_python_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = """
from dataclasses import replace
from millstream.compiler import job_graph
other = replace(job_graph.own_versions(), python="2.7")
job_graph.own_versions = lambda: other
numbers.print()"""
    code, said = run(cluster, tmp_path, other)
    assert code == 4, said
    assert "python 2.7" in said


def test_a_job_that_does_not_run_takes_no_savepoint(cluster: Cluster, tmp_path: Path) -> None:
    env = cluster.environment(parallelism__default=4)
    env.from_collection([1, 2, 3]).rebalance().map(str).print()
    client = env.execute_async("too large")
    directory = str(tmp_path / "savepoints")
    for asked in (client.trigger_savepoint(directory), client.stop_with_savepoint(False, directory)):
        with pytest.raises(RequestRefusedError, match="isn't running: it is CREATED, waiting for 2 of 4 slots"):
            asked.result(timeout=30)
    client.cancel().result(timeout=30)


def test_a_savepoint_that_is_none_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    code, said = run(cluster, tmp_path, "numbers.print()", "-s", str(tmp_path / "nowhere"))
    assert code == 4, said
    assert str(tmp_path / "nowhere") in said


def test_a_damaged_savepoint_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    savepoint = stopped(cluster, tmp_path)
    metadata = savepoint / "_metadata"
    content = bytearray(metadata.read_bytes())
    content[len(content) // 2] ^= 1
    metadata.write_bytes(content)
    code, said = run(cluster, tmp_path, "numbers.print()", "-s", str(savepoint))
    assert code == 4, said
    assert str(metadata) in said


def test_state_that_nobody_claims_is_refused_without_the_flag(cluster: Cluster, tmp_path: Path) -> None:
    savepoint = stopped(cluster, tmp_path)
    code, said = run(cluster, tmp_path, "numbers.print()", "-s", str(savepoint))
    assert code == 4, said
    assert "--allow-non-restored-state" in said
    code, said = run(cluster, tmp_path, "numbers.print()", "-s", str(savepoint), "--allow-non-restored-state")
    assert code == 0, said


def stopped(cluster: Cluster, directory: Path) -> Path:
    """The savepoint of a job that was stopped."""
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms")
    windows(env, PacedEvents(50_000, 1, rate=2_000, keys=5, held=str(directory / "held")), directory / "out")
    client = env.execute_async("stopped")
    cluster.wait_for_state(client.get_job_id(), JobState.RUNNING)
    path = client.stop_with_savepoint(False, str(directory / "savepoints")).result(timeout=30)
    cluster.wait_for_state(client.get_job_id(), JobState.FINISHED)
    return Path(path)


def test_too_few_slots_are_waited_for_and_then_the_job_fails(cluster: Cluster, tmp_path: Path) -> None:
    env = cluster.environment(parallelism__default=4)
    env.from_collection([1, 2, 3]).rebalance().map(str).print()
    job = env.execute_async("large").get_job_id()
    cluster.until(
        lambda: cluster.details(job).status.note == "waiting for 2 of 4 slots", 5, "it says what it waits for"
    )
    details = cluster.wait_for_state(job, JobState.FAILED, 10)
    assert "slot.request.timeout" in str(details.status.failure)
