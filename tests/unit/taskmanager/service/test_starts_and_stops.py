"""A whole TaskManager with real worker processes: what fails to start, how it begins, how it ends."""

import asyncio
import contextlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from millstream import StreamExecutionEnvironment
from millstream_dataflow.configuration import ConfigurationError
from millstream_dataflow.configuration.options import security
from millstream_runtime.messages.session import (
    CancelRegion,
    JobEnded,
    RegionEnded,
    Register,
    TaskStateChanged,
    WorkerEnded,
)
from millstream_runtime.states import TaskState
from millstream_taskmanager.core.events import Tick
from millstream_taskmanager.service import TaskManagerService
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import compiled, is_alive
from tests.unit.taskmanager.service.scripted import ScriptedJobManager, eventually
from tests.unit.taskmanager.service.sites import Site, configured, endless, finish

DIGEST_LENGTH = 64


# ------------------------------------------------------------------------------------------------ what can't start


async def test_a_blob_that_is_damaged_on_its_way_is_fetched_again(site: Site) -> None:
    damaged: list[bool] = []

    def damage_once(data: bytes) -> bytes:
        damaged.append(True)
        return data if len(damaged) > 1 else b"\0" + data[1:]

    site.jobmanager.damage = damage_once
    job = compiled(endless)
    assert job.graph is not None
    await site.deploy(job)
    await site.running(job.graph)
    assert len(site.jobmanager.fetches) == len(set(site.jobmanager.fetches)) + 1


async def test_a_blob_that_is_damaged_for_good_fails_the_start_with_its_reason(site: Site) -> None:
    """The worker has failed; its tasks never began."""
    site.jobmanager.damage = lambda data: data[:-1]
    job = compiled(endless)
    await site.deploy(job)
    ended = await site.jobmanager.heard(WorkerEnded)
    assert "bytes came" in ended.cause
    failure = await site.jobmanager.heard(TaskStateChanged, lambda change: change.report.failure)
    assert failure.report.state is TaskState.CANCELED
    await eventually(lambda: not [name for name in site.blobs() if len(name) > DIGEST_LENGTH])


async def test_a_blob_that_the_leader_has_not_fails_the_start(site: Site) -> None:
    orders = await site.orders(compiled(endless))
    site.jobmanager.blobs.clear()
    await site.jobmanager.session.say(orders[0])
    ended = await site.jobmanager.heard(WorkerEnded)
    assert "NOT_FOUND" in ended.cause


async def test_a_job_graph_that_cannot_be_read_fails_the_start(site: Site) -> None:
    [order] = await site.orders(compiled(endless))
    await site.jobmanager.session.say(replace(order, graph=site.jobmanager.keep(b"\xff\xff no graph")))
    ended = await site.jobmanager.heard(WorkerEnded)
    assert "no JobGraph" in ended.cause


async def test_a_region_that_is_cancelled_while_it_is_fetched_leaves_nothing(site: Site) -> None:
    site.jobmanager.fetches_go_on.clear()
    [order] = await site.orders(compiled(endless))
    await site.jobmanager.session.say(order)
    await site.jobmanager.until(lambda: site.jobmanager.fetches)
    await site.jobmanager.session.say(CancelRegion(order.attempt, 60_000))
    ended = await site.jobmanager.heard(WorkerEnded)
    assert not ended.died
    site.jobmanager.fetches_go_on.set()
    await site.jobmanager.session.say(JobEnded(order.attempt.job))
    await eventually(lambda: not site.blobs())


# ------------------------------------------------------------------------------------------------ begin and end


