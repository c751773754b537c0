"""A TaskManager that runs: everything around the core, put together and taken apart in order."""

import asyncio
import contextlib
import logging
import secrets
import socket
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from millstream_dataflow.configuration import Configuration, milliseconds
from millstream_dataflow.configuration.options import logs, taskmanager
from millstream_dataflow.identity import TaskManagerId
from millstream_runtime.health import health_answers
from millstream_runtime.messages.deployments import DataAddress
from millstream_runtime.security import internal_tls
from millstream_runtime.versions import own_versions
from millstream_taskmanager.core.commands import (
    CloseSession,
    Command,
    DropJob,
    KillWorker,
    Leave,
    SendToLeader,
    SendToWorker,
    StartWorker,
    Tell,
)
from millstream_taskmanager.core.core import Self, TaskManagerCore, TaskManagerSettings
from millstream_taskmanager.core.events import Stopping, ToldToLeave
from millstream_taskmanager.processes.pool import WorkerPool, pool_options
from millstream_taskmanager.processes.spawning import SpawnedForkServer
from millstream_taskmanager.results.serving import ResultServer
from millstream_taskmanager.service.blobs import BlobCache
from millstream_taskmanager.service.data_port import DataPort, Receivers, listen
from millstream_taskmanager.service.directories import Directories, machine_id, make_directories
from millstream_taskmanager.service.fetching import LeaderBlobs
from millstream_taskmanager.service.launcher import Launcher
from millstream_taskmanager.service.leaders import leaders
from millstream_taskmanager.service.pings import Pings
from millstream_taskmanager.service.resource import claim
from millstream_taskmanager.service.results import KeptResults
from millstream_taskmanager.service.session import LeaderLink
from millstream_taskmanager.service.settings import advertised_host, link_settings, port_settings
from millstream_taskmanager.service.shell import Shell

log = logging.getLogger("millstream.taskmanager")

_KEY_SIZE: Final = 32
_SESSION: Final = "the TaskManager's session"
WORKERS_LEAVE_S: Final = 5.0  # they get 200 ms, then SIGKILL; the rest is for a machine that is busy


