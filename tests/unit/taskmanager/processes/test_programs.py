"""A program's own code in a worker: the script by value, with its classes under their names; modules for real (law
12.1). And programs of several workers.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from millstream_dataflow.identity import CheckpointId, Digest, OperatorId
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.records import SnapshotKind
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.session import (
    CheckpointAcknowledged,
    CheckpointCompleted,
    CheckpointDeclined,
    PeerLost,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import FileRef, InlineBytes, RestorePart, TaskRestore, WorkerRestore
from millstream_runtime.states import TaskState
from tests.support.tidy.source import ROOT
from tests.support.worker_jobs import Capture, JobFiles, finish, leave
from tests.support.worker_site import Environment, Site, sleeper

pytestmark = pytest.mark.asyncio(loop_scope="module")


_SCRIPT = """
import pickle, sys
from dataclasses import dataclass
from pathlib import Path

import beside
from millstream import StreamExecutionEnvironment
from millstream_runtime.messages.codec import encode
from tests.support.worker_jobs import captured


@dataclass
class Event:
    key: int
    seen: int


with captured() as job:
    env = StreamExecutionEnvironment.get_execution_environment()
    events = env.from_collection(range(6)).map(lambda n: Event(beside.remainder(n), 1))
    events.key_by(lambda e: e.key).reduce(lambda a, b: Event(a.key, a.seen + b.seen)).print()
    env.execute_async()
