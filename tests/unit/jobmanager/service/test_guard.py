"""Tokens over the wire: who shows none is told so before anything that he sends is read."""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream.errors import RequestRefusedError
from millstream.submission import gateway as gateway_module
from millstream.submission.access import Access
from millstream.submission.following import follow
from millstream.submission.gateway import Gateway
from millstream.submission.routes import Route
from millstream_dataflow.configuration import Configuration
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.server import JobManagerService
from millstream_jobmanager.service.standby import CLIENTS
from millstream_proto.blobs_pb2 import BlobChunk
from millstream_proto.client_pb2 import ClusterRequest, JobRequest
from millstream_proto.client_pb2_grpc import ClientGatewayStub
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.security import authorization
from tests.support.service_client import JOB, Client, failure_of, job_of, leading
from tests.support.session_taskmanager import SessionTaskManager

TOKEN, OTHER = "a" * 43, "b" * 43
SHOWN = (authorization(TOKEN),)
WORDS = "this JobManager serves only those that show a token it knows; set security.token-file"


@asynccontextmanager
async def guarded(directory: Path) -> AsyncGenerator[tuple[JobManagerService, grpc.aio.Channel, Path]]:
    """A JobManager that wants a token, a channel to it, the file of its tokens."""
    tokens = directory / "tokens"
    tokens.write_text(f"{TOKEN}\n{OTHER}\n", encoding="utf-8")
    tokens.chmod(0o600)
    options = {"security.token-file": str(tokens)}
    async with (
        leading(directory, options, ListenAddress.tcp("localhost", 0)) as service,
        grpc.aio.insecure_channel(service.target) as channel,
    ):
        yield service, channel, tokens


async def refused(call: Callable[[], Any]) -> Failure:
    """What a call is told that is refused for its token."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    return failure_of(caught.value)


@pytest.mark.parametrize("method", sorted(method.name for method in CLIENTS.methods))
@pytest.mark.parametrize("shown", [None, "", "a" * 42, TOKEN.upper(), "c" * 43])
async def test_without_a_token_that_is_known_no_method_reads_anything(
    tmp_path: Path, method: str, shown: str | None
) -> None:
    """No request is sent here, and yet each is answered: it would be read only afterwards."""
    async with guarded(tmp_path) as (_, channel, _):
        metadata = () if shown is None else (authorization(shown),)
        call: Any = channel.stream_stream(f"/{CLIENTS.full_name}/{method}")(metadata=metadata)
        failure = await refused(call.read)
        assert failure.message.startswith(WORDS)
        assert failure.kind is FailureKind.USER


async def test_an_unknown_method_is_no_news_without_a_token(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (_, channel, _):
        call: Any = channel.unary_unary("/millstream.v1.Other/Method")
        await refused(lambda: call(b""))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", metadata=SHOWN)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_upload_without_end_is_refused_at_its_beginning(tmp_path: Path) -> None:
    """By gRPC's blocking client, which the product has: its asyncio one forgets the status when it is still sending."""

    def upload(target: str) -> grpc.StatusCode:
        with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
            ClientGatewayStub(channel).UploadBlob(itertools.repeat(BlobChunk(data=bytes(1 << 16))), timeout=20)
        return caught.value.code()

    async with guarded(tmp_path) as (service, _, _):
        assert await asyncio.to_thread(upload, service.target) is grpc.StatusCode.UNAUTHENTICATED


async def test_each_token_is_served_until_it_is_taken_out(tmp_path: Path) -> None:
    """Whoever is connected too; what he has begun goes on."""
    async with guarded(tmp_path) as (service, channel, tokens):
        stub: Any = ClientGatewayStub(channel)
        for token in (TOKEN, OTHER):
            assert (await stub.Cluster(ClusterRequest(), metadata=(authorization(token),))).epoch == 1
        known = _Showing(stub)
        client = Client.__new__(Client)
        client.gateway = known
        await client.submit(job_of())
        watch = stub.Watch(JobRequest(job=JOB), metadata=SHOWN)
        assert (await watch.read()).status.job == JOB
        tokens.write_text(f"{OTHER}\n", encoding="utf-8")
        await refused(lambda: stub.Cluster(ClusterRequest(), metadata=SHOWN))
        for begin in (stub.Watch, stub.Output):
            await refused(begin(JobRequest(job=JOB), metadata=SHOWN).read)
        async with SessionTaskManager(service.target).connected():  # which changes what is watched
            assert (await watch.read()).status.job == JOB
        watch.cancel()


class _Showing:
    """A stub that shows the token with each call."""

    def __init__(self, stub: object) -> None:
        self._stub = stub

    def __getattr__(self, method: str) -> Callable[[object], Any]:
        return lambda request: getattr(self._stub, method)(request, metadata=SHOWN)


