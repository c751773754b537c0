"""A job's whole life through a real server: submitted, deployed, checkpointed, ended; and a JobManager's death."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from millstream_dataflow.identity import JobId, RegionAttempt, RegionId
from millstream_dataflow.records import EndReason
from millstream_jobmanager.core.checkpoints.ids import BLOCK
from millstream_jobmanager.core.submission import UNSEEN_ATTEMPTS
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.store import StoreLockedError
from millstream_runtime.checkpoint_files import load_metadata
from millstream_runtime.messages.client import StopJob, TriggerSavepoint
from millstream_runtime.messages.codec import decode
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.session import (
    CheckpointAborted,
    CheckpointCompleted,
    JobEnded,
    Registered,
    StopMode,
    TriggerCheckpoint,
)
from millstream_runtime.messages.snapshots import WorkerRestore
from millstream_runtime.states import JobState, TaskState
from tests.support.service_client import CHECKPOINTED, JOB, client_of, eventually, job_of, leading, small_cluster
from tests.support.session_taskmanager import SessionTaskManager

ATTEMPT = RegionAttempt(JOB, RegionId(0), 1)


async def test_a_bounded_job_is_deployed_and_finishes_with_its_final_checkpoint(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        status = await cluster.client.submit(job_of(bounded=True))
        assert status.state is JobState.CREATED
        await cluster.client.until(JobState.RUNNING)
        await cluster.taskmanager.end_of_data(ATTEMPT, EndReason.INPUT)
        details = await cluster.client.until(JobState.FINISHED)
        await cluster.taskmanager.heard(JobEnded)
    assert [task.state for task in details.tasks] == [TaskState.FINISHED] * 3
    assert [(edge.sent, edge.received) for edge in details.edges] == [(10, 10), (10, 10)]
    assert details.counts is not None
    assert details.counts.completed == 1


async def test_a_job_without_slots_says_what_it_waits_for(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())
        details = await client.details()
        assert details.status.note == "waiting for 1 of 1 slot"
        assert (await client.cluster()).jobs == (details.status,)


async def test_periodic_checkpoints_are_stored_before_they_are_told(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        told = await cluster.taskmanager.heard(CheckpointCompleted, 3)
        point = (await cluster.client.details()).checkpoints[-1]
        assert point.checkpoint >= told.checkpoint
        assert load_metadata(point.path).epoch == cluster.service.epoch
        assert point.duration >= 0
        await cluster.client.cancel()
        await cluster.client.until(JobState.CANCELED)
    assert not list((tmp_path / "store/checkpoints").glob("*/chk-*"))


async def test_a_submit_of_a_known_job_returns_its_state_and_runs_nothing_twice(tmp_path: Path) -> None:
    """Law 1.1."""
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        assert (await cluster.client.submit(job_of())).state is JobState.RUNNING
        await cluster.client.cancel()
        await cluster.client.until(JobState.CANCELED)
        assert (await cluster.client.submit(job_of())).state is JobState.CANCELED
        assert [type(message) for message in cluster.taskmanager.told].count(DeployWorker) == 1


async def test_a_jobmanager_that_starts_again_adopts_the_running_tasks(tmp_path: Path) -> None:
    taskmanager = SessionTaskManager(f"unix:{tmp_path}/jm.sock")
    async with leading(tmp_path) as first, client_of(first) as client, taskmanager.connected():
        await client.submit(job_of(options=CHECKPOINTED))
        await taskmanager.heard(CheckpointCompleted)
        taskmanager.holding = True
        await taskmanager.heard(TriggerCheckpoint, [type(m) for m in taskmanager.told].count(TriggerCheckpoint) + 1)
    taskmanager.told.clear()
    async with leading(tmp_path) as second, client_of(second) as client:
        assert second.epoch == first.epoch + 1
        assert (await client.details()).status.state is JobState.RECONCILING
        taskmanager.holding = False
        async with taskmanager.connected():
            await client.until(JobState.RUNNING)
            assert (await taskmanager.heard(CheckpointAborted)).older_too
            aborted = (await taskmanager.heard(CheckpointAborted)).checkpoint
            assert (await taskmanager.heard(TriggerCheckpoint)).checkpoint > aborted
            await client.until(JobState.RUNNING)
            assert not [message for message in taskmanager.told if isinstance(message, DeployWorker)]
            assert [task.attempt for task in (await client.details()).tasks] == [1, 1, 1]
    assert (await taskmanager.heard(Registered)).leader == f"unix:{tmp_path}/jm.sock"


async def test_a_lost_taskmanager_fails_the_region_over_to_another_one(tmp_path: Path) -> None:
    options = {"jobmanager.execution.reconnect-timeout": "10ms"}
    async with leading(tmp_path, options) as service, client_of(service) as client, AsyncExitStack() as stack:
        first = SessionTaskManager(service.target, "first")
        async with first.connected():
            await client.submit(job_of(options=CHECKPOINTED))
            await first.heard(CheckpointCompleted)
            second = await stack.enter_async_context(SessionTaskManager(service.target, "second").connected())
        deployed = await second.heard(DeployWorker)
        assert deployed.attempt.number == 2
        assert deployed.restore is not None
        restore = decode(WorkerRestore, await second.fetch(deployed.restore))
        assert {task.checkpoint for task in restore.tasks} == {(await client.details()).checkpoints[-1].checkpoint}
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await second.fetch((await first.heard(DeployWorker)).deployment)
        assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_savepoint_is_taken_and_the_job_goes_on(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        await cluster.client.savepoint(TriggerSavepoint(JOB, "mine", f"{tmp_path}/saved"))
        await cluster.client.savepoint(TriggerSavepoint(JOB, "mine", f"{tmp_path}/saved"))
        details = await eventually(
            cluster.client.details, lambda details: bool(details.savepoints and details.savepoints[0].path)
        )
        assert [savepoint.request for savepoint in details.savepoints] == ["mine"]
        assert load_metadata(details.savepoints[0].path).job == JOB
        assert details.status.state is JobState.RUNNING


async def test_a_stop_takes_a_savepoint_that_stays(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        await cluster.client.stop(StopJob(JOB, "last", StopMode.STOP))
        details = await cluster.client.until(JobState.FINISHED)
        path = details.savepoints[0].path
        assert path.startswith(f"{tmp_path}/store/savepoints/")
        assert load_metadata(path).job == JOB
        restarted = await cluster.client.submit(job_of(JobId("6" * 32)), restore_path=path)
        assert restarted.state is JobState.CREATED


async def test_a_job_that_goes_on_under_its_own_id_takes_no_id_of_a_checkpoint_or_attempt_twice(
    tmp_path: Path,
) -> None:
    """Laws 1.3 and 1.4; its store was lost, its checkpoints lie where new ones will, and a TaskManager that was gone
    may still run what it ran.
    """
    for name in ("lost", "new"):
        (tmp_path / name).mkdir()
    async with small_cluster(tmp_path / "lost") as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        await cluster.client.stop(StopJob(JOB, "last", StopMode.STOP))
        last = (await cluster.client.until(JobState.FINISHED)).savepoints[0].path
    async with small_cluster(tmp_path / "new") as cluster:
        await cluster.client.submit(job_of(), restore_path=last)
        running = await cluster.client.until(JobState.RUNNING)
        assert {task.attempt for task in running.tasks} == {1 + UNSEEN_ATTEMPTS + 1}
        await cluster.client.savepoint(TriggerSavepoint(JOB, "mine", f"{tmp_path}/saved"))
        details = await eventually(
            cluster.client.details, lambda details: bool(details.savepoints and details.savepoints[0].path)
        )
        path = details.savepoints[0].path
    assert load_metadata(path).checkpoint == load_metadata(last).checkpoint + BLOCK


async def test_only_one_jobmanager_has_a_store(tmp_path: Path) -> None:
    async with leading(tmp_path):
        other = ListenAddress.unix(f"{tmp_path}/other.sock")
        with pytest.raises(StoreLockedError, match="process"):
            async with leading(tmp_path, address=other):
                pass


async def test_a_jobmanager_that_stops_ends_watches_and_sessions_with_the_reason(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        watch = cluster.client.watch()
        await anext(watch)
        following = asyncio.ensure_future(anext(watch))
        await cluster.service.stop()
        assert (await cluster.taskmanager.ended()).details() == "this JobManager stops"
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await following
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
