"""TLS between clients and the JobManager; gRPC's own client meets a real port."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.security import GRPC_OPTIONS, ClientTls, asked_name, check_member, client_tls, internal_tls
from tests.support.certificates import CLIENTS_ONLY, LONG_AGO, WorkingSet, connected, plain_contexts, talks

PREFACE = b"PRI * HTTP/2.0"


def serving(configuration: Configuration) -> ClientTls:
    tls = client_tls(configuration, serving=True)
    assert tls is not None
    return tls


def test_without_the_key_there_is_no_tls() -> None:
    assert client_tls(Configuration()) is None
    assert client_tls(Configuration(), serving=True) is None


def test_a_client_needs_no_certificate_where_a_token_proves_who_it_is(working_set: WorkingSet) -> None:
    _, client = plain_contexts(None, working_set.trusted("rest"))
    with connected(serving(working_set.configuration()).server_context(), client, "localhost") as ends:
        assert talks(ends)


@pytest.fixture
def authenticating(working_set: WorkingSet) -> ssl.SSLContext:
    """Of a JobManager that wants certificates."""
    authority = str(working_set.client / "rest-ca.crt")
    configuration = working_set.configuration(rest_authentication_enabled="true", rest_truststore=authority)
    return serving(configuration).server_context()


def test_a_client_with_a_certificate_is_served(authenticating: ssl.SSLContext, working_set: WorkingSet) -> None:
    pair = working_set.issued("ci.example.org", by="rest", usages=CLIENTS_ONLY)
    _, client = plain_contexts(pair, working_set.trusted("rest"))
    with connected(authenticating, client, "localhost") as ends:
        assert talks(ends)


def test_without_a_certificate_a_client_is_refused(authenticating: ssl.SSLContext, working_set: WorkingSet) -> None:
    _, client = plain_contexts(None, working_set.trusted("rest"))
    refused = pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE")
    with refused, connected(authenticating, client, "localhost"):
        pass


@pytest.mark.parametrize("case", ["of members", "expired"])
def test_with_another_certificate_a_client_is_refused(
    authenticating: ssl.SSLContext, working_set: WorkingSet, case: str
) -> None:
    pair = working_set.issued() if case == "of members" else working_set.issued("ci", by="rest", ago=LONG_AGO)
    _, client = plain_contexts(pair, working_set.trusted("rest"))
    with pytest.raises(ssl.SSLError, match="VERIFY_FAILED"), connected(authenticating, client, "localhost"):
        pass


def test_a_client_of_an_older_tls_is_refused(working_set: WorkingSet) -> None:
    _, old = plain_contexts(None, working_set.trusted("rest"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    context = serving(working_set.configuration()).server_context()
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"), connected(context, old, "localhost"):
        pass


@pytest.mark.parametrize("host", ["jm-1.example.org", "10.0.0.7", "fd00::7", "pod-3.millstream.svc", "::1"])
def test_clients_know_the_jobmanager_by_every_name_it_was_given(tmp_path: Path, host: str) -> None:
    found = WorkingSet(tmp_path / "set", ["jm-1.example.org", "10.0.0.7", "fd00::7", "*.millstream.svc"])
    _, client = plain_contexts(None, found.trusted("rest"))
    with connected(serving(found.configuration()).server_context(), client, host) as ends:
        assert talks(ends)


@pytest.mark.parametrize("missing", ["rest_keystore", "rest_truststore"])
def test_what_a_jobmanager_needs_a_client_doesn_t(working_set: WorkingSet, missing: str) -> None:
    authority = str(working_set.client / "rest-ca.crt")
    configuration = working_set.configuration(rest_authentication_enabled="true", rest_truststore=authority)
    configuration = configuration.with_text(f"security.ssl.{missing.replace('_', '.')}", "none")
    assert client_tls(configuration) is not None
    with pytest.raises(
        ConfigurationError, match=rf"it needs security\.ssl\.{missing.replace('_', '.')}, which is none"
    ):
        client_tls(configuration, serving=True)


# --------------------------------------------------------------------------------------------- gRPC's own client


class Port:
    """Accepts connections by TLS, and reads what a client says first."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.members = 0

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            check_member(writer.get_extra_info("ssl_object"))
            self.members += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            self.said.put_nowait(await reader.readexactly(len(PREFACE)))
        writer.transport.abort()


