"""A whole TaskManager with real worker processes: the life of a job, and leaders that come and go."""

import contextlib
import logging
import os
import signal
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from millstream import StreamExecutionEnvironment
from millstream_dataflow.identity import worker_id
from millstream_runtime.messages.session import (
    CancelRegion,
    Heartbeat,
    JobEnded,
    ListenOutput,
    Refused,
    RegionEnded,
    Register,
    WorkerEnded,
)
from millstream_runtime.states import TaskState
from millstream_taskmanager.service import TaskManagerService
from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_jobs import compiled
from tests.unit.taskmanager.service.scripted import ScriptedJobManager, deployments, eventually
from tests.unit.taskmanager.service.sites import Site, configured, endless, finish, totals

# ------------------------------------------------------------------------------------------------ a job's life


async def test_a_job_runs_from_its_deployment_to_its_end(site: Site) -> None:
    job = compiled(totals)
    assert job.graph is not None
    await site.registered()
    await site.jobmanager.session.say(ListenOutput(job.graph.job, listen=True))
    order = await site.deploy(job)
    printed = await finish(site.jobmanager, job.graph, site.tmp.parent)
    session = site.jobmanager.session
    assert "(0, 20)" in printed
    assert "(1, 25)" in printed
    await session.say(RegionEnded(order.attempt))
    ended = await site.jobmanager.heard(WorkerEnded)
    assert (ended.worker, ended.died) == (order.worker, False)
    assert site.workers() == []
    assert site.blobs()
    await session.say(JobEnded(job.graph.job))
    await eventually(lambda: not site.blobs())


def keyed_by_four(env: StreamExecutionEnvironment) -> None:
    """Two workers, each of which sends to the other."""
    env.set_parallelism(2)
    numbers = env.from_collection(range(100)).map(lambda n: (n % 4, n))
    numbers.key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).print()


async def test_two_workers_are_connected_with_each_other(site: Site) -> None:
    job = compiled(keyed_by_four)
    assert job.graph is not None
    orders = await site.orders(job)
    assert len(orders) == 2
    await site.jobmanager.session.say(ListenOutput(job.graph.job, listen=True))
    for order in orders:
        await site.jobmanager.session.say(order)
    printed = await finish(site.jobmanager, job.graph, site.tmp.parent)
    for key in range(4):
        assert f"({key}, {sum(range(key, 100, 4))})" in printed


@pytest.mark.parametrize("named", [True, False])
async def test_its_log_says_where_what_tasks_print_lies(
    jobmanager: ScriptedJobManager,
    forkserver: SharedForkServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    named: bool,
) -> None:
    caplog.set_level(logging.INFO, "millstream.taskmanager")
    configuration = configured(tmp_path / "tmp", **({"env.log.dir": str(tmp_path / "logs")} if named else {}))
    with forkserver.lent():
        service = await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")
    place = service._pool._options.directory
    await service.stop()
    assert place.parent == tmp_path / "logs" if named else tmp_path / "tmp" in place.parents
    ending = "" if named else ", until it ends (env.log.dir keeps it)"
    assert f"what its tasks print lies in {place}{ending}" in caplog.messages


