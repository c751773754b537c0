"""The stream of a TaskManager: what opens it, what closes it, and what it may carry."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from millstream_dataflow.identity import (
    CheckpointId,
    Digest,
    Epoch,
    RegionAttempt,
    RegionId,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
    worker_id,
)
from millstream_proto.blobs_pb2 import Part
from millstream_proto.session_pb2 import TaskManagerMessage
from millstream_runtime.messages.codec import to_body, to_message
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    CheckpointAcknowledged,
    ConfirmAcknowledged,
    Heartbeat,
    JobEnded,
    PeerLost,
    Refused,
    Registered,
    TaskReport,
    TaskStateChanged,
    WorkerEnded,
)
from millstream_runtime.messages.snapshots import AuditCounts, InlineBytes, TaskSnapshot
from millstream_runtime.states import JobState, TaskState
from tests.support.service_client import JOB, client_of, digest_of, eventually, job_of, leading, small_cluster
from tests.support.session_taskmanager import SessionTaskManager


def task(number: int) -> TaskId:
    return TaskId(RegionAttempt(JOB, RegionId(0), 7), SubtaskId(VertexId("v"), number))


async def test_a_registration_is_answered_with_the_heartbeats_it_must_keep(tmp_path: Path) -> None:
    options = {"heartbeat.interval": "50ms", "heartbeat.timeout": "300ms"}
    async with small_cluster(tmp_path, options) as cluster:
        told = await cluster.taskmanager.heard(Registered)
        assert (told.heartbeat_interval, told.heartbeat_timeout) == (50, 300)
        await cluster.taskmanager.heard(Heartbeat, 2)
        ended = await cluster.taskmanager.ended()  # it never sent one
        assert ended.details() == "no heartbeat within heartbeat.timeout"
        assert (await cluster.client.cluster()).taskmanagers == ()


async def test_a_registration_larger_than_a_message_comes_in_parts(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        taskmanager = SessionTaskManager(service.target)
        for number in range(5000):
            taskmanager.tasks[task(number)] = TaskReport(task(number), TaskState.RUNNING)
        async with taskmanager.connected():
            await taskmanager.heard(Registered)
            assert (await taskmanager.heard(JobEnded)).job == JOB
            assert len((await client.cluster()).taskmanagers) == 1


async def test_a_newer_session_closes_the_older_one(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.taskmanager.heard(Registered)
        again = SessionTaskManager(cluster.service.target)
        again.session = cluster.taskmanager.session
        async with again.connected():
            await again.heard(Registered)
            assert "newer session" in ((await cluster.taskmanager.ended()).details() or "")
            assert len((await cluster.client.cluster()).taskmanagers) == 1


async def test_a_session_of_the_same_number_is_refused(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.taskmanager.heard(Registered)
        again = SessionTaskManager(cluster.service.target)
        async with again.connected():
            assert (await again.ended()).code() is grpc.StatusCode.INVALID_ARGUMENT
        assert len((await cluster.client.cluster()).taskmanagers) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epoch": Epoch(9)}, "epoch 9"),
        ({"slots": 5000}, "5,000 slots"),
        ({"slots": 0}, "0 slots"),
        ({"versions": "0.0.1"}, "millstream 0.0.1"),
    ],
    ids=["epoch", "many", "none", "version"],
)
async def test_a_registration_that_cannot_be_taken_is_refused_in_words(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        taskmanager = SessionTaskManager(service.target)
        for name, value in change.items():
            wanted = replace(taskmanager.versions, millstream="0.0.1") if name == "versions" else value
            setattr(taskmanager, name, wanted)
        async with taskmanager.connected():
            assert words in (await taskmanager.heard(Refused)).reason
        assert (await client.cluster()).taskmanagers == ()


def nonsense(kind: str, session: SessionId) -> TaskManagerMessage:
    """A message that ends its stream."""
    wrong = replace(session, number=session.number + 1)
    report = TaskReport(task(0), TaskState.RUNNING)
    match kind:
        case "no body":
            return TaskManagerMessage(session=to_message(session))
        case "another session":
            return _said(Heartbeat(1), wrong)
        case "a later epoch":
            return _said(Heartbeat(1), session, epoch=99)
        case "a second registration":
            return _said(SessionTaskManager("", session.taskmanager).registration(), session)
        case "a part out of order":
            return TaskManagerMessage(session=to_message(session), part=Part(message=1, number=3, count=9, data=b"x"))
        case "too large":
            ended = WorkerEnded(
                worker_id(report.task.attempt, 0), report.task.attempt, 0, died=True, cause="x" * 300_000
            )
            return _said(ended, session)
        case _:
            raise AssertionError(kind)


def _said(body: object, session: SessionId, epoch: int = 1) -> TaskManagerMessage:
    made: TaskManagerMessage = to_body(TaskManagerMessage, body, session=to_message(session), epoch=epoch)
    return made


@pytest.mark.parametrize(
    "kind",
    ["no body", "another session", "a later epoch", "a second registration", "a part out of order", "too large"],
)
async def test_nonsense_closes_its_stream_with_a_line_in_the_log(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.taskmanager.heard(Registered)
        await cluster.taskmanager.say_raw(nonsense(kind, cluster.taskmanager.session))
        assert (await cluster.taskmanager.ended()).code() is grpc.StatusCode.INVALID_ARGUMENT
        assert [line for line in caplog.messages if "tm-1 ended: it sent nonsense" in line]
        async with cluster.taskmanager.connected():
            await cluster.taskmanager.heard(Registered, 2)


async def test_garbage_instead_of_messages_closes_its_stream_and_the_job_goes_on(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.taskmanager.heard(DeployWorker)
        async with grpc.aio.insecure_channel(cluster.service.target) as channel:
            call: Any = channel.stream_stream("/millstream.v1.TaskManagerGateway/Session")()
            await call.write(b"\xff\xfe garbage \x00")
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await cluster.client.details()).tasks[0].attempt == 1


async def test_a_stream_that_does_not_begin_with_a_registration_is_closed(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, grpc.aio.insecure_channel(service.target) as channel:
        taskmanager = SessionTaskManager(service.target)
        call: Any = channel.stream_stream(
            "/millstream.v1.TaskManagerGateway/Session", request_serializer=TaskManagerMessage.SerializeToString
        )()
        await call.write(_said(Heartbeat(1), SessionId(taskmanager.session.taskmanager, 1)))
        assert "must be Register" in await call.details()


async def test_a_stream_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async with (
        leading(tmp_path, {"rpc.call-timeout": "50ms"}) as service,
        grpc.aio.insecure_channel(service.target) as channel,
    ):
        call: Any = channel.stream_stream("/millstream.v1.TaskManagerGateway/Session")()
        assert await call.details() == "no registration came within 0.05 s"


async def test_messages_of_attempts_and_regions_that_never_were_change_nothing(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        deployed = await cluster.taskmanager.heard(DeployWorker)
        await cluster.client.until(JobState.RUNNING)
        for region in (-7, 7, 2**62):
            attempt = RegionAttempt(JOB, RegionId(region), 1)
            stranger = replace(cluster.taskmanager.tasks_of(deployed.attempt)[0], attempt=attempt)
            failure = Failure(FailureKind.USER, "it failed")
            for message in (
                WorkerEnded(worker_id(attempt, 0), attempt, 2**62, died=True, cause="it was never there"),
                TaskStateChanged(TaskReport(stranger, TaskState.FAILED, failure)),
                CheckpointAcknowledged(stranger, CheckpointId(1), TaskSnapshot(InlineBytes(b""), (), AuditCounts())),
                PeerLost(attempt, TaskManagerId("nobody")),
            ):
                await cluster.taskmanager.say(message)
        await cluster.taskmanager.heard(ConfirmAcknowledged, 3)
        details = await cluster.client.details()
        assert (details.status.state, details.tasks[0].attempt) == (JobState.RUNNING, 1)


async def test_blobs_are_fetched_in_chunks_and_unknown_ones_are_not_found(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        large = bytes(range(256)) * 4096
        blob = await cluster.client.upload(large)
        assert await cluster.taskmanager.fetch(blob) == large
        for digest, code in (
            (digest_of(b"nobody has it"), grpc.StatusCode.NOT_FOUND),
            (Digest("../../etc/passwd"), grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await cluster.taskmanager.fetch(digest)
            assert error.value.code() is code


async def test_a_taskmanager_with_another_resource_and_name_is_another_one(tmp_path: Path) -> None:
    async with (
        small_cluster(tmp_path) as cluster,
        SessionTaskManager(cluster.service.target, "tm-2", 2).connected() as other,
    ):
        await other.heard(Registered)
        await cluster.taskmanager.heard(Registered)
        views = (await cluster.client.cluster()).taskmanagers
        assert {(view.taskmanager, view.slots, view.free_slots) for view in views} == {("tm-1", 4, 4), ("tm-2", 2, 2)}


async def test_the_sessions_of_a_killed_connection_end_at_once(tmp_path: Path) -> None:
    options = {"jobmanager.execution.reconnect-timeout": "10ms"}
    async with leading(tmp_path, options) as service, client_of(service) as client:
        async with SessionTaskManager(service.target).connected() as taskmanager:
            await taskmanager.heard(Registered)
        await eventually(client.cluster, lambda view: not view.taskmanagers)
