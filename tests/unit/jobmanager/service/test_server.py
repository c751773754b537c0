"""Where it listens, whom it lets in, and what garbage costs it."""

import asyncio
import gc
import logging
import os
import resource
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]  # has no types

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.startup import StartupError
from millstream_runtime import limited_lines
from millstream_runtime.door import door
from millstream_runtime.messages.session import CheckpointCompleted
from tests.support.service_client import CHECKPOINTED, client_of, job_of, leading, small_cluster

LOOPBACK = ListenAddress.tcp("localhost", 0)
SETTINGS = bytes([0, 0, 0, door.SETTINGS_KIND, 0, 0, 0, 0, 0])
"""An empty frame of them."""


async def test_it_listens_on_a_free_loopback_port(tmp_path: Path) -> None:
    async with leading(tmp_path, address=LOOPBACK) as service, client_of(service) as client:
        assert service.target == f"127.0.0.1:{service.port}"
        view = await client.cluster()
        assert (view.leader, view.epoch) == (service.target, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
async def test_another_address_is_refused_unless_insecure_is_said(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"security\.insecure"):
        async with leading(tmp_path, address=ListenAddress.tcp(host, 0)):
            pass
    assert not (tmp_path / "store").exists()


async def test_insecure_is_allowed_and_said_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"security.insecure": "true"}
    async with leading(tmp_path, options, ListenAddress.tcp("0.0.0.0", 0)) as service, client_of(service) as client:
        assert (await client.cluster()).epoch == 1
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "WITHOUT security.ssl.internal.enabled" in warnings[0]


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with leading(tmp_path / "one", address=LOOPBACK) as service:
        taken = ListenAddress.tcp("127.0.0.1", service.port or 0)
        with pytest.raises(StartupError, match=f"127.0.0.1:{service.port} can't be listened on"):
            async with leading(tmp_path / "two", address=taken):
                pass


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("nohost.invalid", r"no address is known for it .*; write a name of this host"),
        ("192.0.2.1", r"this host has no such address; write one that it has, or 0\.0\.0\.0"),
    ],
)
async def test_a_host_that_isn_t_this_one_is_named_and_no_other_port_advised(
    tmp_path: Path, host: str, words: str
) -> None:
    options = {"security.insecure": "true", "jobmanager.bind-host": host}
    with pytest.raises(ConfigurationError, match=rf"jobmanager\.bind-host = '{host}'.*: {words}") as caught:
        async with leading(tmp_path, options, ListenAddress.tcp(host, 0)):
            pass
    assert "another JobManager" not in str(caught.value)


ELECTED = {"high-availability.type": "zookeeper", "security.insecure": "true"}


@pytest.mark.parametrize(
    ("options", "bound", "announced"),
    [
        ({}, "0.0.0.0", "localhost"),
        ({}, "::", "localhost"),
        ({"jobmanager.rpc.address": "127.0.0.1"}, "::", "127.0.0.1"),
    ],
)
async def test_a_leader_that_other_hosts_would_not_find_does_not_stand_for_election(
    tmp_path: Path, options: dict[str, str], bound: str, announced: str
) -> None:
    words = rf"jobmanager\.host = 'none' \(default\): .* listens on {bound}, would be announced as {announced}; write"
    with pytest.raises(ConfigurationError, match=words):
        async with leading(tmp_path, ELECTED | options, ListenAddress.tcp(bound, 0)):
            pass
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "bound", "announced"),
    [
        ({"jobmanager.host": "jm-1.example.org"}, "0.0.0.0", "jm-1.example.org:6123"),
        ({"jobmanager.rpc.address": "jm-1.example.org"}, "0.0.0.0", "jm-1.example.org:6123"),
        ({"jobmanager.host": "127.0.0.2"}, "0.0.0.0", "127.0.0.2:6123"),
        ({}, "192.0.2.1", "192.0.2.1:6123"),
        ({}, "localhost", "127.0.0.1:6123"),
        ({"high-availability.type": "none"}, "0.0.0.0", "localhost:6123"),
    ],
)
def test_any_other_is_announced_as_it_says(options: dict[str, str], bound: str, announced: str) -> None:
    """Also on loopback, where somebody says so, or listens nowhere else."""
    configuration, address = Configuration.from_strings(ELECTED | options), ListenAddress.tcp(bound, 6123)
    address.check_advertised(configuration)
    assert address.advertised(configuration, 6123) == announced


async def test_a_flood_of_garbage_is_a_line_and_a_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with leading(tmp_path, address=LOOPBACK) as service:
        for _ in range(50):
            await _sent(service.port or 0, b"x" * 30)
    told = [line for line in caplog.messages if "are no gRPC" in line]
    assert len(told) < 10
    assert "more like it since the line before" in told[-1]


async def test_a_socket_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="over 107 bytes"):
        async with leading(tmp_path, address=ListenAddress.unix(f"{tmp_path}/{'x' * 100}.sock")):
            pass