async def test_workers_of_two_machines_are_connected_through_the_data_ports(
    jobmanager: ScriptedJobManager, forkserver: SharedForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has another machine id, so neither may use the other's socket files."""
    monkeypatch.setattr("millstream_taskmanager.service.service.machine_id", lambda: uuid.uuid4().hex)
    configuration = configured(
        tmp_path / "tmp",
        **{"taskmanager.network.peer-ping-interval": "50 ms", "taskmanager.network.peer-timeout": "5 s"},
    )
    async with contextlib.AsyncExitStack() as stack:
        services: list[TaskManagerService] = []
        for borrowed in (forkserver.lent(), contextlib.nullcontext()):
            with borrowed:
                service = await TaskManagerService.start(configuration, jobmanager.target, tmp_path / "home")
            stack.push_async_callback(service.stop)
            services.append(service)
        await jobmanager.until(lambda: len(jobmanager.all_of(Register)) == 2)
        assert len({register.resource for register in jobmanager.all_of(Register)}) == 2
        job = compiled(keyed_by_four)
        assert job.graph is not None
        orders = deployments(jobmanager, job.graph, job.blobs.values(), {s.id: s.address for s in services})
        await jobmanager.say_all(ListenOutput(job.graph.job, listen=True))
        streams = {stream.id.taskmanager: stream for stream in jobmanager.sessions}
        for service, order in zip(services, orders, strict=True):
            await streams[service.id].say(order)
        printed = await finish(jobmanager, job.graph, tmp_path)
        assert all(f"({key}, {sum(range(key, 100, 4))})" in printed for key in range(4))


async def test_a_killed_worker_is_reported_at_once_and_its_slot_can_be_used_again(site: Site) -> None:
    job = compiled(endless)
    assert job.graph is not None
    order = await site.deploy(job)
    await site.running(job.graph)
    [pid] = site.workers()
    os.kill(pid, signal.SIGKILL)
    ended = await site.jobmanager.heard(WorkerEnded)
    assert ended.died
    assert "signal 9" in ended.cause
    await site.jobmanager.until(lambda: site.states(TaskState.FAILED) == len(order.subtasks))
    attempt = replace(order.attempt, number=2)
    await site.jobmanager.session.say(CancelRegion(order.attempt, 200))
    await site.jobmanager.session.say(replace(order, worker=worker_id(attempt, 0), attempt=attempt))
    await site.jobmanager.heard(WorkerEnded, lambda ended: ended.attempt == attempt)


# ------------------------------------------------------------------------------------------------ leaders


async def test_a_leader_that_dies_touches_no_task_and_its_successor_hears_the_truth(site: Site) -> None:
    """Laws 3.1, 3.4."""
    job = compiled(endless)
    assert job.graph is not None
    order = await site.deploy(job)
    await site.running(job.graph)
    workers, port = site.workers(), site.jobmanager.port
    await site.jobmanager.stop()
    successor = ScriptedJobManager(epoch=2)
    await successor.start(port)
    register = await successor.heard(Register)
    assert [worker.worker for worker in register.workers] == [order.worker]
    assert {task.state for task in register.tasks} == {TaskState.RUNNING}
    assert register.epoch_seen == 1
    assert site.workers() == workers
    await successor.session.say(RegionEnded(order.attempt))
    await successor.heard(WorkerEnded)
    await successor.stop()


async def test_a_leader_of_an_older_epoch_is_not_obeyed(site: Site) -> None:
    """Law 1.2."""
    job = compiled(endless)
    assert job.graph is not None
    order = await site.deploy(job)
    await site.running(job.graph)
    await site.jobmanager.session.say(Heartbeat(1), epoch=9)
    former = site.jobmanager.session
    await former.say(CancelRegion(order.attempt, 0))
    await site.jobmanager.until(lambda: former.ended)
    register = await site.jobmanager.heard(Register, lambda register: register.epoch_seen == 9)
    assert [worker.worker for worker in register.workers] == [order.worker]
    assert {task.state for task in register.tasks} == {TaskState.RUNNING}


async def test_a_refusal_is_said_loudly(
    site: Site, jobmanager: ScriptedJobManager, caplog: pytest.LogCaptureFixture
) -> None:
    await site.registered()
    jobmanager.answer = lambda: Refused("its millstream is too old; install 0.2")
    jobmanager.session.end.set()
    await eventually(lambda: "its millstream is too old" in caplog.text)
    assert [r.levelname for r in caplog.records if "too old" in r.message and "refuses" in r.message] == ["WARNING"]


@pytest.mark.parametrize("whose", ["the leader's", "its own"])
async def test_a_start_outlives_the_end_of_a_session(site: Site, whose: str) -> None:
    """What was being fetched is fetched from whoever leads then."""
    job = compiled(endless)
    assert job.graph is not None
    first, port = site.jobmanager, site.jobmanager.port
    first.fetches_go_on.clear()
    await site.deploy(job)
    await first.until(lambda: first.fetches)
    if whose == "its own":
        site.taskmanager._link.close(first.session.id, "a test", refused=False)
        leader = first
        await leader.until(lambda: len(leader.sessions) == 2)
        first.fetches_go_on.set()
    else:
        await first.stop()
        leader = site.jobmanager = ScriptedJobManager(epoch=2)
        leader.blobs = first.blobs
        await leader.start(port)
    await site.running(job.graph)
    await leader.stop()
