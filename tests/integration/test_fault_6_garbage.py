"""Fault 6: garbage on every port. The connection is closed with a log line, memory stays bounded, the job goes on."""

import random
import re
import socket
import struct
from collections.abc import Generator
from pathlib import Path

import pytest

from millstream_dataflow.identity import JobId
from millstream_runtime.states import JobState
from tests.integration.programs import WINDOW, windows
from tests.support.clusters import Cluster, Process, running_cluster
from tests.support.jobs import PacedEvents, truth, window_rows

COUNT = 20_000
KEYS = 10

GARBAGE = {
    "random bytes": random.Random(7).randbytes(100_000),
    "a web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "half a preface": b"MSP1\x40",
    "a preface for nobody": b"MSP1" + struct.pack("<H", 6) + b"nobody" + b"\x00" * 64,
    "a preface that is too long": b"MSP1\xff\xff" + b"x" * 70_000,
    "a frame of 4 GiB": struct.pack("<IBBHHHI", 0xFFFFFFFF, 1, 0, 0, 0, 0, 0) + b"\x00" * 1_000,
    "nothing": b"",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    options = {"taskmanager.network.handshake-timeout": "300 ms"}
    with running_cluster(tmp_path_factory.mktemp("garbage"), taskmanagers=2, slots=1, options=options) as running:
        yield running


def rss_mb(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1_024


def start(cluster: Cluster, directory: Path) -> JobId:
    (directory / "held").touch()
    env = cluster.environment(execution__checkpointing__interval="100 ms", parallelism__default=2)
    source = PacedEvents(COUNT, splits=2, rate=2_000, keys=KEYS, held=str(directory / "held"))
    windows(env, source, directory / "out")
    job = env.execute_async("garbage").get_job_id()
    cluster.wait_for_state(job, JobState.RUNNING)
    return job


def throw(port: int, data: bytes) -> None:
    """Send it and wait until the other side has closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(data)
            while connection.recv(65_536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


def test_garbage_on_the_data_ports_of_a_running_job(cluster: Cluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path)
    view = cluster.view()
    assert view is not None
    ports = [taskmanager.port for taskmanager in view.taskmanagers]
    before = [rss_mb(process) for process in cluster.taskmanagers.values()]
    for port in ports:
        for data in GARBAGE.values():
            for _ in range(5):
                throw(port, data)
    after = [rss_mb(process) for process in cluster.taskmanagers.values()]
    assert max(now - then for now, then in zip(after, before, strict=True)) < 20
    details = cluster.details(job)
    assert {task.attempt for task in details.tasks} == {1}
    (tmp_path / "held").unlink()
    cluster.wait_for_state(job, JobState.FINISHED)
    assert window_rows(tmp_path / "out") == truth(COUNT, KEYS, WINDOW)
    for process in cluster.taskmanagers.values():
        assert "data port" in process.log.read_text(encoding="utf-8"), "the closed connections are in the log"


def test_garbage_on_the_control_port(cluster: Cluster) -> None:
    assert cluster.jobmanager is not None
    before = rss_mb(cluster.jobmanager)
    for data in GARBAGE.values():
        if data:  # gRPC gives a silent connection more time than a test
            throw(cluster.port, data)
    assert rss_mb(cluster.jobmanager) - before < 20
    assert cluster.slots() == 2