async def test_a_socket_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"nowhere/jm\.sock can't be listened on"):
        async with leading(tmp_path, address=ListenAddress.unix(f"{tmp_path}/nowhere/jm.sock")):
            pass
    async with leading(tmp_path):
        pass  # and the store was let go


async def test_a_unix_socket_is_this_users_alone(tmp_path: Path) -> None:
    async with leading(tmp_path):
        assert (tmp_path / "jm.sock").stat().st_mode & 0o777 == 0o600


async def test_health_and_reflection_are_served(tmp_path: Path) -> None:
    async with leading(tmp_path) as service, grpc.aio.insecure_channel(service.target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(cast("Any", channel))
        for name in ("", "millstream.v1.ClientGateway", "millstream.v1.TaskManagerGateway"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        call = reflection.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = {found.name for found in (await call.read()).list_services_response.service}
        assert {"millstream.v1.ClientGateway", "millstream.v1.TaskManagerGateway", "grpc.health.v1.Health"} <= listed
        await call.done_writing()


async def test_a_service_that_was_stopped_is_gone_before_the_garbage_collector_comes(tmp_path: Path) -> None:
    """And so are the descriptors of its server."""
    gc.disable()
    try:
        async with leading(tmp_path) as service:
            stopped = weakref.ref(service)
        del service
        assert stopped() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------- garbage


async def _sent(port: int, data: bytes) -> bytes:
    """What comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(data)
        answer = await reader.read()
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return answer


async def test_garbage_on_the_port_closes_its_connection_with_a_line_and_the_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limited_lines, "BETWEEN_LINES", 0.0)
    async with small_cluster(tmp_path, address=LOOPBACK) as cluster:
        await cluster.client.submit(job_of(options=CHECKPOINTED))
        await cluster.taskmanager.heard(CheckpointCompleted)
        port = cluster.service.port or 0
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for data in (os.urandom(1 << 20), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" * 100):
            assert await _sent(port, data) == b""
        for size in (100, 1 << 20):
            await _sent(port, door.PREFACE + b"\xff" + os.urandom(size))
            await _sent(port, door.PREFACE + SETTINGS + b"\xff" + os.urandom(size))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        told = [type(message) for message in cluster.taskmanager.told].count(CheckpointCompleted)
        await cluster.taskmanager.heard(CheckpointCompleted, told + 2)
        assert (await cluster.client.details()).tasks[0].attempt == 1
    assert len([line for line in caplog.messages if "are no gRPC" in line]) == 3
    assert len([line for line in caplog.messages if "has no settings, so it is no gRPC" in line]) == 2
    assert grown < 64 << 10  # KiB


async def test_a_connection_that_says_nothing_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "CLUSTER", door.Limits(greeting=0.05))
    async with leading(tmp_path, address=LOOPBACK) as service:
        assert await _sent(service.port or 0, b"") == b""
    assert [line for line in caplog.messages if "said nothing for 0.05 s" in line]


@pytest.mark.parametrize("said", [door.PREFACE, door.PREFACE + SETTINGS[:8]])
async def test_a_connection_that_says_nothing_behind_the_preface_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    monkeypatch.setattr(door, "CLUSTER", door.Limits(greeting=0.05))
    async with leading(tmp_path, address=LOOPBACK) as service:
        assert await _sent(service.port or 0, said) == b""
    assert [line for line in caplog.messages if "no settings came behind its preface for 0.05 s" in line]


@asynccontextmanager
async def _two_connections(port: int, said: bytes, answer: int) -> AsyncGenerator[list[asyncio.StreamReader]]:
    """Held open, each after so many bytes of an answer."""
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for reader, writer in held:
        writer.write(said)
        await reader.readexactly(answer)
    try:
        yield [reader for reader, _ in held]
    finally:
        for _, writer in held:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in held), return_exceptions=True)


async def test_no_more_connections_are_open_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "CLUSTER", door.Limits(greeted=2))
    async with (
        leading(tmp_path, address=LOOPBACK) as service,
        _two_connections(service.port or 0, door.PREFACE + SETTINGS, door.FRAME_HEADER),
    ):
        assert await _sent(service.port or 0, door.PREFACE + SETTINGS) == b""
    assert [line for line in caplog.messages if "2 others are open" in line]


@pytest.mark.parametrize("said", [b"", door.PREFACE])
async def test_silent_connections_lock_out_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    monkeypatch.setattr(door, "CLUSTER", door.Limits(connections=2))
    async with (
        leading(tmp_path, address=LOOPBACK) as service,
        _two_connections(service.port or 0, said, 0) as (oldest, other),
        _two_connections(service.port or 0, door.PREFACE + SETTINGS, door.FRAME_HEADER),
    ):
        assert await oldest.read() + await other.read() == b""
    assert len([line for line in caplog.messages if "hasn't greeted, and 2 others are open" in line]) == 2
