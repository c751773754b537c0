"""The child from inside: both services in one loop, until the program ends.

It is a process of its own so that user code can't hold the heartbeats by the GIL (law 13.1). Its session is its own
too: a Ctrl-C at the terminal is the program's to handle.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Protocol

from millstream.embedded.orders import Orders, Place, Report, encode, orders_of
from millstream_dataflow.configuration import Configuration
from millstream_jobmanager.leadership.single import SingleElection
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.server import JobManagerService
from millstream_jobmanager.store import LocalJobStore
from millstream_runtime import event_loop
from millstream_runtime.logging_setup import set_up_logging
from millstream_taskmanager.processes.spawning import SpawnedForkServer
from millstream_taskmanager.service import TaskManagerService

_CONTROL: Final = 0
"""The descriptor of the pipe from the program: stdin."""

_LOOK_S: Final = 1.0
"""Between two looks at whose child this is: a fork of the program may hold the pipe open without knowing it."""

_STOPPING_S: Final = 10.0
"""For a graceful end; then the process goes as it is, and what it started goes with it."""

_log = logging.getLogger(__name__)


class ClusterFailedError(Exception):
    """One of the two services has failed, by a mistake of ours."""


class JobManager(Protocol):
    """What is asked of the one service."""

    target: str

    async def wait_deposed(self) -> None:
        """Until it leads no more."""
        ...


class TaskManager(Protocol):
    """What is asked of the other one."""

    async def wait(self) -> None:
        """Until it has failed."""
        ...


Start = Callable[[AsyncExitStack], Awaitable[tuple[JobManager, TaskManager]]]
"""Of both services, to be stopped by the stack."""


def run(place: Place, forkserver: SpawnedForkServer) -> None:
    """Read the orders, run, and leave nothing behind; ClusterFailedError for a program that must hear of it."""
    has_words = False
    try:
        line = sys.stdin.buffer.readline()
        if line:  # else the program has ended, or has no job after all
            event_loop.run(_run(place, orders_of(line), forkserver, _take_stdout()))
    except ClusterFailedError:
        has_words = os.getppid() == place.program  # it reads them in our directory, and removes that
        raise
    finally:
        if not has_words:
            shutil.rmtree(place.directory, ignore_errors=True)


def _take_stdout() -> IO[bytes]:
    """The pipe to the program; whatever is printed from now on goes to stderr, a file."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


async def _run(place: Place, orders: Orders, forkserver: SpawnedForkServer, reports: IO[bytes]) -> None:
    ended = asyncio.Event()

    def heard() -> None:
        if not os.read(_CONTROL, 4096):
            ended.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_reader(_CONTROL, heard)
    start = partial(_start, place, orders, forkserver)
    tasks = [asyncio.create_task(work) for work in (_serve(start, reports, ended), _look(place.program, ended))]
    waiting = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait([tasks[0], waiting], return_when=asyncio.FIRST_COMPLETED)
        ended.set()
        async with asyncio.timeout(_STOPPING_S):
            await tasks[0]
    except TimeoutError:
        if os.getppid() != place.program:  # else the program removes it, and may want to read why this has ended
            shutil.rmtree(place.directory, ignore_errors=True)
        os._exit(1)
    finally:
        loop.remove_reader(_CONTROL)
        tasks[1].cancel()


async def _look(program: int, ended: asyncio.Event) -> None:
    while os.getppid() == program:  # noqa: ASYNC110  # nothing tells of a parent's end but its id
        await asyncio.sleep(_LOOK_S)
    ended.set()


async def _serve(start: Start, reports: IO[bytes], ended: asyncio.Event) -> None:
    """Start both, report, wait, stop both. ClusterFailedError when it was one of them that ended it."""
    failure: ClusterFailedError | None = None
    async with AsyncExitStack() as stack:
        with reports:
            try:
                jobmanager, taskmanager = await start(stack)
            except Exception as error:  # noqa: BLE001  # whatever it is, the program hears of it
                _log.exception("the embedded cluster doesn't start")
                reports.write(encode(Report(problem=f"{type(error).__name__}: {error}")))
                return
            reports.write(encode(Report(target=jobmanager.target)))
        failure = await _failure(jobmanager, taskmanager, ended)
        ended.set()  # from here on the time runs that both have to stop
    if failure is not None:
        _log.critical("the embedded cluster has ended: %s", failure)  # last of all, for the end is what is shown
        raise failure


async def _failure(jobmanager: JobManager, taskmanager: TaskManager, ended: asyncio.Event) -> ClusterFailedError | None:
    """Until the end is asked for, or one of them can't go on."""
    lives: dict[asyncio.Task[Any], str] = {
        asyncio.create_task(ended.wait()): "",
        asyncio.create_task(jobmanager.wait_deposed()): "its JobManager",
        asyncio.create_task(taskmanager.wait()): "its TaskManager",
    }
    done, _ = await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
    for life in lives:
        life.cancel()
    await asyncio.gather(*lives, return_exceptions=True)
    for life in done:
        if (error := life.exception()) is not None:
            return ClusterFailedError(f"{lives[life]} has failed ({type(error).__name__}: {error})")
    return None if ended.is_set() else ClusterFailedError("its JobManager was deposed: another has its job store")


async def _start(
    place: Place, orders: Orders, forkserver: SpawnedForkServer, stack: AsyncExitStack
) -> tuple[JobManager, TaskManager]:
    """See Start."""
    directory = Path(place.directory)
    configuration = Configuration.from_strings(orders.configuration)
    set_up_logging(configuration, "embedded", directory=str(directory / "logs"))
    store = LocalJobStore(directory / "jobs")
    address = ListenAddress.unix(str(directory / "jobmanager"))
    jobmanager = await JobManagerService.start(
        configuration, address, SingleElection(store), str(directory / "checkpoints")
    )
    stack.push_async_callback(jobmanager.stop)
    taskmanager = await TaskManagerService.start(
        configuration, jobmanager.target, directory / "taskmanager", forkserver
    )
    stack.push_async_callback(taskmanager.stop)
    return jobmanager, taskmanager
