"""What clients may ask, what they are refused and how, and that none of them costs more memory than its share."""

import asyncio
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from millstream_dataflow.identity import (
    EdgeId,
    JobId,
    OperatorId,
    RegionAttempt,
    RegionId,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.job_graph import BlobRef
from millstream_jobmanager.service import gateway
from millstream_jobmanager.service.output import Outputs
from millstream_proto.client_pb2 import JobRequest
from millstream_runtime.messages.client import StopJob
from millstream_runtime.messages.codec import encode, to_message
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import (
    FromJobManager,
    FromTaskManager,
    ListenOutput,
    OperatorReply,
    OperatorRequest,
    OutputTaken,
    Registered,
    StopMode,
    TaskOutput,
)
from millstream_runtime.states import JobState
from tests.support.service_client import (
    CHECKPOINTED,
    FUNCTIONS,
    JOB,
    Client,
    client_of,
    digest_of,
    failure_of,
    job_of,
    leading,
    small_cluster,
)
from tests.support.session_taskmanager import SessionTaskManager

OTHER = JobId("7" * 32)
TASK = TaskId(RegionAttempt(JOB, RegionId(0), 1), SubtaskId(VertexId("source"), 0))
NOT_FOUND, INVALID, PRECONDITION, EXHAUSTED, UNAVAILABLE = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
)


# ------------------------------------------------------------------------------------------------- views


