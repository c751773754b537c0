"""A store that doesn't answer, a leader that is deposed or fails, a process that is killed: nothing is lost or told
before it is stored.
"""

import asyncio
import errno
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError, Problem
from millstream_dataflow.identity import Digest, Epoch, JobId
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.core.settings import ClusterSettings, JobSettings
from millstream_jobmanager.service import term
from millstream_jobmanager.service.settings import cluster_settings
from millstream_jobmanager.service.shell import CoreFailedError
from millstream_jobmanager.service.startup import StartupError, UnreachableError, recovered_jobs
from millstream_jobmanager.store import JobStore, LocalJobStore, StoreAnswer
from millstream_runtime.file_systems import OpenFile
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import CheckpointCompleted, Registered
from millstream_runtime.states import JobState
from tests.support.service_client import (
    CHECKPOINTED,
    JOB,
    Client,
    client_of,
    digest_of,
    eventually,
    failure_of,
    job_of,
    leading,
    small_cluster,
)
from tests.support.session_taskmanager import SessionTaskManager

_BROKEN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
"""How a stream whose server is dead ends: the second where a message of ours was under way (gRPC's aio)."""


class UnreliableStore(JobStore):
    """A local store whose next writes go as they are told: `landed` and `lost` are both answered UNKNOWN."""

    def __init__(self, directory: Path) -> None:
        self.inner = LocalJobStore(directory)
        self.rules = deque[str]()
        self.writes = 0

    def open(self, floor: Epoch) -> Epoch:
        return self.inner.open(floor)

    def knows_epochs(self) -> bool:
        return self.inner.knows_epochs()

    def recover(self) -> list[JobRecord]:
        return self.inner.recover()

    def put(self, record: JobRecord) -> StoreAnswer:
        self.writes += 1
        rule = self.rules.popleft() if self.rules else "done"
        match rule:
            case "lost":
                return StoreAnswer(Outcome.UNKNOWN, "the answer was lost")
            case "landed":
                self.inner.put(record)
                return StoreAnswer(Outcome.UNKNOWN, "the answer was lost")
            case "refused":
                return StoreAnswer(Outcome.REFUSED, "no room")
            case "conflict":
                return StoreAnswer(Outcome.CONFLICT, "somebody else wrote")
            case "raises":
                raise RuntimeError("a fault of the store")
            case _:
                return self.inner.put(record)

    def delete(self, job: JobId) -> None:
        self.inner.delete(job)

    def put_blob(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        self.inner.put_blob(digest, chunks)

    def open_blob(self, digest: Digest) -> OpenFile | None:
        return self.inner.open_blob(digest)

    def collect_garbage(self) -> None:
        self.inner.collect_garbage()

    def close(self) -> None:
        self.inner.close()


def _impatient(configuration: Configuration, leader: str) -> ClusterSettings:
    """A write is repeated at once, where it would be after a second."""
    return replace(cluster_settings(configuration, leader), retry_delay=20)


@pytest.mark.parametrize("rule", ["lost", "landed", "raises"])
async def test_a_write_whose_answer_is_lost_is_repeated_until_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setattr(term, "cluster_settings", _impatient)
    store = UnreliableStore(tmp_path / "store")
    async with small_cluster(tmp_path, store=store) as cluster:
        store.rules.append(rule)
        status = await cluster.client.submit(job_of())
        assert status.state is JobState.CREATED
        assert store.writes >= 2
        await cluster.taskmanager.heard(DeployWorker)
        await cluster.client.until(JobState.RUNNING)


async def test_a_job_that_cannot_be_stored_is_not_accepted(tmp_path: Path) -> None:
    store = UnreliableStore(tmp_path / "store")
    async with small_cluster(tmp_path, store=store) as cluster:
        store.rules.append("refused")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await cluster.client.submit(job_of())
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "could not be stored: no room" in failure_of(error.value).message
        assert (await cluster.client.submit(job_of())).state is JobState.CREATED


async def test_a_deposed_leader_says_nothing_more(tmp_path: Path) -> None:
    store = UnreliableStore(tmp_path / "store")
    async with small_cluster(tmp_path, store=store) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        await cluster.taskmanager.heard(CheckpointCompleted)
        store.rules.append("conflict")
        await cluster.service.wait_deposed()
        assert "another JobManager leads" in ((await cluster.taskmanager.ended()).details() or "")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await cluster.client.details()
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        again = SessionTaskManager(cluster.service.target, "tm-2")
        async with again.connected():
            assert (await again.ended()).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_submit_that_a_deposed_leader_leaves_is_told_so(tmp_path: Path) -> None:
    store = UnreliableStore(tmp_path / "store")
    async with leading(tmp_path, store=store) as service, client_of(service) as client:
        store.rules.append("conflict")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.submit(job_of())
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "leads no more" in failure_of(error.value).message


async def test_a_leader_whose_core_fails_ends_with_the_event_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        await cluster.taskmanager.heard(CheckpointCompleted)
        monkeypatch.setattr(ClusterCore, "_route", _failing)
        with pytest.raises(CoreFailedError, match="a fault of ours"):
            await cluster.service.wait_deposed()
        assert "this JobManager failed" in ((await cluster.taskmanager.ended()).details() or "")
    assert [line for line in caplog.messages if line.startswith("the JobManager ends, for its core failed on")]


def _failing(*_: object) -> None:
    raise RuntimeError("a fault of ours")


async def test_a_job_whose_graph_is_damaged_is_named_and_the_jobmanager_does_not_lead_without_it(
    tmp_path: Path,
) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())
    for blob in (tmp_path / "store/blobs").iterdir():
        blob.write_bytes(b"damaged")
    with pytest.raises(StartupError, match=f"job {JOB} .*can't be recovered"):
        async with leading(tmp_path):
            pass