@pytest.mark.parametrize("moment", ["fetching", "running"])
async def test_it_stops_at_any_moment_and_leaves_nothing(
    jobmanager: ScriptedJobManager, tmp_path: Path, moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    tmp = tmp_path / "tmp"
    service = await TaskManagerService.start(configured(tmp), jobmanager.target, tmp_path / "home")
    site = Site(service, jobmanager, tmp)
    job = compiled(endless)
    assert job.graph is not None
    if moment == "fetching":
        jobmanager.fetches_go_on.clear()
    await site.deploy(job)
    if moment == "fetching":
        await jobmanager.until(lambda: jobmanager.fetches)
    else:
        await site.running(job.graph)
    processes = [site.forkserver(), *site.workers()]
    await service.stop()
    assert not [pid for pid in processes if is_alive(pid)]
    assert list(tmp.iterdir()) == []
    assert [record for record in caplog.records if record.levelname != "INFO"] == []
    await jobmanager.until(lambda: jobmanager.session.ended)
    jobmanager.fetches_go_on.set()


async def test_a_worker_that_ignores_cancel_does_not_hold_the_end_up(site: Site) -> None:
    def asleep(value: int) -> int:
        import time

        time.sleep(1_000)
        return value

    def program(env: StreamExecutionEnvironment) -> None:
        env.from_collection([1]).map(asleep).print()

    job = compiled(program)
    assert job.graph is not None
    await site.deploy(job)
    await site.running(job.graph)
    async with asyncio.timeout(5):
        await site.taskmanager.stop()


async def test_it_starts_without_a_jobmanager_and_finds_it(
    jobmanager: ScriptedJobManager, forkserver: SharedForkServer, tmp_path: Path
) -> None:
    port = jobmanager.port
    await jobmanager.stop()
    with forkserver.lent():
        service = await TaskManagerService.start(configured(tmp_path / "tmp"), f"127.0.0.1:{port}", tmp_path / "home")
    await jobmanager.start(port)
    register = await jobmanager.heard(Register)
    assert (register.slots, register.resource, register.address) == (2, service.resource, service.address)
    await service.stop()


async def test_one_that_was_started_again_has_the_same_resource(
    jobmanager: ScriptedJobManager, forkserver: SharedForkServer, tmp_path: Path
) -> None:
    configuration = configured(tmp_path / "tmp")
    with forkserver.lent():
        first = await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")
        await first.stop()
        again = await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")
        await again.stop()
    assert again.resource == first.resource
    assert again.id != first.id


async def test_it_listens_for_other_hosts_only_when_that_is_allowed(
    jobmanager: ScriptedJobManager, tmp_path: Path
) -> None:
    """Design 11."""
    configuration = configured(tmp_path / "tmp", **{"taskmanager.bind-host": "0.0.0.0"})
    with pytest.raises(ConfigurationError, match=security.INSECURE.key):
        await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_data_port_that_is_taken_is_named(jobmanager: ScriptedJobManager, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configuration = configured(
            tmp_path / "tmp", **{"taskmanager.bind-host": "127.0.0.1", "taskmanager.data.port": str(port)}
        )
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")


async def test_garbage_on_the_data_port_does_not_touch_the_job(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    job = compiled(endless)
    assert job.graph is not None
    order = await site.deploy(job)
    await site.running(job.graph)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"MSP1\xff\xff", b"MSK1\xff\xff", b"MSP1\x04\x00none"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.taskmanager.address.port)
        writer.write(garbage)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert "to the data port is closed: it began with" in caplog.text
    await finish(site.jobmanager, job.graph, site.tmp.parent)
    await site.jobmanager.session.say(RegionEnded(order.attempt))
    assert not (await site.jobmanager.heard(WorkerEnded)).died


async def test_a_mistake_in_its_core_ends_its_session_and_is_told(
    site: Site,
    jobmanager: ScriptedJobManager,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A TaskManager whose core can't be trusted must not look alive."""
    await site.registered()
    monkeypatch.setattr(site.taskmanager._shell.core, "handle", _broken)
    site.taskmanager._shell.tell(Tick())
    with pytest.raises(ZeroDivisionError):
        await site.taskmanager.wait()
    await jobmanager.until(lambda: jobmanager.session.ended)
    assert "leaves its leader" in caplog.text


def _broken(*_: object) -> list[object]:
    raise ZeroDivisionError
