"""Workers from their deployment to their end: what they need is fetched, a process is started, orders go in order.

Whatever happens, a worker that the core has started ends in one WorkerExited: the pool's, or one from here when there
never was a process.

Connections of peers wait for a worker that starts, or that is busy in user code. Anybody can come with its name, so
there are never many of them that it hasn't taken.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from millstream_dataflow.identity import JobId, RegionAttempt, WorkerId
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_runtime.door.sockets import places
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.deployments import DeployWorker, RegionDeployment
from millstream_runtime.messages.worker import CancelTasks, FromWorker, PeerConnected, PeerTaken, StartTasks, ToWorker
from millstream_taskmanager.core.events import Event, WorkerExited, WorkerSaid
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.service.blobs import BlobCache, BlobError

log = logging.getLogger("millstream.taskmanager")
T = TypeVar("T")

_UNCOUNTED: Final = 64
"""Peers that a worker is taken to have until its deployment has come, which tells. Who is closed too early comes again
within half a second.
"""
OTHERS: Final = 16  # connections that may wait for a worker besides those of its peers
_TOGETHER: Final = 4096  # that may wait for all workers: hundreds of peers for each of eight


class Pool(Protocol):
    """What is needed of the worker processes."""

    async def spawn(self, orders: StartTasks) -> None:
        """Start a process; what goes wrong is heard as its exit."""
        ...

    def send(self, worker: WorkerId, message: ToWorker, descriptor: socket.socket | None = None) -> None:
        """In order. The socket that goes along is the pool's from now on."""
        ...

    def kill(self, worker: WorkerId) -> None:
        """SIGKILL to the process group."""
        ...


class Neighbourhood(Protocol):
    """Who must know which workers run here, and with whom they are connected."""

    def begin(self, worker: WorkerId, deployment: RegionDeployment) -> None:
        """A worker is about to start."""
        ...

    def end(self, worker: WorkerId) -> None:
        """It is gone."""
        ...


class Results(Protocol):
    """Who keeps what workers leave for later stages."""

    def begin(self, attempt: RegionAttempt) -> None:
        """A worker of an attempt is about to start."""
        ...

    def end(self, job: JobId, worker: WorkerId) -> None:
        """It is gone: what it has not completed goes too."""
        ...

    def drop(self, job: JobId) -> None:
        """The job has ended."""
        ...


@dataclass(slots=True)
class _Worker:
    """One that has not exited."""

    deployment: DeployWorker
    launching: "asyncio.Task[None] | None" = None
    spawning: bool = False
    """The pool knows of it."""
    killed: bool = False
    """Asked for while the process was made."""
    waiting: list[ToWorker] = field(default_factory=list[ToWorker])
    peers: list[socket.socket] = field(default_factory=list[socket.socket])
    """Of those that came before the process was there."""
    untaken: int = 0
    """Connections that it was given, or will be, and hasn't taken."""
    callers: int = _UNCOUNTED
    """Peers that come through the data port."""

    @property
    def job(self) -> JobId:
        return self.deployment.attempt.job


