"""The cluster of a run: real processes, cables between them, ZooKeeper; who is in a fault's hand, and who is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import grpc

from millstream_proto import client_pb2
from millstream_runtime.messages.client import ClusterView
from millstream_runtime.messages.codec import from_message
from tests.chaos.load import PARALLELISM
from tests.chaos.schedule import HEARTBEAT_S, SESSION_S, SHUTDOWN_S
from tests.support.cabled import Cables, laid_cables
from tests.support.clusters import Process, alive
from tests.support.elected import ElectedCluster, elected_cluster
from tests.support.zookeeper import Ensemble, running_ensemble

JOBMANAGERS = 3
EXPIRATION_S = 5
"""How long the record of a job that has ended is kept."""
ADOPTION_S = 5
"""How long a new leader waits for tasks that don't report."""
ANSWER_S = 0.5
"""How long a JobManager may think about who leads."""
MARK = "CHAOS_RUN"
"""The variable by which each process of a run, and each that one of them starts, is known."""

OPTIONS = {
    "heartbeat.interval": "500 ms",
    "heartbeat.timeout": f"{HEARTBEAT_S:.0f} s",
    "high-availability.zookeeper.client.session-timeout": f"{SESSION_S:.0f} s",
    "taskmanager.shutdown-timeout": f"{SHUTDOWN_S:.0f} s",
    "jobmanager.execution.adoption-timeout": f"{ADOPTION_S} s",
    "jobstore.expiration-time": f"{EXPIRATION_S} s",
}


class ChaosError(AssertionError):
    """What may never happen has happened."""


@dataclass
class Stage:
    """What faults are done to. A process is in one fault's hand at a time."""

    directory: Path
    cluster: ElectedCluster
    cables: Cables
    ensemble: Ensemble
    in_hand: set[str] = field(default_factory=set[str])
    """Names: `jobmanager 2`, `taskmanager 0`, `zookeeper`."""

    # ----------------------------------------------------------------------------------------------- who is where

    def free(self, what: str, numbers: Sequence[int]) -> list[int]:
        """Those that no fault has in hand, and that run."""
        processes = self.cluster.jobmanagers if what == "jobmanager" else self.cluster.taskmanagers
        return [n for n in numbers if f"{what} {n}" not in self.in_hand and processes[n].popen.poll() is None]

    @contextmanager
    def holding(self, *names: str) -> Generator[None]:
        """In one fault's hand until it is done."""
        assert not self.in_hand & set(names), f"{names} of {self.in_hand} are in another fault's hand"
        self.in_hand.update(names)
        try:
            yield
        finally:
            self.in_hand.difference_update(names)

    def leader(self) -> int | None:
        """In the highest epoch, of those that no fault has in hand; None while none of these leads."""
        views = {n: self._view(n) for n in self.free("jobmanager", list(self.cluster.jobmanagers))}
        leading = {n: view.epoch for n, view in views.items() if view is not None}
        return max(leading, key=lambda n: leading[n], default=None)

    def _view(self, number: int) -> ClusterView | None:
        request = client_pb2.ClusterRequest()
        try:
            return from_message(ClusterView, self.cluster.stub_of(number).Cluster(request, timeout=ANSWER_S))
        except grpc.RpcError:
            return None

    def taskmanagers(self) -> list[int]:
        """That no fault has in hand; those that run tasks, if any of them does."""
        free = self.free("taskmanager", sorted(self.cluster.taskmanagers))
        return [number for number in free if self.cluster.workers(number)] or free

    def start_taskmanager(self, number: int) -> None:
        """Again, with the slot and the directory that it had."""
        self.cluster.start_taskmanager(number, slots=1)

    # ------------------------------------------------------------------------------------------------ what is left

    def marked(self) -> list[int]:
        """The pids of all living processes of this run."""
        mark, found = f"{MARK}={self.directory}\0".encode(), list[int]()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # it has ended meanwhile, or is another user's
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def strays(self) -> list[int]:
        """Those that belong to nobody who runs."""
        servers = [server.process for server in self.ensemble.servers.values() if server.process is not None]
        known = {process.pid for process in [*self.cluster.processes(), *servers]}
        parents = {pid: _parent(pid) for pid in self.marked()}

        def belongs(pid: int) -> bool:
            return pid in known or (pid in parents and belongs(parents[pid]))

        return sorted(pid for pid in parents if not belongs(pid) and alive(pid))

    def ended_by_themselves(self) -> list[Process]:
        """Those that nobody has killed."""
        return [process for process in self.cluster.processes() if process.popen.poll() is not None]

    def close(self) -> None:
        """Whatever a run that has failed has left frozen and cut."""
        for cable in self.cables.every():
            cable.mend()
        self.cluster.signal(self.marked(), signal.SIGCONT)


def _parent(pid: int) -> int:
    """0 when the process has ended meanwhile."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return 0


@contextmanager
def staged(directory: Path, spares: int, say: Callable[[str], None]) -> Generator[Stage]:
    """A cluster that stands; nothing of it runs afterwards."""
    # TaskManagers of other clusters on this machine would take numbers of ours: XDG_STATE_HOME is where they are told.
    ours = {MARK: str(directory), "XDG_STATE_HOME": str(directory / "state")}
    with (
        patch.dict(os.environ, ours),
        running_ensemble(directory) as ensemble,
        laid_cables(ensemble, JOBMANAGERS) as cables,
        elected_cluster(
            directory,
            ensemble.hosts,
            jobmanagers=JOBMANAGERS,
            taskmanagers=PARALLELISM + spares,
            options=OPTIONS,
            own=cables.own,
            ports=cables.ports,
        ) as cluster,
    ):
        say(f"{JOBMANAGERS} JobManagers, {PARALLELISM + spares} TaskManagers, 3 ZooKeepers stand in {directory}")
        stage = Stage(directory, cluster, cables, ensemble)
        try:
            yield stage
        finally:
            stage.close()
