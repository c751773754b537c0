"""The port as gRPC's own health clients see it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream_runtime.health import grpc_answers, port
from tests.unit.runtime.health.conftest import Opened

Open = Callable[[], AbstractAsyncContextManager[Opened]]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@asynccontextmanager
async def client(number: int) -> AsyncGenerator[Any]:
    """With a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{number}", options) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def checked(stub: Any, service: str = "") -> int:  # noqa: ANN401  # has no types
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def test_each_name_has_its_answer(opened: Open) -> None:
    async with opened() as health, client(health.port) as stub:
        names = ["", "liveness", "readiness", "millstream.Further"]
        assert [await checked(stub, name) for name in names] == [SERVING] * 4
        health.state.not_ready = "unregistered"
        assert [await checked(stub, name) for name in names] == [NOT_SERVING, SERVING, NOT_SERVING, NOT_SERVING]
        health.state.not_ready, health.state.not_live = None, "failed"
        assert [await checked(stub, name) for name in names] == [NOT_SERVING] * 4


async def test_a_name_that_nobody_has_is_not_found(opened: Open) -> None:
    async with opened() as health, client(health.port) as stub:
        with pytest.raises(grpc.RpcError, match="no service 'other' is known here") as caught:
            await checked(stub, "other")
        assert isinstance(caught.value, grpc.aio.AioRpcError)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_who_watches_hears_of_each_change(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_answers, "LOOKS", 0.001)
    async with opened() as health, client(health.port) as stub:
        changes = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await changes.read()).status == SERVING
        for _ in range(3):  # it is looked at, and nothing is said
            await health.state.is_asked()
        health.state.not_ready = "leaving"
        assert (await changes.read()).status == NOT_SERVING
        health.state.not_ready = None
        assert (await changes.read()).status == SERVING
        other = stub.Watch(health_pb2.HealthCheckRequest(service="other"))
        assert (await other.read()).status == UNKNOWN


async def test_the_port_closes_while_somebody_watches(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as ends_last:
        async with opened() as health:
            stub = await ends_last.enter_async_context(client(health.port))
            changes = stub.Watch(health_pb2.HealthCheckRequest())
            await changes.read()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 1.0
        with pytest.raises(grpc.RpcError):
            await changes.read()
    assert caplog.messages == []


async def test_however_many_watch_a_probe_gets_a_place(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "LIMITS", replace(port.LIMITS, connections=2))
    async with AsyncExitStack() as stack, opened() as health:
        for _ in range(3):
            watching = await stack.enter_async_context(client(health.port))
            await watching.Watch(health_pb2.HealthCheckRequest()).read()
        probe = await stack.enter_async_context(client(health.port))
        assert await checked(probe) == SERVING


async def test_a_message_that_is_too_large_is_refused(opened: Open) -> None:
    async with opened() as health, client(health.port) as stub:
        with pytest.raises(grpc.RpcError, match="larger than max"):
            await checked(stub, "x" * 10_000)
        assert await checked(stub) == SERVING
