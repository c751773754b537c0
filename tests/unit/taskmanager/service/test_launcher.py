"""Workers between their deployment and their end, with a pool and a source of blobs that do what a test says."""

import asyncio
import hashlib
import resource
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from millstream_dataflow.identity import (
    Digest,
    JobId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    VertexId,
    WorkerId,
    worker_id,
)
from millstream_dataflow.job_graph import Artifact, BlobRef
from millstream_runtime.door.sockets import SHARE, places
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.deployments import DeployWorker, RegionDeployment
from millstream_runtime.messages.session import ListenOutput
from millstream_runtime.messages.snapshots import WorkerRestore
from millstream_runtime.messages.worker import (
    CancelTasks,
    LeaderChanged,
    PeerConnected,
    PeerTaken,
    StartTasks,
    ToWorker,
)
from millstream_taskmanager.core.events import Event, WorkerExited
from millstream_taskmanager.exchange.addresses import socket_path
from millstream_taskmanager.service.blobs import BlobCache, BlobError, Take
from millstream_taskmanager.service.launcher import OTHERS, Launcher
from tests.support.graphs import graph, sink, source
from tests.support.wire import deployment as region_of
from tests.unit.taskmanager.service.scripted import eventually

JOB = JobId("j" * 32)
ATTEMPT = RegionAttempt(JOB, RegionId(0), 1)
SUBTASK = SubtaskId(VertexId("source"), 0)


class Kept:
    """What is said to who keeps results."""

    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []

    def begin(self, attempt: RegionAttempt) -> None:
        self.said.append(("begin", attempt))

    def end(self, job: JobId, worker: WorkerId) -> None:
        self.said.append(("end", worker))

    def drop(self, job: JobId) -> None:
        self.said.append(("drop", job))


