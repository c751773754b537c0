"""Laws 3.2 and 9.2: a cable is cut, so nothing is closed and nothing is heard. That is noticed, and the job goes on."""

import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState, TaskState
from tests.integration.programs import WINDOW, windows
from tests.support.cables import Proxy, Switch, can_make_namespaces
from tests.support.clusters import MILLSTREAM, Cluster, free_port
from tests.support.components import ROOT_LINE, require
from tests.support.jobs import PacedEvents, hidden_files, truth, window_rows
from tests.support.machines import another_machine

COUNT = 40_000
KEYS = 10
PEER_TIMEOUT_S = 0.6
OPTIONS: Mapping[str, str] = {
    "taskmanager.network.peer-ping-interval": "100 ms",
    "taskmanager.network.peer-timeout": "600 ms",
    "taskmanager.network.handshake-timeout": "500 ms",
}


def start(cluster: Cluster, directory: Path) -> JobId:
    """A job of two workers which runs, and has committed."""
    (directory / "held").touch()
    env = cluster.environment(
        **{
            "execution.checkpointing.interval": "100 ms",
            "execution.checkpointing.dir": str(directory / "checkpoints"),
            "parallelism.default": 2,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 1_000,
            "restart-strategy.fixed-delay.delay": "100 ms",
        }
    )
    windows(env, PacedEvents(COUNT, 2, rate=2_000, keys=KEYS, held=str(directory / "held")), directory / "out")
    job = env.execute_async("cut cable").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)
    cluster.until(lambda: window_rows(directory / "out"), 20, "windows are committed")
    return job


def runs_again(cluster: Cluster, job: JobId) -> bool:
    """In an attempt above the first."""
    details = cluster.details(job)
    tasks = details.tasks
    return details.status.state is JobState.RUNNING and all(
        task.attempt > 1 and task.state is TaskState.RUNNING for task in tasks
    )


def finish(cluster: Cluster, job: JobId, directory: Path) -> None:
    (directory / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED, 40)
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)
    assert hidden_files(directory / "out") == []


def test_the_cable_between_two_taskmanagers_is_cut_and_mended(tmp_path: Path) -> None:
    """Both still reach the JobManager. There are no other slots, so the job waits until the cable is mended."""
    cluster, proxies = Cluster(tmp_path, OPTIONS), list[Proxy]()
    try:
        cluster.start_jobmanager()
        for number in range(2):
            own, reached, port = f"127.0.1.{number + 1}", f"127.0.2.{number + 1}", free_port()
            proxies.append(Proxy((reached, port), (own, port)))
            options = {
                "taskmanager.bind-host": own,
                "taskmanager.host": reached,
                "taskmanager.data.port": str(port),
            }
            cluster.start_taskmanager(number, 1, options, another_machine(f"machine-{number}"))
        cluster.wait_for_slots(2)
        job = start(cluster, tmp_path)
        carries = "the records go through a proxy"
        cluster.until(lambda: sum(proxy.carried for proxy in proxies) > 10_000, 10, carries)

        until = time.monotonic() + 3 * PEER_TIMEOUT_S
        cluster.until(lambda: time.monotonic() > until, 10, "nobody is missed who is there")
        assert {task.attempt for task in cluster.details(job).tasks} == {1}
        for proxy in proxies:
            proxy.cut()
        began = time.monotonic()
        cluster.until(lambda: cluster.details(job).status.state is JobState.RESTARTING, 20, "the silence is noticed")
        assert time.monotonic() - began < 3 * PEER_TIMEOUT_S + 1
        logs = [process.log.read_text(encoding="utf-8") for process in cluster.taskmanagers.values()]
        assert any("has not answered for" in log for log in logs)
        assert cluster.slots() == 2, "nobody has died"

        for proxy in proxies:
            proxy.mend()
        cluster.until(lambda: runs_again(cluster, job), 20, "the job runs again")
        finish(cluster, job, tmp_path)
    finally:
        cluster.close()
        for proxy in proxies:
            proxy.close()


@pytest.fixture
def switch() -> Generator[Switch]:
    require(shutil.which("ip") is not None, "iproute2", "sudo apt-get install iproute2")
    require(can_make_namespaces(), "permission to make network namespaces", ROOT_LINE)
    switch = Switch()
    with switch.standing(3):
        yield switch


def test_a_host_without_a_cable_is_replaced(tmp_path: Path, switch: Switch) -> None:
    """It neither answers its peers nor the JobManager, and works on for itself until it is back."""
    options = {
        **OPTIONS,
        "heartbeat.interval": "200 ms",
        "heartbeat.timeout": "2 s",
        "security.insecure": "true",
        "jobmanager.bind-host": switch.address(0),
        "jobmanager.rpc.address": switch.address(0),
    }
    cluster = Cluster(tmp_path, options, host=switch.address(0))
    with ExitStack() as ends:
        ends.callback(cluster.close)
        cluster.start_jobmanager()
        for host in (1, 2, 3):
            own = {"taskmanager.bind-host": switch.address(host)}
            cluster.start_taskmanager(host, 1, own, (*switch.command(host), MILLSTREAM))
        cluster.wait_for_slots(3)
        job = start(cluster, tmp_path)
        lonely = next(host for host in (1, 2, 3) if cluster.workers(host))

        switch.cut(lonely)
        ends.callback(switch.mend, lonely)
        began = time.monotonic()
        cluster.until(lambda: runs_again(cluster, job), 20, "the job runs elsewhere")
        assert time.monotonic() - began < 3 * (2 + 1)
        assert all(cluster.workers(host) for host in (1, 2, 3) if host != lonely)
        cluster.until(lambda: cluster.slots() == 2, 3 * 2, "the JobManager gives it up")

        switch.mend(lonely)
        cluster.wait_for_slots(3)
        cluster.until(lambda: not cluster.workers(lonely), 10, "what it worked on for itself is ended")
        finish(cluster, job, tmp_path)
