"""A pool of worker processes with all that a test needs around it, and programs that get stuck."""

import asyncio
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from millstream import StreamExecutionEnvironment
from millstream_dataflow.identity import WorkerId
from millstream_runtime.messages.worker import StartTasks
from millstream_taskmanager.processes.pool import PoolOptions, WorkerPool
from tests.support.worker_jobs import FakeTaskManager, JobFiles, compiled

Environment = StreamExecutionEnvironment
Program = Callable[[StreamExecutionEnvironment], Any]


class Site:
    """A pool and what a test needs around it."""

    def __init__(self, directory: Path, configuration: Mapping[str, str] | None = None) -> None:
        """`configuration`: the cluster's."""
        self.directory = directory
        self.manager = FakeTaskManager()
        options = PoolOptions(directory / "pool", task_log_bytes=64 << 10, configuration=configuration or {})
        self.pool = WorkerPool(options, self.manager)

    def job(self, program: Program) -> JobFiles:
        job = compiled(program)
        assert job.graph is not None
        return JobFiles(job, self.directory / job.graph.job)

    async def start(self, program: Program) -> WorkerId:
        """A job's only worker."""
        return await self.spawn(self.job(program).orders())

    async def spawn(self, orders: list[StartTasks]) -> WorkerId:
        [order] = orders
        await self.pool.spawn(order)
        return order.worker

    async def printed(self, worker: WorkerId, text: str) -> None:
        """Wait until one of its tasks has printed something."""
        folder = self.directory / "pool" / worker
        end = time.monotonic() + 20
        while not any(text in file.read_text() for file in folder.glob("*.out")):
            assert time.monotonic() < end, f"nobody printed {text!r}"
            await asyncio.sleep(0.01)


def totals(env: Environment) -> None:
    numbers = env.from_collection(range(10))
    numbers.map(lambda n: (n % 2, n)).key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).print()


def once(value: object) -> object:
    """Prints, and sleeps for longer than any test lasts."""
    sys.stdout.write("asleep\n")
    time.sleep(1_000)
    return value


def in_c(value: object) -> object:
    """Never comes back to Python."""
    sys.stdout.write("at work\n")
    re.match(r"(a|aa)+$", "a" * 200 + "b")
    return value


def sleeper(env: Environment) -> None:
    env.from_collection([1]).map(once).print()


def cruncher(env: Environment) -> None:
    env.from_collection([1]).map(in_c).print()
