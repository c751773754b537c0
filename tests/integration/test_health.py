"""Each process says whether it lives and is ready, takes its settings as in a container, and ends in time.

Real processes, asked as a kubelet asks them.
"""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream_dataflow.configuration import TABLE
from millstream_proto import client_pb2
from millstream_runtime.states import JobState
from tests.integration.programs import windows
from tests.support.clusters import MILLSTREAM, Cluster, Process, children, free_port, until
from tests.support.jobs import PacedEvents

ANSWERED = re.compile(r"health is answered on localhost:(\d+) ")
OPTIONS = {"health.port": "0", "env.log.target": "stdout", "taskmanager.shutdown-timeout": "2s"}


def health_port(process: Process) -> int:
    """Where it answers; 0 as long as it hasn't said so."""
    found = ANSWERED.search(process.log.read_text(encoding="utf-8"))
    return int(found.group(1)) if found else 0


def asked(process: Process, path: str) -> tuple[int, str]:
    """Status and body; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health_port(process)}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode().strip()
    except OSError:
        return 0, ""


@contextmanager
def small_cluster(directory: Path, options: Mapping[str, str] | None = None) -> Generator[Cluster]:
    """Nothing runs in it yet."""
    cluster = Cluster(directory, {**OPTIONS, **(options or {})})
    try:
        yield cluster
    finally:
        cluster.close()


def is_ready(process: Process) -> bool:
    return asked(process, "/readyz") == (200, "ok")


def wait_for(cluster: Cluster, process: Process, path: str, answer: tuple[int, str]) -> None:
    cluster.until(lambda: asked(process, path) == answer, 20, f"{process.name} answers {path} with {answer}")


def test_a_taskmanager_is_ready_as_long_as_it_is_registered(tmp_path: Path) -> None:
    with small_cluster(tmp_path) as cluster:
        taskmanager = cluster.start_taskmanager()
        wait_for(cluster, taskmanager, "/livez", (200, "ok"))
        assert asked(taskmanager, "/readyz") == (503, "unregistered")
        jobmanager = cluster.start_jobmanager()
        wait_for(cluster, taskmanager, "/readyz", (200, "ok"))
        assert asked(jobmanager, "/livez") == asked(jobmanager, "/readyz") == (200, "ok")
        cluster.kill_jobmanager()
        wait_for(cluster, taskmanager, "/readyz", (503, "unregistered"))
        assert asked(taskmanager, "/livez") == (200, "ok")
        cluster.start_jobmanager()
        wait_for(cluster, taskmanager, "/readyz", (200, "ok"))


def test_a_taskmanager_without_a_forkserver_does_not_live(tmp_path: Path) -> None:
    with small_cluster(tmp_path) as cluster:
        taskmanager = cluster.start_taskmanager()
        wait_for(cluster, taskmanager, "/livez", (200, "ok"))
        [forkserver] = children(taskmanager.pid)
        os.kill(forkserver, signal.SIGKILL)
        wait_for(cluster, taskmanager, "/livez", (503, "forkserver"))
        wait_for(cluster, taskmanager, "/livez", (200, "ok"))


@contextmanager
def strangers(process: Process, number: int) -> Generator[None]:
    """Those who watch its health, and those who say nothing on any of its ports."""
    with ExitStack() as stack:
        for _ in range(number):
            target = f"127.0.0.1:{health_port(process)}"
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(target, options))
            stub: Any = health_pb2_grpc.HealthStub(channel)  # has no types
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            stack.callback(watch.cancel)  # a call that nobody holds is cancelled at once
            next(watch)
            for port in listening(process.pid):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        yield


def listening(pid: int) -> list[int]:
    """The TCP ports of a process."""
    files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    table = Path(f"/proc/{pid}/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
    rows = [row.split() for row in table]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in files]


def ends(process: Process, within_s: float) -> bool:
    """SIGTERM; whether it ends in time, and with 0."""
    process.popen.terminate()
    return process.popen.wait(timeout=within_s) == 0


def end_of(stream: Any) -> grpc.StatusCode:  # noqa: ANN401  # gRPC's stream has no public type
    """How a stream ended. Its messages are taken first: gRPC tells of no end in front of them."""
    with pytest.raises(grpc.RpcError):
        list(stream)
    return cast(grpc.StatusCode, stream.code())


def test_sigterm_ends_both_with_0_whoever_watches_or_is_silent(tmp_path: Path) -> None:
    with small_cluster(tmp_path) as cluster, ExitStack() as peers:
        jobmanager, taskmanager = cluster.start_jobmanager(), cluster.start_taskmanager()
        cluster.wait_for_slots(2)
        (tmp_path / "held").touch()
        source = PacedEvents(1_000_000, splits=1, rate=1_000, keys=10, held=str(tmp_path / "held"))
        environment = cluster.environment(execution__checkpointing__interval="100 ms")
        windows(environment, source, tmp_path / "out")
        job = environment.execute_async("watched").get_job_id()
        cluster.wait_for_state(job, JobState.RUNNING)
        for process in (jobmanager, taskmanager):
            peers.enter_context(strangers(process, 5))
        watch = cluster.stub.Watch(client_pb2.JobRequest(job=job))
        output = cluster.stub.Output(client_pb2.JobRequest(job=job))
        next(watch)
        assert ends(jobmanager, 5), jobmanager.tail()
        assert ends(taskmanager, 7), taskmanager.tail()  # two of them for its tasks
        assert end_of(watch) is end_of(output) is grpc.StatusCode.UNAVAILABLE


@contextmanager
def frozen(process: Process) -> Generator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_sigterm_ends_each_with_0_whose_peer_is_frozen(tmp_path: Path) -> None:
    """A TaskManager says meanwhile that nothing should be sent to it."""
    with small_cluster(tmp_path) as cluster:
        jobmanager, taskmanager = cluster.start_jobmanager(), cluster.start_taskmanager()
        cluster.wait_for_slots(2)
        with frozen(jobmanager):
            taskmanager.popen.terminate()
            wait_for(cluster, taskmanager, "/readyz", (503, "leaving"))
            assert taskmanager.popen.wait(timeout=7) == 0, taskmanager.tail()
        other = cluster.start_taskmanager()
        wait_for(cluster, other, "/readyz", (200, "ok"))
        with frozen(other):
            assert ends(jobmanager, 5), jobmanager.tail()


def test_sigterm_ends_a_jobmanager_with_0_whose_storage_hangs_as_it_starts(tmp_path: Path) -> None:
    """A named pipe as a job's record: whoever opens it waits for ever."""
    with small_cluster(tmp_path) as cluster:
        jobmanager = cluster.start_jobmanager()
        assert jobmanager.stop() == 0
        found = next((tmp_path / "store").rglob("epoch*"))
        found.unlink()
        os.mkfifo(found)
        again = cluster.jobmanager = cluster._start("jobmanager")
        wait_for(cluster, again, "/livez", (200, "ok"))
        assert asked(again, "/readyz") == (503, "leaderless")
        again.popen.terminate()
        assert again.popen.wait(timeout=15) == 0, again.tail()


