"""A cluster with several JobManagers, of which ZooKeeper elects one, and the means to be its enemy."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from millstream import StreamExecutionEnvironment
from millstream_dataflow.identity import Epoch, JobId
from millstream_proto import client_pb2, client_pb2_grpc
from millstream_runtime.messages.client import ClusterView, JobDetails
from millstream_runtime.messages.codec import from_message
from tests.support.clusters import (
    MILLSTREAM,
    Cluster,
    NeverHappenedError,
    Process,
    alive,
    standing,
    unused_ports,
)

SESSION_S = 2.0
"""The session timeout of the JobManagers, unless a test sets another one."""


@dataclass
class ElectedCluster(Cluster):
    """JobManagers by number, and TaskManagers. Questions go to whoever leads."""

    quorum: str = ""
    own: Mapping[int, Mapping[str, str]] = field(default_factory=dict[int, Mapping[str, str]])
    """Options of single JobManagers."""
    command: Sequence[str] = (MILLSTREAM,)
    """What a JobManager is started with."""
    jobmanagers: dict[int, Process] = field(default_factory=dict[int, Process])
    ports: dict[int, int] = field(default_factory=dict[int, int])
    spoken: list[tuple[int, Epoch]] = field(default_factory=list[tuple[int, Epoch]])
    """Which JobManager answered as a leader, and in which epoch, in the order of the answers; repeated ones once."""
    _channels: dict[int, grpc.Channel] = field(default_factory=dict[int, grpc.Channel])

    # ------------------------------------------------------------------------------------------------ processes

    def start_jobmanagers(self, *numbers: int) -> None:
        """They are there when somebody leads."""
        for number in numbers:
            self.launch_jobmanager(number)
        self.until(self.view, 30, "a JobManager leads")

    def launch_jobmanager(self, number: int) -> None:
        """Its process is there, no more."""
        if number not in self.ports:
            (self.ports[number],) = unused_ports(1)
        own = {"jobmanager.rpc.port": str(self.ports[number]), **self.own.get(number, {})}
        self.jobmanagers[number] = self._start("jobmanager", options=own, command=self.command)

    def leader(self) -> int:
        """The number of the one that leads, in the eyes of its clients: in the highest epoch that somebody speaks in,
        for who led before may answer for a moment yet.
        """

        def leads() -> int:
            return max(views, key=lambda number: views[number].epoch) if (views := self._views()) else 0

        return self.until(leads, 30, "a JobManager leads")

    def standbys(self) -> list[int]:
        """The others that run."""
        leader = self.leader()
        return [n for n, process in self.jobmanagers.items() if n != leader and self._alive(process)]

    def _alive(self, process: Process) -> bool:
        return process.popen.poll() is None

    def close(self) -> None:
        """End everything."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        super().close()

    def freeze(self, pids: Sequence[int]) -> None:
        """SIGSTOP to all of them."""
        self.signal(pids, signal.SIGSTOP)

    def signal(self, pids: Sequence[int], number: signal.Signals) -> None:
        """To those that live."""
        for pid in pids:
            if alive(pid):
                os.kill(pid, number)

    def processes(self) -> list[Process]:
        """All of them."""
        return [*self.jobmanagers.values(), *self.taskmanagers.values()]

    # ------------------------------------------------------------------------------------------------- questions

    def stub_of(self, number: int) -> client_pb2_grpc.ClientGatewayStub:
        """One JobManager as a client sees it."""
        if number not in self._channels:
            self._channels[number] = self.channel_to(self.ports[number])
        return client_pb2_grpc.ClientGatewayStub(self._channels[number])

    def _view(self, number: int) -> ClusterView | None:
        try:
            answer = self.stub_of(number).Cluster(client_pb2.ClusterRequest(), timeout=1)
        except grpc.RpcError:
            return None
        view = from_message(ClusterView, answer)
        if self.spoken[-1:] != [(number, view.epoch)]:
            self.spoken.append((number, view.epoch))
        return view

    def _views(self) -> dict[int, ClusterView]:
        living = [number for number, process in self.jobmanagers.items() if self._alive(process)]
        return {number: view for number in living if (view := self._view(number)) is not None}

    def view(self) -> ClusterView | None:
        """In the highest epoch that somebody speaks in; None while nobody leads."""
        return max(self._views().values(), key=lambda view: view.epoch, default=None)

    def check_epochs(self) -> None:
        """Each epoch is one JobManager's, and each JobManager's only grow (law 1.2). Of two JobManagers nothing is said
        about the order of their answers: who has just lost its office may have answered before it knew.
        """
        owners: dict[Epoch, int] = {}
        for number, epoch in self.spoken:
            assert owners.setdefault(epoch, number) == number, f"two led in epoch {epoch}: {self.spoken}"
        for number in self.ports:
            epochs = [epoch for speaker, epoch in self.spoken if speaker == number]
            assert epochs == sorted(epochs), f"JobManager {number} went back from a later epoch: {epochs}"

    def details(self, job: JobId) -> JobDetails:
        """All about a job, by whoever leads. grpc.RpcError when nobody does."""
        request, wrong = client_pb2.JobRequest(job=job), None
        for number, process in self.jobmanagers.items():
            if not self._alive(process):
                continue
            try:
                return from_message(JobDetails, self.stub_of(number).Details(request, timeout=1))
            except grpc.RpcError as error:
                wrong = error
        if wrong is None:
            raise NeverHappenedError(f"no JobManager runs\n{self.tail()}")
        raise wrong

    def environment(self, **options: object) -> StreamExecutionEnvironment:
        """For a program that runs here, and finds the leader in ZooKeeper."""
        configuration = {
            "execution.target": "remote",
            "high-availability.type": "zookeeper",
            "high-availability.zookeeper.quorum": self.quorum,
            "high-availability.cluster-id": self.options["high-availability.cluster-id"],
            **{key.replace("__", "."): value for key, value in options.items()},
        }
        return StreamExecutionEnvironment.get_execution_environment(configuration)


@contextmanager
def elected_cluster(  # each is a size of the cluster
    directory: Path,
    quorum: str,
    *,
    jobmanagers: int = 2,
    taskmanagers: int = 2,
    slots: int = 1,
    options: Mapping[str, str] | None = None,
    own: Mapping[int, Mapping[str, str]] | None = None,
    ports: Mapping[int, int] | None = None,
    command: Sequence[str] = (MILLSTREAM,),
) -> Generator[ElectedCluster]:
    """A cluster that stands, and is gone afterwards. `own` are options of single JobManagers, by their number."""
    elected = {
        "high-availability.type": "zookeeper",
        "high-availability.zookeeper.quorum": quorum,
        "high-availability.cluster-id": directory.name,
        "high-availability.zookeeper.client.session-timeout": f"{SESSION_S * 1_000:.0f} ms",
        "high-availability.zookeeper.client.connection-timeout": "1 s",
    }
    cluster = ElectedCluster(directory, {**elected, **(options or {})}, quorum=quorum, own=own or {}, command=command)
    cluster.ports.update(ports or {})
    with standing(cluster, lambda: cluster.start_jobmanagers(*range(1, jobmanagers + 1)), taskmanagers, slots):
        yield cluster
        cluster.check_epochs()
