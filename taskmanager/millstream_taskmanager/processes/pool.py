"""A TaskManager's worker processes: forked on demand, spoken to in order, and each end reported once.

Whoever uses it sees neither the forkserver nor descriptors. When the forkserver dies, its workers die with it (law
13); the pool reports them and starts another. One that hangs is killed, which costs its workers too: as long as it
hangs no worker starts, and of none is it heard that it has ended.
"""

import asyncio
import contextlib
import itertools
import logging
import shutil
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from millstream_dataflow.configuration import Configuration, Scope
from millstream_dataflow.configuration.options import taskmanager
from millstream_dataflow.identity import WorkerId
from millstream_runtime.messages.worker import CancelTasks, FromWorker, StartTasks, ToWorker
from millstream_taskmanager.forkserver.requests import Ended, Fork, Forked, Ready, Refused, Reply
from millstream_taskmanager.processes.disk import Disk
from millstream_taskmanager.processes.exit_report import LINES, Ending, describe, with_lines
from millstream_taskmanager.processes.forkserver import ForkServer
from millstream_taskmanager.processes.memory_events import memory_kills
from millstream_taskmanager.processes.spawning import ForkServerError, SpawnedForkServer
from millstream_taskmanager.processes.worker_process import ProcessLogs, WorkerProcess, kill_group
from millstream_taskmanager.worker.options import WorkerOptions
from millstream_taskmanager.worker.task_log import last_lines

_LOG: Final = logging.getLogger(__name__)

_FORK_S: Final = 30.0  # a fork takes 20 ms; a new forkserver half a second
_REAP_S: Final = 15.0  # between two looks for workers that have ended; the forkserver reaps them in milliseconds
_AGAIN_S: Final = 1.0  # between two attempts to start a forkserver that doesn't come up
_STOP_S: Final = 10.0
_LINES_S: Final = 1.0  # for what tasks printed last: an end is reported without it when the disk is slow
_KEPT_LOGS: Final = 16
"""Of workers that have ended: those of the last few restarts, for whoever asks why."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """What all workers of a TaskManager have in common."""

    directory: Path
    """Private to the TaskManager; a folder for each worker is made in it, for what it prints."""
    task_log_bytes: int = 16 << 20
    """The most that is kept of what one task prints."""
    configuration: Mapping[str, str] = field(default_factory=dict[str, str])
    """The cluster's own options."""
    preload: tuple[str, ...] = ()
    """Modules that workers find imported already, beside our own."""
    results: str = ""
    """Where they leave what later stages read."""


def pool_options(
    configuration: Configuration, directory: Path, preload: tuple[str, ...] = (), results: str = ""
) -> PoolOptions:
    """As the configuration says."""
    strings = configuration.to_strings((Scope.CLUSTER,))
    return PoolOptions(directory, configuration.get(taskmanager.TASK_LOG_MAX_SIZE), strings, preload, results)


class PoolListener(Protocol):
    """Who wants to know. Called in the pool's own event loop."""

    def said(self, worker: WorkerId, message: FromWorker) -> None:
        """A worker has said something."""
        ...

    def exited(self, worker: WorkerId, cause: str, crashed: bool) -> None:  # noqa: FBT001  # as the event of the core
        """It is gone, or never came to be; said once for each `spawn`, and nothing is heard of it afterwards."""
        ...


@dataclass(slots=True)
class _Entry:
    process: WorkerProcess
    directory: Path
    forked: asyncio.Future[None]
    memory_kills: int | None = None