Path(sys.argv[1]).write_bytes(pickle.dumps((encode(job.graph), dict(job.blobs))))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """The job of a script, with a module beside it."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "script.py").write_text(_SCRIPT)
    (folder / "beside.py").write_text("def remainder(n):\n    return n % 2\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "script.py", "job"], cwd=folder, env=environment, check=True)
    job = Capture()
    graph, blobs = pickle.loads((folder / "job").read_bytes())
    job.graph = decode(JobGraph, graph)
    job.blobs = {Digest(digest): data for digest, data in blobs.items()}
    return job


async def test_state_names_classes_of_the_script_by_reference(site: Site, script: Capture, tmp_path: Path) -> None:
    """Made in a map, kept as state, stored, restored in another process, and joined with new ones there."""
    job = JobFiles(script, tmp_path)
    worker = await site.spawn(job.orders())
    await finish(site.pool, site.manager, job)
    heard = site.manager[worker]
    [keyed] = [m for m in heard.of(CheckpointAcknowledged) if any(op.end_group for op in m.snapshot.operators)]
    await leave(site.pool, site.manager, worker)

    handle = keyed.snapshot.handle
    assert isinstance(handle, InlineBytes)
    assert b"__main__" in handle.data
    assert b"Event" in handle.data
    assert b"cloudpickle" not in handle.data

    parts = tuple(
        RestorePart(OperatorId(operator.operator), 0, handle, operator.first_group, operator.end_group)
        for operator in keyed.snapshot.operators
        if operator.end_group
    )
    restore = WorkerRestore((TaskRestore(keyed.task.subtask, CheckpointId(1), parts),))
    again = await site.spawn(job.orders(2, restore))
    await finish(site.pool, site.manager, job, 2)
    [file] = (site.directory / "pool" / again).glob("*.out")
    assert "Event(key=0, seen=6)" in file.read_text()
    assert "Event(key=1, seen=6)" in file.read_text()
    assert "seen=1)" not in file.read_text()
    await leave(site.pool, site.manager, again)


async def test_a_module_that_is_missing_is_named(site: Site, script: Capture, tmp_path: Path) -> None:
    assert script.graph is not None
    [artifact] = script.graph.artifacts
    files = JobFiles(script, tmp_path)
    (tmp_path / artifact.blob.digest).unlink()
    worker = await site.spawn(files.orders(3))  # attempts 1 and 2 of this job are another test's
    await site.manager.until(lambda: len(site.manager[worker].failures) == len(files.tasks()))
    assert site.manager[worker].failures[0].message == "ModuleNotFoundError: No module named 'beside'"
    await leave(site.pool, site.manager, worker)


async def test_large_state_goes_to_a_file(site: Site) -> None:
    def program(env: Environment) -> None:
        numbers = env.from_collection(range(100))
        numbers.map(lambda n: (n, "x" * 1_000)).key_by(lambda pair: pair[0]).reduce(lambda a, _b: a).print()

    job = site.job(program)
    worker = await site.spawn(job.orders())
    snapshots = await finish(site.pool, site.manager, job)
    [handle] = [snapshot.handle for snapshot in snapshots if isinstance(snapshot.handle, FileRef)]
    assert "-r0-a1-" in handle.path
    assert (job.directory / "chk-1" / handle.path).stat().st_size == handle.size > 20 << 10
    await leave(site.pool, site.manager, worker)


async def test_a_checkpoint_that_cannot_be_written_is_declined_and_the_job_goes_on(site: Site) -> None:
    def program(env: Environment) -> None:
        numbers = env.from_collection(range(100))
        numbers.map(lambda n: (n, "x" * 1_000)).key_by(lambda pair: pair[0]).reduce(lambda a, _b: a).print()

    job = site.job(program)
    worker = await site.spawn(job.orders())
    heard = site.manager[worker]
    await site.manager.until(lambda: all(heard.ended.values()) and len(heard.ended) == len(job.tasks()))
    (job.directory / "no-folder").write_text("a file is in the way")
    place = str(job.directory / "no-folder" / "chk-7")
    site.pool.send(worker, TriggerCheckpoint(job.triggered(), CheckpointId(7), SnapshotKind.CHECKPOINT, place))
    [declined] = await site.manager.until(lambda: heard.of(CheckpointDeclined))
    assert declined.checkpoint == 7
    assert "could not be stored" in declined.failure.message
    assert place in declined.failure.message
    heard.messages[:] = [message for message in heard.messages if not isinstance(message, CheckpointAcknowledged)]
    await finish(site.pool, site.manager, job, checkpoint=CheckpointId(8))
    await leave(site.pool, site.manager, worker)


def exchanging(env: Environment) -> None:
    env.set_parallelism(2)
    env.from_sequence(1, 1_000).key_by(lambda n: n % 10).reduce(lambda a, b: a + b).print()


async def test_workers_exchange_records_by_key(site: Site) -> None:
    job = site.job(exchanging)
    orders = job.orders()
    await site.pool.spawn(orders[0])
    await site.pool.spawn(orders[1])
    both = [site.manager[order.worker] for order in orders]

    def ended() -> bool:
        assert not [heard.failures for heard in both if heard.failures], both
        return sum(len([reason for reason in heard.ended.values() if reason]) for heard in both) == len(job.tasks())

    await site.manager.until(ended)
    for order in orders:
        directory = str(job.directory / "chk-1")
        site.pool.send(order.worker, TriggerCheckpoint(job.triggered(), CheckpointId(1), SnapshotKind.FINAL, directory))
    await site.manager.until(lambda: sum(len(heard.of(CheckpointAcknowledged)) for heard in both) == len(job.tasks()))
    for order in orders:
        attempt = job.tasks()[0].attempt
        site.pool.send(order.worker, CheckpointCompleted(attempt, CheckpointId(1), commits=True, last=True))
    await site.manager.until(lambda: all(set(heard.states.values()) == {TaskState.FINISHED} for heard in both))
    files = [file for order in orders for file in (site.directory / "pool" / order.worker).glob("*.out")]
    lines = [line.partition("> ")[2] for file in files for line in file.read_text().splitlines()]
    assert len(lines) == 1_000
    totals = {sum(range(key or 10, 1_001, 10)) for key in range(10)}
    assert totals <= set(map(int, lines))
    for order in orders:
        await leave(site.pool, site.manager, order.worker)


async def test_a_lost_peer_fails_the_others_with_its_name(site: Site) -> None:
    def program(env: Environment) -> None:
        numbers = env.from_sequence(1, 10**12).rebalance()
        numbers.map(lambda n: n).set_parallelism(2).print().set_parallelism(2)

    first, second = site.job(program).orders()
    await site.pool.spawn(first)
    await site.pool.spawn(second)
    await site.printed(second.worker, "\n")  # what has come from the first one
    site.pool.kill(second.worker)
    failures = await site.manager.until(lambda: site.manager[first.worker].failures)
    assert failures[0].secondary
    assert second.worker in failures[0].message
    assert not site.manager[first.worker].of(PeerLost)  # it was on this very TaskManager
    logged = [file.read_text() for file in (site.directory / "pool" / first.worker).glob("*.err")]
    assert not any(logged), "a peer that ended earlier, as when a job is cancelled, is no line for users"
    await leave(site.pool, site.manager, first.worker)


async def test_a_worker_whose_taskmanager_hangs_up_ends(site: Site) -> None:
    worker = await site.start(lambda env: env.from_collection([1]).map(lambda n: n).print())
    await site.manager.until(lambda: site.manager[worker].states)
    site.pool._workers[worker].process._messages.socket.shutdown(2)
    assert "TaskManagerGoneError: the TaskManager is gone" in await site.manager.end_of(worker)


async def test_messages_of_one_job_stay_with_their_worker(site: Site) -> None:
    """A stuck neighbour holds nobody up: that is what processes are for."""
    stuck = await site.start(sleeper)
    await site.printed(stuck, "asleep")
    worker = await site.start(lambda env: env.from_collection([1]).map(lambda n: n).print())
    await site.printed(worker, "1")
    assert await leave(site.pool, site.manager, worker) == "it left when it was told to"
    site.pool.kill(stuck)
    await site.manager.end_of(stuck)
