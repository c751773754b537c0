"""A cluster of real processes, started as a person starts it, and the means to be its enemy.

Processes are found and killed by pid: `JobManager`, `TaskManager`, its forkserver (a child of it) and workers (children
of that). Nothing here sleeps for a fixed time: `until` asks a condition until it holds, and shows the logs when it
doesn't.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc

from millstream import StreamExecutionEnvironment
from millstream_dataflow.identity import JobId
from millstream_proto import client_pb2, client_pb2_grpc
from millstream_runtime.messages.client import ClusterView, JobDetails
from millstream_runtime.messages.codec import from_message
from millstream_runtime.states import JOB_STATES, JobState, TaskState

T = TypeVar("T")

MILLSTREAM = str(Path(sys.executable).with_name("millstream"))
"""The console script of the environment that runs the tests."""

_POLL_S = 0.02
PORTS = range(10_000, 32_000)
"""Below those which the kernel gives to connections: the port of a killed server stays free until it is started again,
and no client that tries it is connected to itself.
"""


class NeverHappenedError(AssertionError):
    """A condition did not come true in its time."""


def until(condition: Callable[[], T], timeout_s: float, what: str, explain: Callable[[], str] = str) -> T:
    """The first true answer of the condition; NeverHappenedError names what was waited for and shows `explain`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NeverHappenedError(f"within {timeout_s} s never: {what}\n{explain()}")
        time.sleep(_POLL_S)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unused_ports(count: int) -> list[int]:
    """So many of PORTS, for servers that will be killed and started again."""
    ports: list[int] = []
    with ExitStack() as bound:
        for port in random.sample(PORTS, len(PORTS)):
            probe = bound.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"not {count} ports of {PORTS} are free")


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits for its parent doesn't)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"}


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in {"Z", "X"} and int(fields[1]) == pid:
            found.append(int(entry.name))
    return sorted(found)


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    below = children(pid)
    return [*below, *(deeper for child in below for deeper in descendants(child))]