class Launcher:
    """All workers of this TaskManager; it is the listener of the pool."""

    def __init__(self, blobs: BlobCache, sockets: Path, results: Results, tell: Callable[[Event], None]) -> None:
        self._blobs = blobs
        self._sockets = sockets
        self._results = results
        self._tell = tell
        self._workers: dict[WorkerId, _Worker] = {}
        self._dropped: set[JobId] = set()
        self._around: tuple[Pool, Neighbourhood] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def use(self, pool: Pool, neighbourhood: Neighbourhood) -> None:
        """The pool whose listener this is; before the first `start`."""
        self._around = pool, neighbourhood

    @property
    def pool(self) -> Pool:
        """Where the processes are."""
        return self._surroundings()[0]

    def _surroundings(self) -> tuple[Pool, Neighbourhood]:
        if self._around is None:
            raise RuntimeError("the launcher was given no pool")
        return self._around

    async def empty(self) -> None:
        """Wait until no worker is left."""
        await self._empty.wait()

    async def stop(self) -> None:
        """Nothing is started any more."""
        launching = [worker.launching for worker in self._workers.values() if worker.launching is not None]
        for task in launching:
            task.cancel()
        await asyncio.gather(*launching, return_exceptions=True)

    # ------------------------------------------------------------ orders

    def start(self, deployment: DeployWorker) -> None:
        """Fetch and spawn, in a task of its own."""
        worker = self._workers[deployment.worker] = _Worker(deployment)
        self._empty.clear()
        self._results.begin(deployment.attempt)
        log.info("worker %s is deployed into slot %d", deployment.worker, deployment.slot)
        worker.launching = asyncio.create_task(self._launch(worker), name=f"starts {deployment.worker}")

    def send(self, worker: WorkerId, message: ToWorker) -> None:
        """To the worker; kept while it starts. A worker that is not yet a process leaves at once when it is told to."""
        entry = self._workers.get(worker)
        if entry is None:
            return
        if entry.launching is None:
            self.pool.send(worker, message)
        elif isinstance(message, CancelTasks) and not entry.spawning:
            self._never(worker, message.reason)
        else:
            entry.waiting.append(message)

    def connect(self, worker: WorkerId, peer: socket.socket) -> str:
        """A peer has asked for this worker: takes the socket, or says why not."""
        entry = self._workers.get(worker)
        if entry is None:
            return f"worker {worker} isn't here (yet)"
        if entry.untaken >= self._most(entry):
            return f"worker {worker} is busy, and {entry.untaken} others wait for it already"
        entry.untaken += 1
        if entry.launching is None:
            self.pool.send(worker, PeerConnected(worker), peer)
        else:
            entry.peers.append(peer)
        return ""

    def _most(self, worker: _Worker) -> int:
        """Connections that may wait for it: two of each caller, since one that gave up and came again has left one.
        Where few files may be open all workers together have a share of them; honest ones come again.
        """
        return min(2 * worker.callers + OTHERS, max(1, places(_TOGETHER) // len(self._workers)))

    def kill(self, worker: WorkerId) -> None:
        """The process, or the attempt to start one."""
        entry = self._workers.get(worker)
        if entry is None:
            return
        if entry.spawning:
            entry.killed = True
            self.pool.kill(worker)
        else:
            self._never(worker, "it was killed before it had started")

    def drop(self, job: JobId) -> None:
        """Forget the job's results, and its blobs once none of its workers can need them."""
        self._results.drop(job)
        if any(worker.job == job for worker in self._workers.values()):
            self._dropped.add(job)
        else:
            self._blobs.release(job)

    # ------------------------------------------------------------ from a deployment to a process

    async def _launch(self, worker: _Worker) -> None:
        name = worker.deployment.worker
        try:
            orders = await self._gather(worker.deployment)
            worker.spawning = True
            await self.pool.spawn(orders)
        except (BlobError, MalformedMessageError, OSError) as error:
            self._never(name, f"the worker could not be started: {error}")
            return
        except Exception as error:
            log.exception("a mistake in the start of worker %s", name)
            self._never(name, f"the worker could not be started, by a mistake of Millstream's: {error!r}")
            return
        worker.launching = None
        if self._workers.get(name) is not worker:
            return  # the pool has told its exit meanwhile
        if worker.killed:
            self.pool.kill(name)
        for message in worker.waiting:
            self.pool.send(name, message)
        worker.waiting.clear()
        for peer in worker.peers:
            self.pool.send(name, PeerConnected(name), peer)
        worker.peers.clear()

    async def _gather(self, deployment: DeployWorker) -> StartTasks:
        """Everything that the worker will read, on this machine's disk."""
        job, worker = deployment.attempt.job, deployment.worker
        graph, region, *restore = await _all(
            [
                self._blobs.need(deployment.graph, job),
                self._blobs.need(deployment.deployment, worker),
                *([self._blobs.need(deployment.restore, worker)] if deployment.restore else []),
            ]
        )
        # At once: its peers' TaskManagers ask for us from now on, and artifacts may take long.
        plan = decode(RegionDeployment, await self._blobs.read(region))
        if (entry := self._workers.get(worker)) is not None:
            entry.callers = _callers(worker, plan)
        self._surroundings()[1].begin(worker, plan)
        needed = _blobs_of(decode(JobGraph, await self._blobs.read(graph)))
        await _all([self._blobs.need(reference, job) for reference in needed])
        return StartTasks(
            worker,
            str(graph),
            str(region),
            str(restore[0]) if restore else "",
            str(graph.parent),
            socket_path(str(self._sockets), worker),
        )

    # ------------------------------------------------------------ what the pool says

    def said(self, worker: WorkerId, message: FromWorker) -> None:
        """A worker has spoken."""
        if isinstance(message, PeerTaken):
            if (entry := self._workers.get(worker)) is not None:
                entry.untaken -= 1
            return
        self._tell(WorkerSaid(worker, message))

    def exited(self, worker: WorkerId, cause: str, crashed: bool) -> None:  # noqa: FBT001  # as the pool calls it
        """A worker is gone."""
        log.log(logging.WARNING if crashed else logging.INFO, "worker %s is gone: %s", worker, cause)
        self._forget(worker)
        self._tell(WorkerExited(worker, cause, crashed))

    def _never(self, worker: WorkerId, cause: str) -> None:
        """There never was a process."""
        entry = self._workers.get(worker)
        if entry is None:  # its exit has been told
            return
        if entry.launching is not None and entry.launching is not asyncio.current_task():
            entry.launching.cancel()
        self.exited(worker, cause, crashed=False)

    def _forget(self, worker: WorkerId) -> None:
        entry = self._workers.pop(worker, None)
        if entry is None:
            return
        for peer in entry.peers:
            peer.close()
        self._blobs.unlink(Path(socket_path(str(self._sockets), worker)))  # a killed one has left it
        self._surroundings()[1].end(worker)
        self._results.end(entry.job, worker)
        self._blobs.release(worker)
        if entry.job in self._dropped and not any(other.job == entry.job for other in self._workers.values()):
            self._dropped.discard(entry.job)
            self._blobs.release(entry.job)
        if not self._workers:
            self._empty.set()


def _callers(worker: WorkerId, plan: RegionDeployment) -> int:
    """How many peers connect with it through the data port: of a pair the smaller ordinal does (law 9.3)."""
    own = next(placement for placement in plan.workers if placement.worker == worker)
    others = (placement for placement in plan.workers if placement.address.machine != own.address.machine)
    return sum(placement.ordinal < own.ordinal for placement in others)


def _blobs_of(graph: JobGraph) -> Iterable[BlobRef]:
    """The functions of all vertices, since records of a class that one of them brings may come to another, and the
    artifacts.
    """
    functions = (vertex.functions for vertex in graph.vertices)
    return dict.fromkeys([*functions, *(artifact.blob for artifact in graph.artifacts)])


async def _all(wanted: Sequence[Awaitable[T]]) -> list[T]:
    """All of them at once; with the first failure the others are given up."""
    tasks = [asyncio.ensure_future(one) for one in wanted]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