TOKEN = "a" * 43
"""Of clients; nobody is to see it."""


@dataclass(frozen=True)
class Container:
    """What a process of a cluster finds where it starts: a file, variables, and nothing on its command line."""

    directory: Path
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """All of it."""
        own = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {**own, "HOME": str(self.directory), **self.variables}

    @contextmanager
    def running(self, verb: str) -> Generator[Process]:
        """One of them."""
        log = self.directory / f"{verb}.log"
        with log.open("wb") as output, log.with_suffix(".err").open("wb") as errors:
            popen = subprocess.Popen(
                [MILLSTREAM, verb], env=self.environment, stdout=output, stderr=errors, cwd=self.directory
            )
        try:
            yield Process(verb, popen, log)
        finally:
            popen.kill()
            popen.wait()

    def called(self, *command: str) -> str:
        """What a client says there."""
        client = subprocess.run(
            [MILLSTREAM, *command], env=self.environment, capture_output=True, text=True, check=True
        )
        return client.stdout


@pytest.fixture
def container(tmp_path: Path) -> Container:
    (tmp_path / "conf").mkdir()
    settings = {
        "jobmanager.rpc.port": 1,  # the environment is stronger
        "taskmanager.numberOfTaskSlots": 3,
        "health.port": 0,
        "env.log.target": "stdout",
    }
    text = "".join(f"{key}: {value}\n" for key, value in settings.items())
    (tmp_path / "conf" / "millstream.yaml").write_text(text, encoding="utf-8")
    (token := tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    token.chmod(0o600)
    named = {
        "jobmanager.rpc.port": str(free_port()),
        "high-availability.storageDir": str(tmp_path / "store"),
        "io.tmp.dirs": str(tmp_path),
        "security.token-file": str(token),
    }
    variables = {environment_name(key): value for key, value in named.items()}
    return Container(tmp_path, {"MILLSTREAM_CONF_DIR": str(tmp_path / "conf"), **variables})


def environment_name(key: str) -> str:
    """The variable of a key."""
    option = TABLE.find(key)
    assert option is not None
    return option.environment_name


def test_a_file_and_the_environment_are_all_that_both_need(container: Container) -> None:
    """Also for a secret, which a file holds that a variable names."""
    with container.running("jobmanager") as jobmanager, container.running("taskmanager") as taskmanager:
        processes = (taskmanager, jobmanager)
        for process in processes:
            until(partial(is_ready, process), 20, f"{process.name} is ready", process.tail)
        assert json.loads(container.called("list", "--json")) == []
        for process in processes:
            process.popen.terminate()
            assert process.popen.wait(timeout=5) == 0, process.tail()
    for process in processes:
        said = process.log.read_text(encoding="utf-8")
        pattern = r"\d{4}-\d\d-\d\dT[\d:.]+Z (INFO|WARNING) +millstream\S*: "
        assert all(re.match(pattern, line) for line in said.splitlines()), said
        assert process.log.with_suffix(".err").read_bytes() == b""
        assert TOKEN not in said + container.called("config", "--json")
    assert "TaskManager with 3 slots runs" in taskmanager.log.read_text(encoding="utf-8")
