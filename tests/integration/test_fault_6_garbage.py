"""Fault 6: garbage on every port. The connection is closed with a log line, memory stays bounded, the job goes on."""

import random
import re
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId, TaskManagerId, WorkerId, worker_id
from millstream_runtime.states import JobState
from millstream_taskmanager.exchange.frames import HEADER, NO_CHANNEL, Kind, pack_header
from millstream_taskmanager.exchange.handshake import NONCE_SIZE, Connector, Party
from millstream_taskmanager.exchange.preface import encode_preface
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import Cluster, running_cluster
from tests.support.jobs import PacedEvents, truth, window_rows
from tests.support.machines import another_machine

COUNT = 20_000
KEYS = 10
FRAME_OF_4_GIB = HEADER.pack(0xFFFFFFFF, Kind.HELLO, 0, 0, 0, 0, 0)

GARBAGE = {
    "random bytes": random.Random(7).randbytes(100_000),
    "a web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "half a preface": b"MSP1\x40",
    "a preface for nobody": encode_preface(WorkerId("nobody")) + b"\x00" * 64,
    "a preface that is too long": b"MSP1\xff\xff" + b"x" * 70_000,
    "a frame of 4 GiB": FRAME_OF_4_GIB + b"\x00" * 1_000,
    "nothing": b"",
}
"""What no worker would say."""


def to_a_worker(worker: WorkerId, peer: WorkerId, job: JobId) -> dict[str, bytes]:
    """What gets past the data port, since it names a worker that is there, by the words that the worker logs."""
    stranger = Party(peer, RegionAttempt(job, RegionId(0), 2), b"a secret of another attempt's")
    hello = Connector(stranger, worker, bytes(NONCE_SIZE)).hello()
    talks = {
        "4294967295 bytes was announced": FRAME_OF_4_GIB + bytes(1 << 20),
        "attempt 2, this is": pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, len(hello)) + hello,
        "where HELLO 0 was due": pack_header(Kind.ROWS, 0, NO_CHANNEL, 0, 3) + b"abc",
        "no handshake within 300 ms": pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, len(hello)) + hello[:9],
    }
    return {words: encode_preface(worker) + talk for words, talk in talks.items()}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """Of two machines: workers of one alone hear nobody who comes through a data port."""
    options = {"taskmanager.network.handshake-timeout": "300 ms"}
    with running_cluster(tmp_path_factory.mktemp("garbage"), taskmanagers=0, options=options) as running:
        for number in range(2):
            running.start_taskmanager(number, 1, command=another_machine(f"machine-{number}"))
        running.wait_for_slots(2)
        yield running


def rss_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found.group(1)) / 1_024


@contextmanager
def unmoved(cluster: Cluster, directory: Path) -> Generator[JobId]:
    """A job that runs meanwhile, in its first attempt to its end, in processes that don't grow."""
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2)
    source = PacedEvents(COUNT, splits=2, rate=2_000, keys=KEYS, held=str(directory / "held"))
    windows(env, source, directory / "out")
    job = env.execute_async("garbage").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)
    assert cluster.jobmanager is not None
    pids = [cluster.jobmanager.pid, *(process.pid for process in cluster.taskmanagers.values()), *cluster.all_workers()]
    before = [rss_mb(pid) for pid in pids]
    yield job
    assert max(rss_mb(pid) - then for pid, then in zip(pids, before, strict=True)) < 20
    (directory / "held").unlink()
    details = cluster.wait_for_state(job, JobState.FINISHED)
    assert {task.attempt for task in details.tasks} == {1}
    assert window_rows(directory / "out") == truth(COUNT, KEYS, WINDOW)


def throw(port: int, data: bytes, *, hangs_up: bool = False) -> None:
    """Send it, say that no more comes or don't, and wait until the other side has closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(data)
            if hangs_up:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


def ports(cluster: Cluster) -> Mapping[TaskManagerId, int]:
    view = cluster.view()
    assert view is not None
    return {taskmanager.taskmanager: taskmanager.port for taskmanager in view.taskmanagers}


def closed(cluster: Cluster, worker: WorkerId, words: str) -> bool:
    """Whether it has told of a connection that it closed. Its TaskManager keeps what it says while it runs."""
    said = "".join(path.read_text(encoding="utf-8") for path in cluster.directory.rglob("process.err"))
    return any(line.startswith(f"{worker} closed a connection") and words in line for line in said.splitlines())


def all_told(log: Path) -> bool:
    """Whether a log says of all garbage on the data port that its connection was closed: a line may count others."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "to the data port is closed" in line]
    others = sum(int(count) for line in lines for count in re.findall(r"; (\d+) more like it", line))
    return len(lines) + others == 5 * len(GARBAGE)


def test_garbage_on_the_data_ports_of_a_running_job(cluster: Cluster, tmp_path: Path) -> None:
    """Laws 9.2 and 9.3: neither a TaskManager nor its worker is moved."""
    with unmoved(cluster, tmp_path) as job:
        for port in ports(cluster).values():
            for data in GARBAGE.values():
                for _ in range(5):
                    throw(port, data)
        for process in cluster.taskmanagers.values():
            cluster.until(partial(all_told, process.log), 5, "each connection has its line, or is counted in one")

        home = {task.index: task.taskmanager for task in cluster.details(job).tasks}
        workers = [worker_id(RegionAttempt(job, RegionId(0), 1), ordinal) for ordinal in range(2)]
        for ordinal, worker in enumerate(workers):
            for words, data in to_a_worker(worker, workers[1 - ordinal], job).items():
                throw(ports(cluster)[home[ordinal]], data)
                cluster.until(partial(closed, cluster, worker, words), 5, f"{worker} says: {words}")


def test_garbage_on_the_control_port_while_a_job_runs(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever says too little is given ten seconds there, so each says that no more comes."""
    assert cluster.jobmanager is not None
    with unmoved(cluster, tmp_path):
        for data in GARBAGE.values():
            for _ in range(5):
                throw(cluster.port, data, hangs_up=True)
        log = cluster.jobmanager.log.read_text(encoding="utf-8")
        assert re.search(r"the connection from 127\.0\.0\.1:\d+ is closed: its first bytes .* are no gRPC", log)
        assert cluster.slots() == 2
