"""Worker processes: jobs run in them, they are ended, and they end by themselves. All are real."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from millstream_dataflow.identity import CheckpointId, OperatorId, WorkerId
from millstream_dataflow.records import EndReason, SnapshotKind
from millstream_runtime.messages.failures import FailureKind
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointAcknowledged,
    DropLeftovers,
    ListenOutput,
    OperatorReply,
    OperatorRequest,
    OutputTaken,
    Progress,
    StopMode,
    StopSources,
    TaskOutput,
    TaskStateChanged,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import InlineBytes
from millstream_runtime.messages.worker import CancelTasks, LeaderChanged
from millstream_runtime.states import TaskState
from tests.support.worker_jobs import JobFiles, compiled, finish, gone, is_alive, leave
from tests.support.worker_site import Environment, Site, sleeper, totals

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --------------------------------------------------------------------------------------------------------- a life


async def test_a_job_runs_to_its_end_in_one_worker(site: Site) -> None:
    job = site.job(totals)
    [orders] = job.orders()
    worker = orders.worker
    heard = site.manager[worker]
    starting = asyncio.create_task(site.pool.spawn(orders))
    await asyncio.sleep(0)
    site.pool.send(worker, ListenOutput(job.graph.job, listen=True))  # while the process starts
    await starting
    snapshots = await finish(site.pool, site.manager, job)
    sums = [(0, 0), (0, 2), (0, 6), (0, 12), (0, 20), (1, 1), (1, 4), (1, 9), (1, 16), (1, 25)]
    assert sorted(heard.output.splitlines()) == sorted(map(str, sums))
    files = list((site.directory / "pool" / worker).glob("*.out"))
    assert "".join(file.read_text() for file in files) == heard.output
    assert any(isinstance(snapshot.handle, InlineBytes) for snapshot in snapshots)
    assert await leave(site.pool, site.manager, worker) == "it left when it was told to"
    assert not heard.crashed
    assert site.pool.pid(worker) is None


async def test_a_worker_reports_progress_once_a_second(site: Site) -> None:
    def program(env: Environment) -> None:
        env.from_collection(range(100)).map(lambda n: n).print()

    worker = await site.start(program)
    [first, *_] = await site.manager.until(lambda: site.manager[worker].of(Progress))
    assert [totals.records_out for totals in first.tasks] == [0]
    await leave(site.pool, site.manager, worker)


async def test_a_failed_task_is_reported_and_its_worker_stays(site: Site) -> None:
    def program(env: Environment) -> None:
        env.from_collection(["1", "x"]).map(int).name("parse").print()

    worker = await site.start(program)
    [failure] = await site.manager.until(lambda: site.manager[worker].failures)
    assert failure.message == "ValueError: invalid literal for int() with base 10: 'x'"
    assert failure.operator.startswith("parse")
    assert failure.record == "'x'"
    log = next((site.directory / "pool" / worker).glob("*.err")).read_text()
    assert "ValueError" in log
    assert "user_code/errors.py" not in log, "where we called them"
    assert is_alive(site.pool.pid(worker) or 0)
    assert await leave(site.pool, site.manager, worker) == "it left when it was told to"


async def test_a_question_to_a_task_that_is_over_can_be_asked_again(site: Site) -> None:
    """Of its next attempt: whoever asks tells that from what never can be answered."""

    def program(env: Environment) -> None:
        env.from_collection(["x"]).map(int).print()

    worker = await site.start(program)
    heard = site.manager[worker]
    await site.manager.until(lambda: heard.failures)
    [task] = heard.states
    site.pool.send(worker, OperatorRequest(5, task, OperatorId("any"), b"?"))
    [reply] = await site.manager.until(lambda: heard.of(OperatorReply))
    assert reply.failure is not None
    assert reply.failure.kind is FailureKind.EXTERNAL
    await leave(site.pool, site.manager, worker)


async def test_a_listener_hears_all_of_much(site: Site) -> None:
    """Ten times of what may wait in the socket. Its task waits whenever it has printed more than was taken."""

    def taken(worker: WorkerId, output: TaskOutput) -> None:
        site.pool.send(worker, OutputTaken(output.task, len(output.text)))

    def program(env: Environment) -> None:
        env.from_sequence(1, 100_000).map(lambda n: f"{n:0100d}").print()

    job = site.job(program)
    [orders] = job.orders()
    starting = asyncio.create_task(site.pool.spawn(orders))
    await asyncio.sleep(0)
    site.pool.send(orders.worker, ListenOutput(job.graph.job, listen=True))
    await starting
    site.manager.on_output = taken
    await finish(site.pool, site.manager, job)
    heard = site.manager[orders.worker]
    assert heard.output == "".join(f"{n:0100d}\n" for n in range(1, 100_001))
    kept = sum(file.stat().st_size for file in (site.directory / "pool" / orders.worker).glob("*.out*"))
    assert kept <= 64 << 10
    site.pool.send(orders.worker, ListenOutput(job.graph.job, listen=False))
    await leave(site.pool, site.manager, orders.worker)


async def test_a_running_job_is_stopped(site: Site) -> None:
    job = site.job(lambda env: env.from_sequence(1, 10**12).map(lambda n: n + 1).print())
    worker = await site.spawn(job.orders())
    await site.printed(worker, "2\n")
    site.pool.send(worker, StopSources(job.triggered(), StopMode.STOP))
    await finish(site.pool, site.manager, job)
    assert set(site.manager[worker].ended.values()) == {EndReason.STOP}
    await leave(site.pool, site.manager, worker)


async def test_a_checkpoint_that_was_given_up_is_not_heard_of(site: Site) -> None:
    job = site.job(lambda env: env.from_sequence(1, 10**12).map(lambda n: n + 1).print())
    worker = await site.spawn(job.orders())
    heard = site.manager[worker]
    await site.printed(worker, "2\n")
    attempt = job.tasks()[0].attempt
    site.pool.send(worker, LeaderChanged(present=False))
    site.pool.send(worker, LeaderChanged(present=True))
    site.pool.send(worker, CheckpointAborted(attempt, CheckpointId(3)))
    for number in (3, 4):
        place = str(job.directory / f"chk-{number}")
        site.pool.send(worker, TriggerCheckpoint(job.triggered(), CheckpointId(number), SnapshotKind.CHECKPOINT, place))
    acknowledged = await site.manager.until(lambda: heard.of(CheckpointAcknowledged))
    assert {message.checkpoint for message in acknowledged} == {4}
    await leave(site.pool, site.manager, worker)


async def test_a_question_that_nobody_can_answer_is_answered_so(site: Site) -> None:
    job = site.job(lambda env: env.from_sequence(1, 10**12).map(lambda n: n + 1).print())
    worker = await site.spawn(job.orders())
    await site.printed(worker, "2\n")
    site.pool.send(worker, OperatorRequest(5, job.tasks()[0], OperatorId("nobody"), b"?"))
    [reply] = await site.manager.until(lambda: site.manager[worker].of(OperatorReply))
    assert reply.request == 5
    assert reply.failure is not None
    assert "runs no operator nobody" in reply.failure.message
    assert reply.failure.kind is FailureKind.INTERNAL
    site.pool.send(worker, DropLeftovers(job.tasks()[0], OperatorId("nobody"), ()))
    await leave(site.pool, site.manager, worker)


# -------------------------------------------------------------------------------------------------------- deaths


async def test_a_worker_that_ignores_cancel_is_killed(site: Site) -> None:
    worker = await site.start(sleeper)
    await site.printed(worker, "asleep")
    pid = site.pool.pid(worker) or 0
    site.pool.send(worker, CancelTasks("the user wants it"))
    site.pool.kill(worker)
    assert await site.manager.end_of(worker) == "killed, as it had not ended by itself"
    assert not site.manager[worker].crashed
    await gone([pid])


async def test_what_user_code_has_started_dies_with_its_worker(site: Site) -> None:
    def child(value: object) -> object:
        process = subprocess.Popen(["sleep", "1000"])
        sys.stdout.write(f"child {process.pid}.\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return value

    worker = await site.start(lambda env: env.from_collection([1]).map(child).print())
    cause = await site.manager.end_of(worker)
    assert cause.startswith("killed by signal 9 (SIGKILL)")
    found = re.search(r"child (\d+)\.", cause)
    assert found is not None, cause
    await gone([int(found[1])])


async def test_a_killed_worker_is_reported_with_its_last_lines(site: Site) -> None:
    worker = await site.start(sleeper)
    await site.printed(worker, "asleep")
    os.kill(site.pool.pid(worker) or 0, signal.SIGKILL)
    cause = await site.manager.end_of(worker)
    assert cause.startswith("killed by signal 9 (SIGKILL)")
    assert cause.endswith("\n  it printed last:\n  asleep")
    assert site.manager[worker].crashed


def leaves(value: object) -> object:
    os.write(1, b"from C\n")
    os._exit(7)


def aborts(value: object) -> object:
    os.abort()


def vanishes(value: object) -> object:
    os.write(1, b"from C\n")
    os._exit(0)


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (leaves, r"it ended with exit code 7\n  it printed last:\n  from C$"),
        (
            aborts,
            r"killed by signal 6 \(SIGABRT\)\n  it printed last:\n  Fatal Python error: Aborted\n(.*\n)*.* in aborts",
        ),
        (vanishes, r"it ended with exit code 0 though nobody had told it to: .*\n  it printed last:\n  from C$"),
    ],
)
async def test_a_crash_is_reported_with_what_was_printed(
    site: Site, function: Callable[[object], object], cause: str
) -> None:
    worker = await site.start(lambda env: env.from_collection([1]).map(function).print())
    found = await site.manager.end_of(worker)
    assert re.search(cause, found), found
    assert site.manager[worker].crashed


# ------------------------------------------------------------------------------------------------ beginnings


async def test_other_versions_are_refused_with_the_difference(site: Site) -> None:
    job = compiled(totals)
    assert job.graph is not None
    job.graph = replace(job.graph, versions=replace(job.graph.versions, python="2.7", pyarrow="1"))
    files = JobFiles(job, site.directory / job.graph.job)
    worker = await site.spawn(files.orders())
    await site.manager.until(lambda: len(site.manager[worker].failures) == len(files.tasks()))
    failure = site.manager[worker].failures[0]
    assert "python 2.7 there, 3." in failure.message
    assert "pyarrow 1 there, " in failure.message
    assert "millstream" not in failure.message.partition(";")[0].partition("versions:")[2]
    assert not failure.restartable
    states = [message.report.state for message in site.manager[worker].of(TaskStateChanged)]
    assert states == [TaskState.FAILED] * len(files.tasks())
    await leave(site.pool, site.manager, worker)


async def test_a_worker_has_none_of_the_control_plane_in_memory(site: Site) -> None:
    """Law 12.3."""

    def names(_value: object) -> str:
        """As many as a log keeps: packages, and all that is ours."""
        return " ".join(
            sorted({name if name.startswith("millstream.") else name.partition(".")[0] for name in sys.modules})
        )

    job = site.job(lambda env: env.from_collection([1]).map(names).print())
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    [file] = (site.directory / "pool" / worker).glob("*.out")
    modules = {name.partition(".")[0] for name in file.read_text().split()}
    assert "millstream_taskmanager" in modules
    assert not modules & {"grpc", "click", "aiohttp", "rich", "asyncio", "millstream_jobmanager", "tests", "pytest"}
    ours = {name for name in file.read_text().split() if name.startswith("millstream.")}
    assert ours == {"millstream.connectors", "millstream.connectors.collection", "millstream.connectors.print_sink"}
    await leave(site.pool, site.manager, worker)


def children_of(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


async def test_a_start_that_is_given_up_leaves_no_process(site: Site) -> None:
    job = site.job(sleeper)
    [orders] = job.orders()
    starting = asyncio.create_task(site.pool.spawn(orders))
    await asyncio.sleep(0)
    starting.cancel()
    assert await site.manager.end_of(orders.worker) == "its start was given up"
    forkserver = site.pool._forkserver
    assert forkserver is not None
    worker = await site.start(lambda env: env.from_collection([1]).map(lambda n: n).print())  # asked for behind it
    await leave(site.pool, site.manager, worker)
    assert children_of(forkserver.pid or 0) == ""


async def test_a_worker_that_is_there_is_not_started_twice(site: Site) -> None:
    job = site.job(sleeper)
    worker = await site.spawn(job.orders())
    with pytest.raises(ValueError, match="there already"):
        await site.spawn(job.orders())
    site.pool.kill(worker)
    await site.manager.end_of(worker)
