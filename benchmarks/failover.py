"""How long a job stands still when a TaskManager is killed and a slot is spare, by default settings.

From SIGKILL until all tasks run again, seen by a client. The first restart has no delay (law 3.6), so there is nothing
to race against: the yardstick is the target. Each round has a job of its own, for later restarts have a delay.
"""

import resource
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness import ROUNDS, Report, WrongResultError
from benchmarks.startup import MILLSTREAM
from millstream import StreamExecutionEnvironment
from millstream.submission.gateway import Gateway
from millstream.submission.routes import Route
from millstream_dataflow.identity import JobId
from millstream_runtime.messages.client import JobDetails
from millstream_runtime.states import TaskState

TARGET_S = 2.0
PATIENCE_S = 60


def paced(value: int) -> int:
    """A millisecond a record: two workers are far from busy."""
    time.sleep(0.001)
    return value


class Cluster:
    """A JobManager and three TaskManagers of one slot each, which are known by their data ports."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._jobmanager, *ports = (_free_port() for _ in range(4))
        self.gateway = Gateway(Route(f"127.0.0.1:{self._jobmanager}"), PATIENCE_S)
        self._all = [self._start("jobmanager")]
        self._taskmanagers = {port: self._start_taskmanager(port) for port in ports}

    def submit(self) -> JobId:
        """Two workers, which exchange their records; a checkpoint every second."""
        env = StreamExecutionEnvironment.get_execution_environment(
            {
                "execution.target": "remote",
                "jobmanager.rpc.port": self._jobmanager,
                "parallelism.default": 2,
                "execution.checkpointing.interval": "1 s",
            }
        )
        env.from_sequence(1, 10**12).map(paced).key_by(lambda value: value % 100).filter(
            lambda value: not value
        ).print()
        return env.execute_async("failover").get_job_id()

    def fail(self, job: JobId) -> float:
        """Kill a TaskManager that has a part of the job; seconds until it runs again. Another takes the place."""
        victim = self.gateway.details(job).tasks[-1].taskmanager
        port = next(one.port for one in self.gateway.cluster().taskmanagers if one.taskmanager == victim)
        started = time.monotonic()
        self._taskmanagers[port].kill()
        _wait(lambda: _runs(self.gateway.details(job), 2), "the job runs again")
        seconds = time.monotonic() - started
        self._taskmanagers[port] = self._start_taskmanager(port)
        return seconds

    def wait_for_slots(self) -> None:
        """All three are free."""
        _wait(lambda: sum(one.free_slots for one in self.gateway.cluster().taskmanagers) == 3, "all slots are free")

    def close(self) -> None:
        """End everything."""
        self.gateway.close()
        for process in self._all:
            process.send_signal(signal.SIGTERM)
        for process in self._all:
            process.wait()

    def _start_taskmanager(self, port: int) -> subprocess.Popen[bytes]:
        own = ("-D", f"taskmanager.data.port={port}", "-D", f"io.tmp.dirs={self._directory / str(port)}")
        process = self._start("taskmanager", "--slots", "1", *own)
        self._all.append(process)
        return process

    def _start(self, *verb: str) -> subprocess.Popen[bytes]:
        store = f"high-availability.storageDir={self._directory / 'store'}"
        command = [MILLSTREAM, *verb, "-D", f"jobmanager.rpc.port={self._jobmanager}", "-D", store]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run() -> Report:
    """The benchmark; memory and processor time are those of the cluster's processes, its starts included."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark-") as name, ExitStack() as stack:
        cluster = Cluster(Path(name))
        stack.callback(cluster.close)
        seconds = [_round(cluster) for _ in range(ROUNDS)]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = statistics.median(seconds)
    return Report(
        "failover",
        ROUNDS,
        mine,
        "the target",
        TARGET_S,
        TARGET_S / mine,
        used.ru_maxrss / 1_024,
        used.ru_utime + used.ru_stime,
        "s",
    )


def _round(cluster: Cluster) -> float:
    cluster.wait_for_slots()
    job = cluster.submit()
    _wait(lambda: _runs(cluster.gateway.details(job), 1), "the job runs")
    _wait(lambda: bool(cluster.gateway.details(job).checkpoints), "there is something to restore")
    seconds = cluster.fail(job)
    cluster.gateway.cancel(job)
    return seconds


def _runs(details: JobDetails, attempt: int) -> bool:
    tasks = details.tasks
    return bool(tasks) and all(task.attempt == attempt and task.state is TaskState.RUNNING for task in tasks)


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise WrongResultError(f"never within {PATIENCE_S} s: {what}")
        time.sleep(0.005)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