async def test_a_file_that_is_gone_serves_nobody(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (_, channel, tokens):
        stub: Any = ClientGatewayStub(channel)
        tokens.unlink()
        await refused(lambda: stub.Cluster(ClusterRequest(), metadata=SHOWN))


async def test_a_probe_without_a_token_learns_whether_the_process_is_well(tmp_path: Path) -> None:
    """And nothing of what it sends is read."""
    async with guarded(tmp_path) as (_, channel, _):
        stub: Any = health_pb2_grpc.HealthStub(cast("Any", channel))
        for name in ("", CLIENTS.full_name):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        silent: Any = channel.stream_stream("/grpc.health.v1.Health/Check")()
        assert health_pb2.HealthCheckResponse.FromString(await silent.read()).status == 1


async def test_to_watch_the_health_and_to_ask_what_is_served_need_a_token(tmp_path: Path) -> None:
    """A stranger would hold a call with each as long as he likes."""
    async with guarded(tmp_path) as (_, channel, _):
        health: Any = health_pb2_grpc.HealthStub(cast("Any", channel))
        request = health_pb2.HealthCheckRequest()
        await refused(health.Watch(request).read)
        watch = health.Watch(request, metadata=SHOWN)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        await refused(reflection.ServerReflectionInfo().read)
        asked = reflection.ServerReflectionInfo(metadata=SHOWN)
        await asked.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert (await asked.read()).list_services_response.service
        asked.cancel()


async def test_members_prove_themselves_otherwise(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (_, channel, _):
        stub: Any = TaskManagerGatewayStub(channel)
        call = stub.Session()
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError, match="the stream ended before its registration"):
            await call.read()


@pytest.mark.parametrize("token", [None, "c" * 43])
async def test_a_client_is_told_in_words_and_at_once(tmp_path: Path, token: str | None) -> None:
    async with guarded(tmp_path) as (service, _, _):
        gateway = Gateway(Route(service.target, Access(None, None if token is None else lambda: token)), 60)
        with pytest.raises(RequestRefusedError, match=WORDS):
            await asyncio.to_thread(gateway.cluster)
        gateway.close()


async def test_a_client_shows_its_token_with_calls_streams_and_uploads(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (service, _, _):
        gateway = Gateway(Route(service.target, Access(None, lambda: TOKEN)), 60)

        def everything() -> None:
            assert gateway.cluster().epoch == 1
            with pytest.raises(RequestRefusedError, match="is no SHA-256"):
                gateway.upload(cast("Any", "0"), lambda: iter([BlobChunk(digest="0", size=1, data=b"1")]))
            with pytest.raises(grpc.RpcError) as caught:
                next(gateway.watch(JOB))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND

        await asyncio.to_thread(everything)
        gateway.close()


# ------------------------------------------------------------------------------------------- tokens exchanged


def written(file: Path, *tokens: str) -> None:
    file.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    file.chmod(0o600)


async def test_an_attached_client_outlives_the_exchange_of_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the steps of docs/operations.md: a further line for the JobManager, the client's file, the old line out."""
    monkeypatch.setattr(gateway_module, "_ATTEMPT_S", 0.2)  # so often a stream ends by its plan, and is asked for anew
    written(own := tmp_path / "token", TOKEN)
    access = Access.configured(Configuration.from_strings({"security.token-file": str(own)}))
    async with guarded(tmp_path) as (service, channel, accepted):
        gateway = Gateway(Route(service.target, access), 60)
        client = Client.__new__(Client)
        client.gateway = _Showing(ClientGatewayStub(channel))
        await client.submit(job_of())
        heard = threading.Semaphore(0)

        def attached() -> None:
            for _ in follow(gateway, JOB):
                heard.release()

        def told(times: int) -> None:
            for _ in range(times):
                assert following.done() or heard.acquire(timeout=20)

        following = asyncio.create_task(asyncio.to_thread(attached))
        await asyncio.to_thread(told, 1)
        written(accepted, TOKEN, NEW)
        written(own, NEW)
        written(accepted, NEW)
        await asyncio.to_thread(told, 3)  # one may have been asked for before
        assert not following.done()
        assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
        gateway.close()
        with pytest.raises(Exception, match="closed by this program"):
            await following


NEW = "n" * 43


async def test_a_call_whose_token_was_exchanged_on_its_way_is_made_once_more(tmp_path: Path) -> None:
    """The client read its file before that, the JobManager afterwards."""
    async with guarded(tmp_path) as (service, channel, _):
        client = Client.__new__(Client)
        client.gateway = _Showing(ClientGatewayStub(channel))
        await client.submit(job_of())
        shown = list[str]()

        def exchanged() -> str:
            shown.append(TOKEN if len(shown) % 2 else "c" * 43)
            return shown[-1]

        gateway = Gateway(Route(service.target, Access(None, exchanged)), 60)

        def everything() -> None:
            assert gateway.cluster().epoch == 1
            watch = gateway.watch(JOB)
            assert next(watch).status.job == JOB
            watch.cancel()

        await asyncio.to_thread(everything)
        gateway.close()
    assert len(shown) == 2 * 2


async def test_a_call_that_is_refused_for_the_token_that_the_file_has_is_not_made_again(tmp_path: Path) -> None:
    wrong = "c" * 43
    async with guarded(tmp_path) as (service, _, _):
        shown = list[str]()

        def same() -> str:
            shown.append(wrong)
            return wrong

        gateway = Gateway(Route(service.target, Access(None, same)), 60)

        def everything() -> None:
            with pytest.raises(RequestRefusedError, match=WORDS):
                gateway.cluster()
            for stream in (gateway.watch(JOB), gateway.output(JOB)):
                with pytest.raises(grpc.RpcError) as caught:
                    next(stream)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

        await asyncio.to_thread(everything)
        gateway.close()
    assert len(shown) == 2 * 3, "each looks at the file once more"


async def test_a_token_s_file_that_is_gone_leaves_the_former_in_use(tmp_path: Path) -> None:
    """Whoever replaces it may remove it first."""
    written(own := tmp_path / "token", TOKEN)
    access = Access.configured(Configuration.from_strings({"security.token-file": str(own)}))
    async with guarded(tmp_path) as (service, _, _):
        gateway = Gateway(Route(service.target, access), 60)
        own.unlink()
        assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
        gateway.close()
