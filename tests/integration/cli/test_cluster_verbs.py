"""The command line against a real cluster, from `run` to `run -s`."""

import json
import os
import signal
import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from millstream.cli.exit_codes import ExitCode
from tests.integration.cli.programs import AFTER_CTRL_C_S
from tests.support.clusters import MILLSTREAM, Cluster, running_cluster, until
from tests.support.full_disk import fill_disk_of, free_disk_of

pytestmark = pytest.mark.slow

SUMS = """
import sys, time
from millstream import StreamExecutionEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
env.configure({"pipeline.batch.max-records": 10})
count, pause = int(sys.argv[1]), float(sys.argv[2])
def slow(x):
    time.sleep(pause)
    return x
env.from_sequence(1, count).map(slow).key_by(lambda x: x % 3).reduce(lambda a, b: a + b).uid("sum").print()
env.execute("sums")
"""


@dataclass
class Shell:
    """A terminal without a screen, in a directory with the program `sums.py`."""

    cluster: Cluster
    directory: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [MILLSTREAM, *self.arguments(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            process_group=0,
        )

    def arguments(self, given: Sequence[str]) -> list[str]:
        verb, *rest = given
        return [verb, "-m", f"127.0.0.1:{self.cluster.port}", *rest]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Its stdout; it must end with that code."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=50)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}\n{self.cluster.tail()}"
        return out

    def jobs(self, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("list", "--json", *options))
        return found

    def submit(self, *arguments: str) -> str:
        """A job of `sums.py`, detached; its id."""
        job = json.loads(self.run("run", "-d", "--json", *arguments))
        return str(job["job"])

    def until_state(self, job: str, state: str) -> None:
        def there() -> bool:
            return any(one["job"] == job and one["state"] == state for one in self.jobs("-a"))

        until(there, 40, f"job {job} is {state}", self.cluster.tail)


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell]:
    (tmp_path / "sums.py").write_text(SUMS, encoding="utf-8")
    with running_cluster(tmp_path) as cluster:
        yield Shell(cluster, tmp_path)


def test_an_attached_run_shows_how_it_goes_and_ends_with_0(shell: Shell) -> None:
    process = shell.start("run", "sums.py", "100", "0")
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (0, ""), err + shell.cluster.tail()
    assert 'Job "sums"' in err
    assert "is FINISHED after" in err
    assert "100 records" in err.splitlines()[-1]
    [job] = shell.jobs("-a")
    assert (job["name"], job["state"]) == ("sums", "FINISHED")


def test_a_job_s_life_detached(shell: Shell) -> None:
    job = shell.submit("sums.py", "1000000", "0.01")
    shell.until_state(job, "RUNNING")
    assert json.loads(shell.run("info", "--json", job[:8]))["status"]["job"] == job
    assert f"({job}): RUNNING" in shell.run("info", job[:8])
    assert "is CANCELED" in shell.run("cancel", job[:8])
    assert shell.jobs() == []
    shell.run("cancel", job[:8], code=4)


def test_too_few_slots_are_shown_as_what_the_job_waits_for(shell: Shell) -> None:
    job = shell.submit("-p", "4", "sums.py", "10", "0")
    until(lambda: "waiting for 2 of 4 slots" in shell.run("list"), 30, "the note is shown", shell.cluster.tail)
    shell.run("cancel", job)


@pytest.mark.parametrize("cancels", [False, True])
def test_ctrl_c_leaves_the_job_running_unless_told_otherwise(shell: Shell, cancels: bool) -> None:
    options = ("--cancel-on-exit",) if cancels else ()
    process = shell.start("run", *options, "sums.py", "1000000", "0.01")
    until(lambda: [job for job in shell.jobs() if job["state"] == "RUNNING"], 40, "the job runs", shell.cluster.tail)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=AFTER_CTRL_C_S)
    assert process.returncode == 130
    [job] = shell.jobs("-a")
    assert job["state"] == ("CANCELED" if cancels else "RUNNING")
    assert ("runs on; millstream cancel" in err) != cancels


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_cancels_the_job_when_that_was_asked_for(shell: Shell, number: signal.Signals) -> None:
    process = shell.start("run", "--cancel-on-exit", "sums.py", "1000000", "0.01")
    until(lambda: [job for job in shell.jobs() if job["state"] == "RUNNING"], 40, "the job runs", shell.cluster.tail)
    assert process.stderr is not None
    process.stderr.close()
    os.kill(process.pid, number)
    process.communicate(timeout=50)
    assert process.returncode == 130
    assert [job["state"] for job in shell.jobs("-a")] == ["CANCELED"]


def test_an_attached_run_says_that_the_jobmanager_is_away_and_what_has_no_effect(shell: Shell) -> None:
    process = shell.start("run", "-D", "slot.request.timeout=2s", "sums.py", "1000000", "0.01")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("slot.request.timeout (-D on the command line) belongs to the cluster")
    until(lambda: [job for job in shell.jobs() if job["state"] == "RUNNING"], 40, "the job runs", shell.cluster.tail)
    assert shell.cluster.jobmanager is not None
    shell.cluster.jobmanager.kill()
    while "waiting for the JobManager" not in (line := process.stderr.readline()):
        assert line, shell.cluster.tail()
    assert line.endswith("; the job goes on\n")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=AFTER_CTRL_C_S)
    assert process.returncode == 130
    assert "The JobManager is away; if job" in err


def test_a_savepoint_a_stop_and_a_start_from_it(shell: Shell) -> None:
    savepoints = shell.directory / "savepoints"
    job = shell.submit("sums.py", "1000000", "0.001")
    shell.until_state(job, "RUNNING")
    first = shell.run("savepoint", job, str(savepoints)).strip()
    assert (Path(first) / "_metadata").is_file()
    second = shell.run("stop", "-p", str(savepoints), job).strip()
    assert (Path(second) / "_metadata").is_file()
    shell.until_state(job, "FINISHED")
    again = shell.submit("-s", second, "-p", "2", "sums.py", "1000000", "0.001")
    shell.until_state(again, "RUNNING")
    assert shell.run("stop", "--drain", "-p", str(savepoints), again).strip() not in {first, second}


def test_a_job_whose_cancel_cannot_be_stored_goes_on_and_that_is_said(shell: Shell) -> None:
    jobmanager = shell.cluster.jobmanager
    assert jobmanager is not None
    job = shell.submit("sums.py", "1000000", "0.001")
    shell.until_state(job, "RUNNING")
    fill_disk_of(jobmanager.pid)
    try:
        process = shell.start("cancel", "-D", "client.timeout=2s", job)
        _, told = process.communicate(timeout=50)
        shell.until_state(job, "RUNNING")
    finally:
        free_disk_of(jobmanager.pid)
    assert process.returncode == ExitCode.CLUSTER_UNREACHABLE
    assert "the request could not be stored: " in told
    assert "; so the job goes on, not cancelled; ask again when high-availability.storageDir" in told
    shell.run("cancel", job)


def test_processes_end_gracefully_at_a_signal(shell: Shell) -> None:
    cluster = shell.cluster
    assert cluster.jobmanager is not None
    assert cluster.taskmanagers[0].stop() == 0
    assert cluster.jobmanager.stop() == 0
    assert f"JobManager listens on 127.0.0.1:{cluster.port}" in cluster.jobmanager.tail()
    assert (
        f"TaskManager with 2 slots runs, for the JobManager at localhost:{cluster.port}"
        in cluster.taskmanagers[0].tail()
    )