async def test_a_job_with_an_option_that_this_version_does_not_take_says_how_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graph is sound: nothing needs to be put back."""
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())

    def refuse(_: Mapping[str, str]) -> JobSettings:
        raise ConfigurationError(Problem("it has a relative directory", "name an absolute one"))

    monkeypatch.setattr(term, "recovered_jobs", lambda carrier, _: recovered_jobs(carrier, refuse))
    with pytest.raises(StartupError, match=r"a relative directory.*end it with the version that did"):
        async with leading(tmp_path):
            pass


async def test_an_ended_job_whose_graph_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())
        await client.cancel()
        await client.until(JobState.CANCELED)
    for blob in (tmp_path / "store/blobs").iterdir():
        blob.unlink()
    async with leading(tmp_path) as service, client_of(service) as client:
        assert (await client.cluster()).jobs == ()
        assert (await client.submit(job_of())).state is JobState.CREATED


async def test_an_ended_job_whose_graph_cant_be_read_now_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit whose answer was lost would run it a second time."""
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())
        await client.cancel()
        await client.until(JobState.CANCELED)

    def unreadable(store: LocalJobStore, digest: Digest) -> OpenFile | None:
        raise OSError(errno.EIO, f"{digest} of {store}")

    with monkeypatch.context() as broken:
        broken.setattr(LocalJobStore, "open_blob", unreadable)
        with pytest.raises(UnreachableError, match=r"the graph of job .* can't be read"):
            async with leading(tmp_path):
                pass
    async with leading(tmp_path) as service, client_of(service) as client:
        assert (await client.submit(job_of())).state is JobState.CANCELED


async def test_an_epoch_is_above_every_epoch_in_the_checkpoints(tmp_path: Path) -> None:
    """Law 1.2."""
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        await cluster.taskmanager.heard(CheckpointCompleted)
        first = cluster.service.epoch
    (tmp_path / "store/epoch").unlink()
    async with leading(tmp_path) as service:
        assert service.epoch == first + 1


_SERVER = """
import asyncio, sys
from pathlib import Path
from millstream_dataflow.configuration import Configuration
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.leadership.single import SingleElection
from millstream_jobmanager.service.server import JobManagerService
from millstream_jobmanager.store import LocalJobStore

async def main(directory):
    store = LocalJobStore(Path(directory) / "store")
    address = ListenAddress.unix(f"{directory}/jm.sock")
    election = SingleElection(store)
    service = await JobManagerService.start(Configuration(), address, election, f"{directory}/store/checkpoints")
    print(service.epoch, flush=True)
    await service.wait_deposed()

asyncio.run(main(sys.argv[1]))
"""


async def _process(directory: Path) -> tuple[asyncio.subprocess.Process, int]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, str(directory), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    return process, int(await process.stdout.readline())


async def _killed(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.communicate()


async def test_a_jobmanager_that_was_killed_and_started_again_adopts_what_runs(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/jm.sock"
    taskmanager = SessionTaskManager(target)
    process, epoch = await _process(tmp_path)
    try:
        async with grpc.aio.insecure_channel(target) as channel, taskmanager.connected():
            await Client(channel).submit(job_of(options=CHECKPOINTED))
            await taskmanager.heard(CheckpointCompleted, 2)
            await _killed(process)
            assert (await taskmanager.ended()).code() in _BROKEN
        taskmanager.told.clear()
        process, second = await _process(tmp_path)
        assert second == epoch + 1
        async with grpc.aio.insecure_channel(target) as channel, taskmanager.connected():
            await taskmanager.heard(Registered)
            await Client(channel).until(JobState.RUNNING)
            await taskmanager.heard(CheckpointCompleted, 3)
            assert not [message for message in taskmanager.told if isinstance(message, DeployWorker)]
            await eventually(Client(channel).details, lambda details: details.tasks[0].attempt == 1)
    finally:
        if process.returncode is None:
            await _killed(process)
    assert digest_of(b"") != digest_of(b"x")