@contextlib.asynccontextmanager
async def opened(context: ssl.SSLContext) -> AsyncGenerator[tuple[Port, str]]:
    port = Port(context)
    server = await asyncio.start_server(port.welcome, "127.0.0.1", 0, ssl=context)
    async with server:
        yield port, f"localhost:{server.sockets[0].getsockname()[1]}"


async def refusal(target: str, credentials: grpc.ChannelCredentials) -> grpc.aio.AioRpcError:
    """The error of a call by a channel with these credentials."""
    async with grpc.aio.secure_channel(target, credentials) as channel:
        call: Callable[..., grpc.aio.UnaryUnaryCall[bytes, bytes]] = channel.unary_unary("/none/None")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"")
    return caught.value


async def test_a_grpc_client_knows_the_jobmanager(working_set: WorkingSet) -> None:
    client = client_tls(working_set.client_configuration())
    assert client is not None
    async with opened(serving(working_set.configuration()).server_context()) as (port, target):
        await refusal(target, client.grpc_channel_credentials())  # the port speaks no HTTP/2
        assert port.said.get_nowait() == PREFACE
        assert port.members == 0


async def test_a_grpc_client_says_nothing_to_a_jobmanager_that_it_doesn_t_know(
    working_set: WorkingSet, strangers: WorkingSet
) -> None:
    client = client_tls(working_set.client_configuration())
    assert client is not None
    async with opened(serving(strangers.configuration()).server_context()) as (port, target):
        error = await refusal(target, client.grpc_channel_credentials())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "CERTIFICATE_VERIFY_FAILED" in str(error.debug_error_string())
        assert port.said.empty()


async def test_a_grpc_client_shows_its_certificate(authenticating: ssl.SSLContext, working_set: WorkingSet) -> None:
    path = working_set.stored(working_set.issued("ci", by="rest", usages=CLIENTS_ONLY))
    client = client_tls(working_set.client_configuration(rest_keystore=str(path)))
    assert client is not None
    async with opened(authenticating) as (port, target):
        await refusal(target, client.grpc_channel_credentials())
        assert port.said.get_nowait() == PREFACE


async def test_a_grpc_channel_of_a_member_meets_a_member(working_set: WorkingSet) -> None:
    tls = internal_tls(working_set.configuration())
    assert tls is not None
    async with opened(tls.server_context()) as (port, target):
        credentials = tls.grpc_channel_credentials()
        async with grpc.aio.secure_channel(target, credentials, options=GRPC_OPTIONS) as channel:
            call: Callable[..., grpc.aio.UnaryUnaryCall[bytes, bytes]] = channel.unary_unary("/none/None")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"")
        assert port.said.get_nowait() == PREFACE
        assert port.members > 0


async def test_a_grpc_channel_of_a_member_asks_for_the_name_of_members(working_set: WorkingSet) -> None:
    tls = internal_tls(working_set.configuration())
    assert tls is not None
    asked: asyncio.Queue[str | None] = asyncio.Queue()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.put_nowait(asked_name(await reader.read(1 << 14)))
        writer.transport.abort()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        target = f"localhost:{server.sockets[0].getsockname()[1]}"
        credentials = tls.grpc_channel_credentials()
        async with grpc.aio.secure_channel(target, credentials, options=GRPC_OPTIONS) as channel:
            channel.get_state(try_to_connect=True)
            assert await asked.get() == "internal.millstream"


def test_a_renewed_certificate_of_a_client_is_shown_by_the_next_channel(working_set: WorkingSet) -> None:
    path = working_set.stored(working_set.issued("ci", by="rest"))
    tls = client_tls(working_set.client_configuration(rest_keystore=str(path)))
    assert tls is not None
    former = tls.for_grpc()
    new = working_set.issued("ci", by="rest")
    path.write_bytes(new.certificate_pem)
    assert tls.for_grpc() == former  # half of it
    path.write_bytes(new.pem)
    assert tls.for_grpc().certificates == new.pem