async def test_tasks_are_shown_in_the_order_of_the_plan(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        graph = job_of(parallelism=2)
        await cluster.client.submit(graph)
        await cluster.taskmanager.heard(DeployWorker, 2)
        shown = [(task.vertex, task.index) for task in (await cluster.client.details()).tasks]
    assert shown == [(vertex.id, index) for vertex in graph.vertices for index in range(2)]


# ------------------------------------------------------------------------------------------------- refusals


async def test_an_unknown_job_is_not_found_whatever_is_asked(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        calls = (
            client.details(OTHER),
            client.cancel(OTHER),
            client.stop(StopJob(OTHER, "r", StopMode.STOP)),
            client.ask(OperatorId("x"), b"", OTHER),
            anext(client.watch(OTHER)),
        )
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call
            assert error.value.code() is NOT_FOUND
            assert OTHER in failure_of(error.value).message


@pytest.mark.parametrize("kind", ["id", "option", "cycle", "endless", "blob", "graph", "name", "savepoint", "size"])
async def test_a_job_that_cannot_run_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    graph, options = job_of(), dict[str, object]()
    expected, words = INVALID, ""
    match kind:
        case "id":
            graph, words = job_of(JobId("../../escape")), "32 hexadecimal"
        case "option":
            graph, words = job_of(options={"execution.checkpointing.interval": "often"}), "execution.checkpointing"
        case "cycle":
            back = replace(graph.edges[0], id=EdgeId(9), source=graph.edges[1].target, target=graph.edges[0].target)
            graph, words = replace(graph, edges=(*graph.edges, back)), "cycle"
        case "endless":
            operators = tuple(replace(o, commits_outside=True) for o in graph.vertices[2].operators)
            graph = replace(graph, vertices=(*graph.vertices[:2], replace(graph.vertices[2], operators=operators)))
            words = "checkpointing is off"
        case "blob":
            missing = BlobRef(digest_of(b"never uploaded"), 14)
            graph = replace(graph, vertices=tuple(replace(v, functions=missing) for v in graph.vertices))
            words = "isn't here"
        case "graph":
            options["graph_blob"] = BlobRef(digest_of(FUNCTIONS), len(FUNCTIONS))
            words = "no job graph"
        case "name":
            graph, words = replace(graph, name="n" * 5000), "5000 characters"
        case "savepoint":
            options["restore_path"], words = f"{tmp_path}/nowhere/chk-7", "nowhere"
        case _:
            huge = BlobRef(digest_of(FUNCTIONS), 1 << 40)
            graph = replace(graph, vertices=tuple(replace(v, functions=huge) for v in graph.vertices))
            expected, words = EXHAUSTED, "max-graph-size"
    async with leading(tmp_path) as service, client_of(service) as client:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.submit(graph, **options)
        assert error.value.code() is expected
        assert words in failure_of(error.value).message
        assert (await client.cluster()).jobs == ()


async def test_a_graph_other_than_its_blob_is_refused(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        blob = await client.upload(encode(replace(job_of(), name="another")))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.submit(job_of(), graph_blob=blob)
        assert "another job graph" in failure_of(error.value).message


async def test_nothing_can_be_asked_of_a_job_that_has_ended(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.cancel()
        await cluster.client.until(JobState.CANCELED)
        for call in (cluster.client.cancel(), cluster.client.ask(OperatorId("sink-op"), b"")):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call
            assert error.value.code() is PRECONDITION
            assert failure_of(error.value).kind is FailureKind.USER


async def test_garbage_instead_of_a_request_is_refused_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with leading(tmp_path) as service, grpc.aio.insecure_channel(service.target) as channel:
        submit: Any = channel.unary_unary("/millstream.v1.ClientGateway/Submit")
        for data in (b"\xff\xff\xff garbage", b""):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await submit(data)
            assert error.value.code() is INVALID
    assert [line for line in caplog.messages if line.startswith("Submit from")]


# ------------------------------------------------------------------------------------------------- uploads


async def test_a_blob_that_is_not_what_it_says_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        for digest, size in ((digest_of(b"other"), 9), (digest_of(b"the bytes"), 8), (digest_of(b"the bytes"), 10)):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await client.upload(b"the bytes", digest, size)
            assert error.value.code() is INVALID
        assert list((tmp_path / "store/blobs").iterdir()) == []


async def test_a_huge_blob_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with (
        leading(tmp_path, {"jobmanager.submit.max-artifact-size": "1mb"}) as service,
        client_of(service) as client,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.upload(b"x", size=1 << 40)
        assert error.value.code() is EXHAUSTED
        assert "jobmanager.submit.max-artifact-size is 1048576" in failure_of(error.value).message


async def test_a_blob_that_is_kept_already_is_taken_at_its_first_chunk(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        data = bytes(3 << 20)
        assert await client.upload(data) == await client.upload(data)
        assert [path.name for path in (tmp_path / "store/blobs").iterdir()] == [digest_of(data)]


async def test_a_blob_that_the_disk_has_damaged_is_mended_by_an_upload(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.upload(b"the bytes")
        kept = tmp_path / "store/blobs" / digest_of(b"the bytes")
        kept.write_bytes(b"The bytes")
        await client.upload(b"the bytes")
        assert kept.read_bytes() == b"the bytes"


# ------------------------------------------------------------------------------------------------- watching


async def test_a_watch_shows_at_most_five_views_a_second(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        loop = asyncio.get_running_loop()
        times: list[float] = []
        async for _ in cluster.client.watch():
            times.append(loop.time())
            if len(times) == 4:
                break
        assert times[-1] - times[0] >= 0.5


async def test_a_watch_tells_the_end_of_a_job_without_keeping_it_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "BETWEEN_VIEWS", 1_000.0)
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        states: list[JobState] = []
        async for details in cluster.client.watch():
            if not states:
                await cluster.client.cancel()
            states.append(details.status.state)
        assert len(states) == 2
        assert states[-1] is JobState.CANCELED


async def test_a_watch_that_is_never_read_holds_up_nobody(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        silent = [cluster.client.gateway.Watch(JobRequest(job=JOB)) for _ in range(20)]
        await cluster.client.until(JobState.RUNNING)
        await cluster.client.cancel()
        await cluster.client.until(JobState.CANCELED)
        for call in silent:
            call.cancel()


# ------------------------------------------------------------------------------------------------- output


async def test_what_tasks_print_is_heard_from_the_first_line_to_the_end_of_the_job(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        taskmanager = cluster.taskmanager
        taskmanager.answer = lambda message: (
            TaskOutput(TASK, error_stream=False, text="the first line\n") if isinstance(message, DeployWorker) else None
        )
        await taskmanager.heard(Registered)
        async with cluster.client.output() as lines:
            await cluster.client.submit(job_of())
            await taskmanager.heard(DeployWorker)
            order = [type(message) for message in taskmanager.told]
            assert order.index(ListenOutput) < order.index(DeployWorker)
            assert (await anext(lines)).text == "the first line\n"
            late = SessionTaskManager(cluster.service.target, "tm-2")
            async with late.connected():
                assert await late.heard(ListenOutput) == ListenOutput(JOB, listen=True)
            await cluster.client.cancel()
            assert [line async for line in lines] == []
        assert await taskmanager.heard(ListenOutput, 2) == ListenOutput(JOB, listen=False)


async def test_a_client_that_never_reads_its_output_costs_no_more_than_its_share(tmp_path: Path) -> None:
    line = TaskOutput(TASK, error_stream=False, text="x" * 200_000)
    async with small_cluster(tmp_path) as cluster, cluster.client.output():
        await cluster.taskmanager.heard(ListenOutput)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(1_500):  # 300 MB
            await cluster.taskmanager.say(line)
        await cluster.taskmanager.say(OperatorReply(1, b""))
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 180 << 10  # KiB


async def test_the_output_of_a_job_that_has_ended_is_over(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        await cluster.client.cancel()
        await cluster.client.until(JobState.CANCELED)
        async with cluster.client.output() as lines:
            assert [line async for line in lines] == []


async def test_a_taskmanager_hears_what_was_taken_of_a_task(tmp_path: Path) -> None:
    """So that the task goes on."""
    text = "x" * 40_000 + "\n"
    async with small_cluster(tmp_path) as cluster:
        await cluster.client.submit(job_of())
        async with cluster.client.output() as lines:
            await cluster.taskmanager.heard(ListenOutput)
            await cluster.taskmanager.say(TaskOutput(TASK, error_stream=False, text=text))
            assert (await anext(lines)).text == text
            assert await cluster.taskmanager.heard(OutputTaken) == OutputTaken(TASK, len(text))


SESSION = SessionId(TaskManagerId("tm-1"), 1)


class Told:
    """Who listens, and what a TaskManager hears of it."""

    def __init__(self) -> None:
        self.acknowledged: list[OutputTaken] = []
        self.outputs = Outputs(lambda _: None, lambda _, message: self.acknowledged.append(message))

    def printed(self, text: str) -> None:
        self.outputs.heard(SESSION, TaskOutput(TASK, error_stream=False, text=text))


async def test_the_slowest_listener_decides_what_is_taken_and_small_texts_are_told_together() -> None:
    told = Told()
    fast, slow = told.outputs.listen(JOB), told.outputs.listen(JOB)
    for _ in range(40):
        told.printed("x" * 1_000)
        assert fast.next() is not None
    assert told.acknowledged == []
    for _ in range(33):
        assert slow.next() is not None
    assert told.acknowledged == [OutputTaken(TASK, 33_000)]
    told.printed("y" * 50_000)
    assert fast.next() is not None
    told.outputs.leave(slow)
    assert told.acknowledged == [OutputTaken(TASK, 33_000), OutputTaken(TASK, 57_000)]


async def test_a_listener_that_holds_too_much_is_told_how_much_it_missed() -> None:
    told = Told()
    listener = told.outputs.listen(JOB)
    text = "x" * ((1 << 20) - 1) + "\n"
    for _ in range(70):
        told.printed(text)
    heard = 0
    while (output := listener.next()) is not None and output.text == text:
        heard += 1
    assert heard < 64
    assert output is not None
    assert (output.error_stream, output.dropped) == (True, 70 - heard)
    assert f"[{70 - heard} lines of output dropped here" in output.text
    assert listener.next() is None
    assert sum(one.characters for one in told.acknowledged) == 70 << 20, "its tasks don't wait for what is dropped"
    told.printed(text)
    assert listener.next() is not None


# ------------------------------------------------------------------------------------------------- questions


async def asked(cluster_client: Client, operator: str = "sink-op") -> OperatorReply:
    return await cluster_client.ask(OperatorId(operator), b"what is there?")


async def test_a_question_reaches_its_operator_and_the_answer_comes_back(tmp_path: Path) -> None:
    def answer(message: FromJobManager) -> FromTaskManager | None:
        if not isinstance(message, OperatorRequest):
            return None
        assert message.task.subtask == SubtaskId(VertexId("sink"), 0)
        return OperatorReply(message.request, message.payload.upper() + b"z" * 300_000)

    async with small_cluster(tmp_path) as cluster:
        cluster.taskmanager.answer = answer
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        reply = await asked(cluster.client)
        assert reply.payload.startswith(b"WHAT IS THERE?zz")


async def test_a_failed_answer_is_an_answer(tmp_path: Path) -> None:
    failure = Failure(FailureKind.USER, "no such thing")
    async with small_cluster(tmp_path) as cluster:
        cluster.taskmanager.answer = lambda message: (
            OperatorReply(message.request, b"", failure) if isinstance(message, OperatorRequest) else None
        )
        await cluster.client.submit(job_of())
        await cluster.client.until(JobState.RUNNING)
        assert (await asked(cluster.client)).failure == failure


async def test_a_question_that_nobody_can_answer_is_refused(tmp_path: Path) -> None:
    options = {"rpc.call-timeout": "200ms"}
    async with small_cluster(tmp_path, options) as cluster:
        await cluster.client.submit(replace(job_of(), job=OTHER))
        await cluster.client.until(JobState.RUNNING, OTHER)
        cases = (("nobody", NOT_FOUND), ("sink-op", UNAVAILABLE))
        for operator, code in cases:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await cluster.client.ask(OperatorId(operator), b"", OTHER)
            assert error.value.code() is code


async def test_a_question_ends_with_the_session_it_was_asked_in(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        async with SessionTaskManager(service.target).connected() as taskmanager:
            await client.submit(job_of())
            await client.until(JobState.RUNNING)
            question = asyncio.create_task(asked(client))
            await taskmanager.heard(OperatorRequest)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await question
        assert error.value.code() is UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await asked(client)
        assert "isn't running at the moment" in failure_of(error.value).message


async def test_a_long_failure_still_fits_into_the_metadata(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        graph = replace(job_of(), configuration={"ü" * 50_000: "x"})
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.submit(graph)
        assert error.value.code() is INVALID
        assert failure_of(error.value).message.endswith("...")
        assert to_message(failure_of(error.value)).ByteSize() < 4000