@dataclass
class Process:
    """One process of the cluster, with its output in a file."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Of the process itself."""
        return self.popen.pid

    def kill(self) -> list[int]:
        """SIGKILL, and gone. Gives the pids that were below it."""
        below = descendants(self.pid)
        self.popen.kill()
        self.popen.wait()
        return below

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.popen.wait(timeout=20)

    def tail(self, lines: int = 40) -> str:
        """The end of what it said."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- {self.name} (pid {self.pid})", *text.splitlines()[-lines:]])


@dataclass
class Cluster:
    """A JobManager and TaskManagers on loopback, each a process."""

    directory: Path
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    jobmanager: Process | None = None
    taskmanagers: dict[int, Process] = field(default_factory=dict[int, Process])
    port: int = field(default_factory=lambda: unused_ports(1)[0])
    host: str = "127.0.0.1"
    """The JobManager's."""
    _channel: grpc.Channel | None = None
    _starts: int = 0

    # ------------------------------------------------------------------------------------------------ processes

    def start_jobmanager(self) -> Process:
        """It is there when it answers."""
        self.jobmanager = started = self._start("jobmanager")

        def answers() -> ClusterView | None:
            if started.popen.poll() is not None:
                raise NeverHappenedError(f"the JobManager ended when it was started\n{started.tail()}")
            return self.view()

        self.until(answers, 20, "the JobManager answers")
        return started

    def start_taskmanager(
        self,
        number: int = 0,
        slots: int = 2,
        options: Mapping[str, str] | None = None,
        command: Sequence[str] = (MILLSTREAM,),
    ) -> Process:
        """Number tells TaskManagers apart: each has a directory of its own, and keeps it when it is started again.

        `command` may start it elsewhere, in a network namespace for example.
        """
        home = self.directory / f"taskmanager-{number}"
        home.mkdir(exist_ok=True)
        own = {"io.tmp.dirs": str(home), **(options or {})}
        process = self._start("taskmanager", "--slots", str(slots), options=own, command=command)
        self.taskmanagers[number] = process
        return process

    def wait_for_slots(self, slots: int) -> None:
        """So many are registered."""
        self.until(lambda: self.slots() >= slots, 20, f"{slots} slots are registered")

    def slots(self) -> int:
        """Registered ones."""
        view = self.view()
        return 0 if view is None else sum(taskmanager.slots for taskmanager in view.taskmanagers)

    def free_slots(self) -> int:
        """Registered and free ones."""
        view = self.view()
        return 0 if view is None else sum(taskmanager.free_slots for taskmanager in view.taskmanagers)

    def kill_jobmanager(self) -> None:
        """SIGKILL."""
        assert self.jobmanager is not None
        self.jobmanager.kill()

    def forkserver(self, number: int = 0) -> int:
        """The pid of a TaskManager's forkserver."""
        return children(self.taskmanagers[number].pid)[0]

    def workers(self, number: int = 0) -> list[int]:
        """The pids of a TaskManager's workers."""
        return [worker for forkserver in children(self.taskmanagers[number].pid) for worker in children(forkserver)]

    def all_workers(self) -> list[int]:
        """Those of all TaskManagers that live."""
        living = [number for number, process in self.taskmanagers.items() if process.popen.poll() is None]
        return [worker for number in living for worker in self.workers(number)]

    def close(self) -> None:
        """End everything; whatever is left after a moment is killed."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        processes = list(reversed(self.processes()))
        below = [pid for process in processes if process.popen.poll() is None for pid in descendants(process.pid)]
        for process in processes:
            process.popen.send_signal(signal.SIGINT)  # at SIGTERM a TaskManager would hand over its tasks first
        for process in processes:
            try:
                process.popen.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.popen.send_signal(signal.SIGABRT)
                process.popen.wait(timeout=10)
                raise
            finally:
                for pid in [pid for pid in below if alive(pid)]:
                    os.kill(pid, signal.SIGKILL)

    def _start(
        self, *arguments: str, options: Mapping[str, str] | None = None, command: Sequence[str] = (MILLSTREAM,)
    ) -> Process:
        self._starts += 1
        name = f"{arguments[0]}-{self._starts}"
        log = self.directory / f"{name}.log"
        given = {
            "jobmanager.rpc.port": str(self.port),
            "high-availability.storageDir": str(self.directory / "store"),
            **self.options,
            **(options or {}),
        }
        definitions = [part for key, value in given.items() for part in ("-D", f"{key}={value}")]
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [*command, *arguments, *definitions],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
            )
        return Process(name, popen, log)

    # ------------------------------------------------------------------------------------------------- questions

    @property
    def stub(self) -> client_pb2_grpc.ClientGatewayStub:
        """The JobManager as a client sees it."""
        if self._channel is None:
            self._channel = self.channel_to(self.port)
        return client_pb2_grpc.ClientGatewayStub(self._channel)

    def channel_to(self, port: int) -> grpc.Channel:
        """Of a client, to a JobManager."""
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        return grpc.insecure_channel(f"{self.host}:{port}", options)

    def view(self) -> ClusterView | None:
        """The cluster; None while nobody answers."""
        try:
            return from_message(ClusterView, self.stub.Cluster(client_pb2.ClusterRequest(), timeout=2))
        except grpc.RpcError:
            return None

    def details(self, job: JobId) -> JobDetails:
        """All about a job."""
        return from_message(JobDetails, self.stub.Details(client_pb2.JobRequest(job=job), timeout=5))

    def details_or_none(self, job: JobId) -> JobDetails | None:
        """The same; None while nobody answers."""
        try:
            return self.details(job)
        except grpc.RpcError:
            return None

    def environment(self, **options: object) -> StreamExecutionEnvironment:
        """For a program that runs here. In names of options a dot may be written as two underscores."""
        configuration = {
            "execution.target": "remote",
            "jobmanager.rpc.address": self.host,
            "jobmanager.rpc.port": self.port,
            **{key.replace("__", "."): value for key, value in options.items()},
        }
        return StreamExecutionEnvironment.get_execution_environment(configuration)

    def until(self, condition: Callable[[], T], timeout_s: float, what: str) -> T:
        """As the function; shows the ends of all logs when it never happens."""
        return until(condition, timeout_s, what, self.tail)

    def wait_for_state(self, job: JobId, state: JobState, timeout_s: float = 30) -> JobDetails:
        """Until the job is there; fails at once when it has ended otherwise."""
        return self._wait_for(job, lambda details: details.status.state is state, timeout_s, f"is {state.name}")

    def wait_for_tasks(self, job: JobId, timeout_s: float = 30) -> JobDetails:
        """Until every task runs; fails at once when the job has ended."""
        return self._wait_for(job, every_task_runs, timeout_s, "runs with every task")

    def _wait_for(self, job: JobId, condition: Callable[[JobDetails], bool], timeout_s: float, what: str) -> JobDetails:
        def there() -> JobDetails | None:
            details = self.details_or_none(job)
            if details is None or condition(details):
                return details
            if JOB_STATES.is_final(details.status.state):
                raise NeverHappenedError(
                    f"the job is {details.status.state.name}: {details.status.failure}\n{self.tail()}"
                )
            return None

        found = self.until(there, timeout_s, f"job {job} {what}")
        assert found is not None
        return found

    def cancel_all(self) -> None:
        """No job runs afterwards: what a failed test has left would take the next one's slots."""
        view = self.view()
        for job in () if view is None else view.jobs:
            if not JOB_STATES.is_final(job.state):
                self.stub.Cancel(client_pb2.CancelJob(job=job.job), timeout=5)
        self.until(lambda: self.slots() == self.free_slots(), 20, "all slots are free")

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join(process.tail() for process in self.processes())

    def processes(self) -> list[Process]:
        """All of them that were started last, JobManagers first."""
        return [*([self.jobmanager] if self.jobmanager else []), *self.taskmanagers.values()]


def every_task_runs(details: JobDetails) -> bool:
    """It has run, and none of its tasks waits, comes back or has ended."""
    states = {task.state for task in details.tasks}
    return details.status.state is JobState.RUNNING and states == {TaskState.RUNNING}


@contextmanager
def running_cluster(
    directory: Path, *, taskmanagers: int = 1, slots: int = 2, options: Mapping[str, str] | None = None
) -> Generator[Cluster]:
    """A cluster that stands, and is gone afterwards."""
    cluster = Cluster(directory, options or {})
    with standing(cluster, cluster.start_jobmanager, taskmanagers, slots):
        yield cluster


@contextmanager
def standing(cluster: Cluster, start: Callable[[], object], taskmanagers: int, slots: int) -> Generator[None]:
    """The cluster's JobManagers, as `start` starts them, and TaskManagers with so many slots each; all are gone
    afterwards.
    """
    try:
        start()
        for number in range(taskmanagers):
            cluster.start_taskmanager(number, slots)
        cluster.wait_for_slots(taskmanagers * slots)
        yield
    finally:
        cluster.close()