class Site:
    """A launcher and everything around it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.events: list[Event] = []
        self.blobs: dict[Digest, bytes] = {}
        self.may_fetch = asyncio.Event()
        self.may_fetch.set()
        self.may_spawn = asyncio.Event()
        self.may_spawn.set()
        self.fetching = 0
        self.spawned: list[StartTasks] = []
        self.sent: list[tuple[WorkerId, ToWorker]] = []
        self.handed: list[socket.socket] = []
        self.killed: list[WorkerId] = []
        self.neighbours: list[WorkerId] = []
        (directory / "blobs").mkdir()
        self.cache = BlobCache(directory / "blobs", self)
        self.kept = Kept()
        self.launcher = Launcher(self.cache, directory, self.kept, self.events.append)
        self.launcher.use(self, self)

    # a source of blobs

    async def fetch(self, digest: Digest, take: Take) -> None:
        self.fetching += 1
        await self.may_fetch.wait()
        if digest not in self.blobs:
            raise BlobError(f"the JobManager has no blob {digest}")
        await take(self.blobs[digest])

    # a pool

    async def spawn(self, orders: StartTasks) -> None:
        self.spawned.append(orders)
        await self.may_spawn.wait()

    def send(self, worker: WorkerId, message: ToWorker, descriptor: socket.socket | None = None) -> None:
        self.sent.append((worker, message))
        if descriptor is not None:
            self.handed.append(descriptor)

    def kill(self, worker: WorkerId) -> None:
        self.killed.append(worker)

    # a neighbourhood

    def begin(self, worker: WorkerId, deployment: RegionDeployment) -> None:
        self.neighbours.append(worker)

    def end(self, worker: WorkerId) -> None:
        if worker in self.neighbours:
            self.neighbours.remove(worker)

    # what tests say

    def keep(self, data: bytes) -> BlobRef:
        digest = Digest(hashlib.sha256(data).hexdigest())
        self.blobs[digest] = data
        return BlobRef(digest, len(data))

    def deployment(self, ordinal: int = 0) -> DeployWorker:
        """Of a region whose workers are on a machine each."""
        vertices = replace(source(), functions=self.keep(b"f1")), replace(sink(), functions=self.keep(b"f2"))
        job = replace(graph(vertices, (), job=JOB), artifacts=(Artifact("a.zip", self.keep(b"artifact")),))
        machines = [str(number) for number in range(max(ordinal, 1) + 1)]  # the same for the first two
        region = region_of(self.directory, len(machines), attempt=ATTEMPT, machines=machines)
        return DeployWorker(
            worker_id(ATTEMPT, ordinal),
            ATTEMPT,
            ordinal,
            ordinal,
            (SUBTASK,),
            self.keep(encode(job)),
            self.keep(encode(region)),
            self.keep(encode(WorkerRestore(()))),
        )

    def files(self) -> int:
        return len(list((self.directory / "blobs").iterdir()))

    def exits(self) -> list[WorkerExited]:
        return [event for event in self.events if isinstance(event, WorkerExited)]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.launcher.stop()
    await site.cache.stop()
    for sock in site.handed:
        sock.close()


async def nothing_starts() -> None:
    """Wait until no start of a worker goes on."""
    await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("starts ")])


async def started(site: Site, ordinal: int = 0) -> DeployWorker:
    deployment = site.deployment(ordinal)
    site.launcher.start(deployment)
    await eventually(lambda: deployment.worker in [orders.worker for orders in site.spawned])
    await asyncio.sleep(0)
    return deployment


async def test_a_worker_finds_everything_on_its_own_disk(site: Site) -> None:
    """Its graph, deployment, restore, the functions of all vertices, the artifacts."""
    deployment = await started(site)
    [orders] = site.spawned
    assert deployment.restore is not None
    read = [site.blobs[ref.digest] for ref in (deployment.graph, deployment.deployment, deployment.restore)]
    paths = [orders.graph_path, orders.deployment_path, orders.restore_path]
    assert [await asyncio.to_thread(Path(path).read_bytes) for path in paths] == read
    assert {path.name for path in Path(orders.blob_directory).iterdir()} == set(site.blobs)  # noqa: ASYNC240  # a test's own few files
    assert orders.socket_path == socket_path(str(site.directory), deployment.worker)
    assert site.neighbours == [deployment.worker]


async def test_orders_that_come_while_it_starts_follow_its_tasks_in_order(site: Site) -> None:
    site.may_fetch.clear()
    site.may_spawn.clear()
    deployment = site.deployment()
    site.launcher.start(deployment)
    listen, changed = ListenOutput(JOB, listen=True), LeaderChanged(present=False)
    site.launcher.send(deployment.worker, listen)
    site.may_fetch.set()
    await eventually(lambda: site.spawned)
    site.launcher.send(deployment.worker, changed)
    assert site.sent == []
    site.may_spawn.set()
    await eventually(lambda: len(site.sent) == 2)
    assert site.sent == [(deployment.worker, listen), (deployment.worker, changed)]


async def test_peers_that_come_while_it_starts_are_passed_on(site: Site) -> None:
    site.may_spawn.clear()
    deployment = await started(site)
    ours, theirs = socket.socketpair()
    assert site.launcher.connect(deployment.worker, ours) == ""
    site.may_spawn.set()
    await eventually(lambda: site.sent)
    assert site.sent == [(deployment.worker, PeerConnected(deployment.worker))]
    theirs.close()


@pytest.mark.parametrize("may_spawn", [True, False])
async def test_few_connections_wait_for_a_worker_and_those_of_its_peers_find_room(site: Site, may_spawn: bool) -> None:
    """It may be busy in user code, or not be there yet; each that it takes makes room for another."""
    if not may_spawn:
        site.may_spawn.clear()
    peers = 5
    worker = (await started(site, peers)).worker
    waiting, refused = comes(site, worker, 100)
    assert len(waiting) == 2 * peers + OTHERS
    assert set(refused) == {f"worker {worker} is busy, and {len(waiting)} others wait for it already"}
    site.may_spawn.set()
    await eventually(lambda: len(site.sent) == len(waiting))
    assert comes(site, worker, 1)[0] == []
    for _ in range(3):
        site.launcher.said(worker, PeerTaken())
    assert len(comes(site, worker, 100)[0]) == 3
    assert site.events == []


async def test_hundreds_of_peers_are_all_handed_over(site: Site) -> None:
    """They come when the region starts, each at least once, while the worker still does."""
    site.may_spawn.clear()
    peers = places(300)
    worker = (await started(site, peers)).worker
    assert len(comes(site, worker, peers)[0]) == peers
    site.may_spawn.set()
    await eventually(lambda: len(site.handed) == peers)


async def test_where_few_files_may_be_open_all_workers_share_what_may_wait(site: Site) -> None:
    workers = [(await started(site, ordinal)).worker for ordinal in (98, 99)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        found = [len(comes(site, worker, 100)[0]) for worker in workers]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == [1024 // SHARE // 2] * 2


def comes(site: Site, worker: WorkerId, number: int) -> tuple[list[socket.socket], list[str]]:
    """So many connections ask for it: those that it gets, and why not the others."""
    taken: list[socket.socket] = []
    refused: list[str] = []
    for _ in range(number):
        sock = socket.socket()
        if why := site.launcher.connect(worker, sock):
            refused.append(why)
            sock.close()
        else:
            taken.append(sock)
    return taken, refused


async def test_nobody_can_reach_a_worker_that_is_not_here(site: Site) -> None:
    ours, theirs = socket.socketpair()
    assert site.launcher.connect(WorkerId("another"), ours) == "worker another isn't here (yet)"
    site.launcher.send(WorkerId("another"), LeaderChanged(present=True))
    site.launcher.kill(WorkerId("another"))
    assert (site.sent, site.killed, site.events) == ([], [], [])
    ours.close()
    theirs.close()


async def test_what_cannot_be_fetched_is_the_cause_of_its_end(site: Site) -> None:
    deployment = site.deployment()
    site.blobs.clear()
    site.launcher.start(deployment)
    await eventually(site.exits)
    [exit_] = site.exits()
    assert (exit_.worker, exit_.crashed) == (deployment.worker, False)
    assert "has no blob" in exit_.cause
    await site.launcher.empty()
    assert site.neighbours == []


async def test_a_graph_that_cannot_be_read_is_the_cause_of_its_end(site: Site) -> None:
    site.launcher.start(replace(site.deployment(), graph=site.keep(b"\xff\xff")))
    await eventually(site.exits)
    assert "no JobGraph" in site.exits()[0].cause


@pytest.mark.parametrize("how", ["cancel", "kill"])
async def test_one_that_is_not_yet_a_process_ends_at_once(site: Site, how: str) -> None:
    site.may_fetch.clear()
    deployment = site.deployment()
    site.launcher.start(deployment)
    await eventually(lambda: site.fetching)
    ours, theirs = socket.socketpair()
    site.launcher.connect(deployment.worker, ours)
    if how == "cancel":
        site.launcher.send(deployment.worker, CancelTasks("its region was cancelled"))
    else:
        site.launcher.kill(deployment.worker)
    assert [exit_.crashed for exit_ in site.exits()] == [False]
    assert ours.fileno() == -1
    site.may_fetch.set()
    await nothing_starts()
    assert site.spawned == []
    theirs.close()


async def test_one_that_is_killed_while_it_is_forked_is_killed_when_it_is_there(site: Site) -> None:
    site.may_spawn.clear()
    deployment = await started(site)
    site.launcher.kill(deployment.worker)
    site.killed.clear()
    site.may_spawn.set()
    await eventually(lambda: site.killed)
    assert site.killed == [deployment.worker]


async def test_one_that_ended_while_it_was_forked_is_told_nothing(site: Site) -> None:
    site.may_spawn.clear()
    deployment = await started(site)
    site.launcher.send(deployment.worker, LeaderChanged(present=False))
    site.launcher.exited(deployment.worker, "no process could be started", crashed=True)
    site.may_spawn.set()
    await nothing_starts()
    assert site.sent == []
    assert len(site.exits()) == 1


async def test_blobs_go_with_the_job_but_not_before_its_last_worker(site: Site) -> None:
    one, other = await started(site), await started(site, 1)
    site.launcher.drop(JOB)
    site.launcher.exited(one.worker, "told", crashed=False)
    await site.cache._disk.ask(lambda: None)  # what would be removed is removed by now
    assert site.files() == len(site.blobs)
    site.launcher.exited(other.worker, "told", crashed=False)
    await eventually(lambda: site.files() == 0)


async def test_what_one_worker_alone_needed_goes_with_it(site: Site) -> None:
    deployment = await started(site)
    site.launcher.exited(deployment.worker, "told", crashed=False)
    await eventually(lambda: site.files() == len(site.blobs) - 2)
    site.launcher.drop(JOB)
    await eventually(lambda: site.files() == 0)


async def test_the_socket_file_of_a_killed_worker_is_removed(site: Site) -> None:
    deployment = await started(site)
    # No real socket: pytest's directories may be longer than the 103 bytes that a socket's path may have.
    Path(socket_path(str(site.directory), deployment.worker)).touch()  # noqa: ASYNC240  # an empty file in a test
    site.launcher.exited(deployment.worker, "killed by signal 9", crashed=True)
    await eventually(lambda: not list(site.directory.glob("*.sock")))


async def test_a_mistake_of_ours_ends_the_worker_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that never exits would occupy its slot for ever."""

    def begin(worker: WorkerId, deployment: RegionDeployment) -> None:
        raise ZeroDivisionError(worker, deployment)

    monkeypatch.setattr(site, "begin", begin)
    site.launcher.start(site.deployment())
    await eventually(site.exits)
    assert "ZeroDivisionError" in site.exits()[0].cause
    assert "a mistake in the start" in caplog.text


async def test_a_pool_that_raises_ends_the_worker_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As above; and once only, whatever the core asks for afterwards."""

    async def spawn(orders: StartTasks) -> None:
        raise ZeroDivisionError(orders)

    monkeypatch.setattr(site, "spawn", spawn)
    deployment = site.deployment()
    site.launcher.start(deployment)
    await eventually(site.exits)
    site.launcher.send(deployment.worker, CancelTasks("its region was cancelled"))
    site.launcher.kill(deployment.worker)
    await asyncio.wait_for(site.launcher.empty(), 20)
    assert ["ZeroDivisionError" in exit_.cause for exit_ in site.exits()] == [True]
    assert "a mistake in the start" in caplog.text


async def test_a_pool_that_has_told_the_exit_and_raises_then_tells_it_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = asyncio.Event()

    async def spawn(orders: StartTasks) -> None:
        site.launcher.exited(orders.worker, "no process", crashed=True)
        raised.set()
        raise ZeroDivisionError

    monkeypatch.setattr(site, "spawn", spawn)
    site.launcher.start(site.deployment())
    await asyncio.wait_for(raised.wait(), 20)
    await asyncio.sleep(0)
    assert [exit_.cause for exit_ in site.exits()] == ["no process"]
