"""Processes that user code forks from a worker: they may do what they like, but none acts as the task."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from millstream import (
    DataStream,
    FileSink,
    FlatMapFunction,
    KeyedProcessFunction,
    NumberSequenceSource,
    ProcessFunction,
    WatermarkStrategy,
)
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.session import CheckpointAcknowledged, TriggerCheckpoint
from tests.support.worker_jobs import finish, gone, leave
from tests.support.worker_site import Environment, Program, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 20_000
HALF = COUNT // 2


def numbers(env: Environment) -> DataStream[int]:
    source = NumberSequenceSource(0, COUNT - 1)
    return env.from_source(source, WatermarkStrategy.no_watermarks(), "numbers").force_non_parallel()


def forks_at_half(pids: Path) -> Callable[[int], int]:
    """Both processes go on with the record."""

    def function(value: int) -> int:
        if value == HALF:
            pid = os.fork()
            if pid:
                pids.write_text(str(pid))
        return value

    return function


def raises_in_child(value: int) -> int:
    if value == HALF and os.fork() == 0:
        raise ValueError("in the child")
    return value


class Yields(FlatMapFunction[int, int]):
    def flat_map(self, value: int) -> Iterator[int]:
        if value == HALF:
            os.fork()
        yield value


class Processes(ProcessFunction[int, int]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[int]:
        if value == HALF:
            os.fork()
        yield value


class ProcessesByKey(KeyedProcessFunction[int, int, int]):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        if value == HALF:
            os.fork()
        yield value


def forked(value: int) -> int:
    if value == HALF:
        os.fork()
    return value


STREAMS: dict[str, Callable[[DataStream[int]], DataStream[Any]]] = {
    "map": lambda stream: stream.map(forked),
    "map before others": lambda stream: stream.map(forked).map(lambda v: v).process(Processes()),
    "error in the child": lambda stream: stream.map(raises_in_child),
    "flat map": lambda stream: stream.flat_map(Yields()),
    "process": lambda stream: stream.process(Processes()),
    "key": lambda stream: stream.key_by(forked).reduce(lambda a, b: a + b),
    "keyed process": lambda stream: stream.key_by(lambda v: v % 10).process(ProcessesByKey()),
    "reduce": lambda stream: stream.key_by(lambda v: v).reduce(lambda a, b: a + b).map(forked),
}


def lines(directory: Path) -> list[int]:
    """What is visible of a sink's output."""
    files = [file for file in directory.rglob("*") if file.is_file() and not file.name.startswith(".")]
    return sorted(int(line) for file in files for line in file.read_text().split())


@pytest.mark.parametrize("kind", STREAMS)
async def test_output_is_exact_whatever_function_forks(site: Site, tmp_path: Path, kind: str) -> None:
    def program(env: Environment) -> None:
        STREAMS[kind](numbers(env)).map(str).sink_to(FileSink.text(str(tmp_path / "out")))

    job = site.job(program)
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    assert lines(tmp_path / "out") == list(range(COUNT))
    assert site.manager[worker].failures == []
    await leave(site.pool, site.manager, worker)


async def test_a_child_is_gone_while_the_job_takes_checkpoints(site: Site, tmp_path: Path) -> None:
    pids = tmp_path / "pid"

    def program(env: Environment) -> None:
        numbers(env).map(forks_at_half(pids)).map(str).sink_to(FileSink.text(str(tmp_path / "out")))

    job = site.job(program)
    worker = await site.spawn(job.orders())
    for number in map(CheckpointId, range(1, 4)):
        place = str(job.directory / f"chk-{number}")
        site.pool.send(worker, TriggerCheckpoint(job.triggered(), number, SnapshotKind.CHECKPOINT, place))
    heard = site.manager[worker]
    await site.manager.until(lambda: len(heard.of(CheckpointAcknowledged)) == 3 * len(job.tasks()))
    heard.messages[:] = [message for message in heard.messages if not isinstance(message, CheckpointAcknowledged)]
    await finish(site.pool, site.manager, job, checkpoint=CheckpointId(9))
    await gone([int(pids.read_text())])
    assert lines(tmp_path / "out") == list(range(COUNT))
    await leave(site.pool, site.manager, worker)


async def test_the_rest_of_the_batch_is_the_parents(site: Site, tmp_path: Path) -> None:
    """What a function does beside giving records is done once as well."""
    calls = tmp_path / "calls"

    def function(value: int) -> int:
        with calls.open("a") as file:
            file.write(f"{value}\n")
        return forked(value)

    def program(env: Environment) -> None:
        numbers(env).map(function).print()

    job = site.job(program)
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    assert lines(tmp_path) == list(range(COUNT))
    await leave(site.pool, site.manager, worker)


def exits(code: object) -> int:
    pid = os.fork()
    if pid == 0:
        sys.exit(code)  # type: ignore[arg-type]  # whatever Python takes
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def computes(_value: object) -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


def prints(_value: object) -> int:
    pid = os.fork()
    if pid == 0:
        with suppress(Exception):
            sys.stdout.write("the child speaks\n")
            os._exit(5)
        os._exit(6)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def printing(function: Callable[[Any], object], values: list[object]) -> Program:
    return lambda env: env.from_collection(values).map(function).print()


async def printed_by(site: Site, program: Program) -> list[str]:
    job = site.job(program)
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    assert site.manager[worker].failures == []
    found = [file.read_text() for file in (site.directory / "pool" / worker).glob("*.out")]
    await leave(site.pool, site.manager, worker)
    return "".join(found).splitlines()


async def test_a_child_ends_with_the_code_that_it_gives(site: Site) -> None:
    printed = await printed_by(site, printing(exits, [0, 7, None, "words", 258]))
    assert printed == ["0", "7", "0", "1", "2"]


async def test_processes_that_compute_go_on_working(site: Site) -> None:
    assert await printed_by(site, printing(computes, [1, 2])) == ["[1, 2, 3]"] * 2


async def test_a_child_may_print(site: Site) -> None:
    """It goes where goes what threads print that user code has started; nothing holds it up."""
    assert [line for line in await printed_by(site, printing(prints, [1, 2])) if line.isdecimal()] == ["5", "5"]