class WorkerPool:
    """See the module. Used from one event loop, in the main thread of the process."""

    def __init__(self, options: PoolOptions, listener: PoolListener, spawned: SpawnedForkServer | None = None) -> None:
        """`spawned` is the first forkserver, if it was exec'd already; it says what later ones preload."""
        self._options = options
        self._preload = options.preload if spawned is None else spawned.modules
        self._spawned = spawned
        self._listener = listener
        self._workers: dict[WorkerId, _Entry] = {}
        self._requests: dict[int, _Entry] = {}
        self._numbers = itertools.count(1)
        self._forkserver: ForkServer | None = None
        self._no_forkserver = ""
        """Why there is none, after the first."""
        self._is_ready = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._restart: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._watch: asyncio.Task[None] | None = None
        self._kept = deque[Path]()
        self._disk = Disk("logs", "their last lines are lost")
        self._reports = set[asyncio.Task[None]]()

    async def start(self) -> None:
        """Start the forkserver; ForkServerError when it doesn't come up."""
        self._options.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._start_forkserver()
        self._watch = asyncio.create_task(self._watch_forkserver())

    @property
    def has_forkserver(self) -> bool:
        """Whether a worker could be started now. Seldom not, and then for as long as another one takes to come up."""
        return self._is_ready.is_set()

    async def stop(self) -> None:
        """Kill every worker. Returns when all are gone, the forkserver too."""
        self._is_stopping = True
        for task in (self._watch, self._restart):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for worker in tuple(self._workers):
            self.kill(worker)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_empty.wait(), _STOP_S)
        if self._forkserver is not None:
            await self._forkserver.stop()
            self._forkserver = None
        for worker in tuple(self._workers):
            self._end(worker, "killed, as its TaskManager is stopping", crashed=False)
        await asyncio.gather(*self._reports)
        await self._disk.end()

    # ------------------------------------------------------------------------------------------------- workers

    async def spawn(self, orders: StartTasks) -> None:
        """Start a worker process and give it its orders. When that fails, `exited` says why."""
        worker = orders.worker
        if worker in self._workers:
            raise ValueError(f"worker {worker} is there already")
        try:
            entry = self._add(orders)
        except Exception as error:  # noqa: BLE001  # whatever it is, `exited` says it
            self._listener.exited(worker, _not_started(error), crashed=True)
            return
        try:
            await self._fork(worker, entry)
        except Exception as error:  # noqa: BLE001  # as above
            self._end(worker, _not_started(error), crashed=True)
        except asyncio.CancelledError:
            self._end(worker, "its start was given up", crashed=False)
            raise

    def send(self, worker: WorkerId, message: ToWorker, descriptor: socket.socket | None = None) -> None:
        """In order, also while the process starts; lost when it is gone. The socket that rides along is the pool's."""
        number = None if descriptor is None else descriptor.detach()
        entry = self._workers.get(worker)
        if entry is None:
            if number is not None:
                socket.close(number)
            return
        if isinstance(message, CancelTasks):
            entry.process.asked = True
        entry.process.send(message, number)

    def kill(self, worker: WorkerId) -> None:
        """SIGKILL to the process and to all that its user code has started."""
        entry = self._workers.get(worker)
        if entry is not None:
            entry.process.kill()

    def pid(self, worker: WorkerId) -> int | None:
        """Of its process, while that is there."""
        entry = self._workers.get(worker)
        return None if entry is None else entry.process.pid

    def _add(self, orders: StartTasks) -> _Entry:
        worker, kills = orders.worker, memory_kills()
        directory = self._options.directory / worker
        logs = ProcessLogs(directory, self._options.task_log_bytes, self._disk)
        with contextlib.ExitStack() as made:
            process = WorkerProcess(worker, logs, self._listener.said)
            made.callback(process.close)
            process.send(orders)
            made.pop_all()
        entry = _Entry(process, directory, asyncio.get_running_loop().create_future(), kills)
        self._workers[worker] = entry
        self._is_empty.clear()
        return entry

    async def _fork(self, worker: WorkerId, entry: _Entry) -> None:
        forkserver = await self._ready_forkserver()
        options = self._options
        limit, configuration = options.task_log_bytes, dict(options.configuration)
        born_with = WorkerOptions(worker, str(entry.directory), limit, configuration, options.results)
        number = next(self._numbers)
        self._requests[number] = entry
        try:
            forkserver.fork(Fork(number, born_with), entry.process.descriptors)
            async with asyncio.timeout(_FORK_S):  # wait_for of Python 3.11 may swallow a cancel
                await entry.forked
        except TimeoutError:
            silence = f"the forkserver has not answered for {_FORK_S:.0f} s"
            forkserver.kill(silence)
            raise ForkServerError(silence) from None
        finally:
            self._requests.pop(number, None)

    async def _ready_forkserver(self) -> ForkServer:
        try:
            async with asyncio.timeout(_FORK_S):
                await self._is_ready.wait()
        except TimeoutError:
            raise ForkServerError(f"no forkserver within {_FORK_S:.0f} s: {self._no_forkserver}") from None
        if self._forkserver is None:
            raise ForkServerError("the pool was stopped")
        return self._forkserver

    # ---------------------------------------------------------------------------------------------------- ends

    def _heard(self, reply: Reply) -> None:
        match reply:
            case Forked(number=number, pid=pid):
                self._forked(number, pid)
            case Refused(number=number, reason=reason):
                if number in self._requests:
                    self._requests[number].forked.set_exception(ForkServerError(reason))
            case Ended():
                self._ended(reply)
            case Ready():
                self._no_forkserver = ""
                self._is_ready.set()

    def _forked(self, number: int, pid: int) -> None:
        entry = self._requests.get(number)
        if entry is None:  # it has come too late for who had asked
            kill_group(pid)
        else:
            entry.process.begin(pid)
            entry.forked.set_result(None)

    def _ended(self, ended: Ended) -> None:
        for worker, entry in self._workers.items():
            if entry.process.pid == ended.pid:
                self._report_end(worker, entry, ended)
                return

    def _report_end(self, worker: WorkerId, entry: _Entry, ended: Ended) -> None:
        process = entry.process
        now = memory_kills()
        kills = None if now is None or entry.memory_kills is None else now - entry.memory_kills
        ending = Ending(ended.status, process.killed, process.asked, kills, ended.memory)
        self._begin_report(worker, entry, partial(describe, ending))

    def _begin_report(self, worker: WorkerId, entry: _Entry, tell: Callable[[list[str]], tuple[str, bool]]) -> None:
        """The process is gone. `tell` makes the cause of the last lines, and says whether it crashed."""
        out, err = entry.process.drain()
        task = asyncio.create_task(self._report(worker, entry, lambda tasks: tell([*out, *tasks, *err])))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _report(self, worker: WorkerId, entry: _Entry, tell: Callable[[list[str]], tuple[str, bool]]) -> None:
        lines: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINES_S):
                lines = await self._disk.ask(partial(last_lines, entry.directory, LINES))
        cause, crashed = tell(lines)
        self._end(worker, cause, crashed=crashed)

    def _end(self, worker: WorkerId, cause: str, *, crashed: bool) -> None:
        entry = self._workers.pop(worker, None)
        if entry is None:
            return
        entry.process.close()
        self._keep_log(entry.directory)
        if not self._workers:
            self._is_empty.set()
        self._listener.exited(worker, cause, crashed)

    def _keep_log(self, directory: Path) -> None:
        self._kept.append(directory)
        if len(self._kept) > _KEPT_LOGS:
            self._disk.start(partial(shutil.rmtree, self._kept.popleft(), ignore_errors=True))

    # ---------------------------------------------------------------------------------------------- forkserver

    async def _start_forkserver(self) -> None:
        spawned, self._spawned = self._spawned or SpawnedForkServer(self._preload), None
        self._forkserver = ForkServer(self._options.directory, spawned, self._heard, self._forkserver_gone)
        await self._forkserver.start()

    async def _watch_forkserver(self) -> None:
        """A worker that has ended stays a zombie until the forkserver reaps it and says so."""
        ended = set[int]()
        while True:
            await asyncio.sleep(_REAP_S)
            running = [entry.process.pid for entry in self._workers.values() if entry.process.pid is not None]
            before, ended = ended, {pid for pid in running if _is_zombie(pid)}
            if before & ended and self._forkserver is not None:
                self._forkserver.kill(f"the forkserver has not seen for {_REAP_S:.0f} s that a worker has ended")

    def _forkserver_gone(self, cause: str) -> None:
        self._is_ready.clear()
        self._no_forkserver = cause
        _LOG.error("%s; %s", cause, "the pool is stopping" if self._is_stopping else "another is started")
        for entry in self._requests.values():
            if not entry.forked.done():
                entry.forked.set_exception(ForkServerError(cause))
        killed = f"killed with the forkserver: {cause}"
        for worker, entry in tuple(self._workers.items()):
            if entry.process.pid is not None:
                entry.process.kill()  # they die with it; what user code has started doesn't
                self._begin_report(worker, entry, lambda lines: (with_lines(killed, lines), True))
        if not self._is_stopping and (
            self._restart is None or self._restart.done()
        ):  # else it sees that there is none again
            self._restart = asyncio.create_task(self._start_another())

    async def _start_another(self) -> None:
        while not self._is_ready.is_set():
            try:
                if self._forkserver is not None:
                    await self._forkserver.stop()
                await self._start_forkserver()
            except Exception as error:  # noqa: BLE001  # without one no worker starts any more: it is tried for ever
                self._no_forkserver = str(error)
                mistake = not isinstance(error, ForkServerError)
                _LOG.error("no forkserver: %s; the next attempt is in %s s", error, _AGAIN_S, exc_info=mistake)
                await asyncio.sleep(_AGAIN_S)


def _is_zombie(pid: int) -> bool:
    """The process has ended, and its parent hasn't asked how. False where there is no /proc."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1]
    except OSError:
        return False
    return state == b"Z"


def _not_started(error: Exception) -> str:
    if not isinstance(error, ForkServerError | OSError):
        _LOG.error("a mistake in the start of a worker", exc_info=error)
    return f"no process could be started for it: {error}"