class TaskManagerService:
    """Reaches the leader as soon as there is one, and runs what it is told to. Made by `start`, ended by `stop`."""

    def __init__(
        self, name: TaskManagerId, address: DataAddress, resource: str, forkserver: SpawnedForkServer | None
    ) -> None:
        self.id = name
        self.address = address
        self.resource = resource
        self._forkserver = forkserver
        self._parts = contextlib.AsyncExitStack()
        self._failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        configuration: Configuration,
        target: str | None,
        directory: Path,
        forkserver: SpawnedForkServer | None = None,
    ) -> "TaskManagerService":
        """Returns once it listens and tries to reach the JobManager, which may come afterwards: at `target`, or,
        for None, where ZooKeeper says.

        `directory` says which TaskManager this is across its starts (see `resource`); what it works with lies in
        `io.tmp.dirs`. `forkserver` is one that was exec'd already, and is the service's from now on. From the
        main thread, since worker processes die with the thread that started them.
        Raises NoResourceError, NoDirectoryError, ConfigurationError, ForkServerError.
        """
        async with contextlib.AsyncExitStack() as parts:
            if forkserver is not None:
                parts.enter_context(forkserver)
            resource = parts.enter_context(claim(directory))
            directories = make_directories(configuration, resource.tag)
            parts.callback(directories.remove)
            listening = parts.enter_context(listen(configuration))
            service = cls(
                TaskManagerId(uuid.uuid4().hex),
                DataAddress(
                    advertised_host(configuration),
                    listening.getsockname()[1],
                    str(directories.sockets),
                    machine_id(),
                    str(directories.results),
                ),
                resource.name,
                forkserver,
            )
            await service._assemble(parts, configuration, target, directories, listening)
            service._parts = parts.pop_all()
        log.info("TaskManager %s (%s) listens for data on port %d", service.id, resource.name, service.address.port)
        kept = "" if configuration.get(logs.DIRECTORY) else f", until it ends ({logs.DIRECTORY.key} keeps it)"
        log.info("what its tasks print lies in %s%s", _logs(configuration, directories), kept)
        return service

    async def leave(self) -> None:
        """Take no new tasks, and return when those that run here run elsewhere, at the latest after
        `taskmanager.shutdown-timeout`; then stop it.
        """
        self._shell.tell(ToldToLeave())
        await self._left.wait()

    async def stop(self) -> None:
        """Leave the leader, end the workers, then everything else. Nothing is left of it."""
        self._shell.tell(Stopping())  # from here on the core obeys nobody
        await self._parts.aclose()
        self._tasks.clear()  # an ended task keeps the frames that it ended in, and those the channels of gRPC

    def live(self) -> str | None:
        """See HealthState."""
        if self._failed.done():
            return "failed"
        return None if self._pool.has_forkserver else "forkserver"

    def ready(self) -> str | None:
        """See HealthState."""
        return self._core.unready

    async def wait(self) -> None:
        """Until a part of it has failed by a mistake of ours; raises that. It has left its leader then: stop it."""
        raise await asyncio.shield(self._failed)

    # ------------------------------------------------------------ its parts

    async def _assemble(
        self,
        parts: contextlib.AsyncExitStack,
        configuration: Configuration,
        target: str | None,
        directories: Directories,
        listening: socket.socket,
    ) -> None:
        """What comes last here ends first."""
        self._core = core = self._new_core(configuration)
        self._shell = Shell(core, self._carry_out)
        tls = internal_tls(configuration)
        settings, peers = link_settings(configuration, tls), port_settings(configuration)
        found = await parts.enter_async_context(leaders(configuration, target))
        self._link = LeaderLink(found, self.id, settings, self._shell.tell, lambda: core.epoch)
        self._blobs = BlobCache(directories.blobs, LeaderBlobs(self._link, settings.call_timeout))
        parts.push_async_callback(self._blobs.stop)
        kept = KeptResults(directories.results)
        parts.push_async_callback(kept.stop)
        self._launcher = Launcher(self._blobs, directories.sockets, kept, self._shell.tell)
        pings = Pings(self.id, self.address.machine, peers, self._launcher.send, tls)
        options = pool_options(configuration, _logs(configuration, directories), results=str(directories.results))
        self._pool = pool = WorkerPool(options, self._launcher, self._forkserver)
        self._launcher.use(pool, pings)
        self._run(parts, self._shell.run(), "the TaskManager's core")
        parts.push_async_callback(pool.stop)
        parts.push_async_callback(self._launcher.stop)
        # Before anything uses gRPC: the forkserver is exec'd from a process without its threads (law 13.1).
        await pool.start()
        await parts.enter_async_context(health_answers(configuration, self))
        self._run(parts, pings.run(), "the TaskManager's pings")
        served = ResultServer(directories.results, core.results_key, tls)
        parts.callback(served.close)
        data_port = DataPort(listening, peers, Receivers(self._launcher.connect, pings.adopt, served.adopt))
        self._run(parts, data_port.run(), "the TaskManager's data port")
        parts.push_async_callback(self._end_workers)
        self._run(parts, self._link.run(), _SESSION)

    def _new_core(self, configuration: Configuration) -> TaskManagerCore:
        return TaskManagerCore(
            Self(self.id, self.address, own_versions(), self.resource, secrets.token_bytes(_KEY_SIZE)),
            TaskManagerSettings(
                configuration.get(taskmanager.NUMBER_OF_TASK_SLOTS),
                milliseconds(configuration.get(taskmanager.LEADER_ABSENCE_TIMEOUT)),
                shutdown_timeout=milliseconds(configuration.get(taskmanager.SHUTDOWN_TIMEOUT)),
            ),
        )

    def _run(self, parts: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
        """As a task that ends when its turn comes."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        parts.push_async_callback(_cancel, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.critical("%s failed; the TaskManager leaves its leader", task.get_name(), exc_info=error)
        if not self._failed.done():
            self._failed.set_result(error)
        for other in self._tasks:
            if other.get_name() == _SESSION:  # so that the leader sees the death of this TaskManager at once
                other.cancel()

    async def _end_workers(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WORKERS_LEAVE_S):
                await self._launcher.empty()

    # ------------------------------------------------------------ what the core asks for

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendToLeader(session=session, message=message):
                self._link.send(session, message)
            case CloseSession(session=session, reason=reason, refused=refused):
                self._link.close(session, reason, refused=refused)
            case StartWorker(deployment=deployment):
                self._launcher.start(deployment)
            case SendToWorker(worker=worker, message=to_worker):
                self._launcher.send(worker, to_worker)
            case KillWorker(worker=worker, reason=reason):
                log.info("worker %s is killed: %s", worker, reason)
                self._launcher.kill(worker)
            case DropJob(job=job):
                self._launcher.drop(job)
            case Leave():
                self._left.set()
            case Tell(text=text, warning=warning):
                log.log(logging.WARNING if warning else logging.INFO, "%s", text)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _logs(configuration: Configuration, directories: Directories) -> Path:
    """Where what workers print is kept: beyond this TaskManager's end only if somebody has named a place."""
    place = configuration.get(logs.DIRECTORY)
    return directories.workers if place is None else Path(place) / directories.work.name
