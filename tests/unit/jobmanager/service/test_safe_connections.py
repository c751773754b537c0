"""A JobManager with TLS, and clients and members that agree with it or don't: what each is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from millstream.errors import ClusterUnreachableError, RequestRefusedError
from millstream.submission.access import Access
from millstream.submission.gateway import Gateway
from millstream.submission.routes import Route
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_proto.client_pb2 import ClusterRequest
from millstream_proto.client_pb2_grpc import ClientGatewayStub
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_runtime.security import GRPC_OPTIONS, internal_tls
from tests.support.certificates import WorkingSet
from tests.support.service_client import leading


@asynccontextmanager
async def serving(configuration: Configuration, directory: Path, port: int = 0) -> AsyncGenerator[int]:
    """A JobManager; the port."""
    options, address = configuration.to_strings(), ListenAddress.tcp("127.0.0.1", port)
    async with leading(directory, options, address) as service:
        assert service.port is not None
        yield service.port


async def told(target: str, client: Configuration, patience: float = 0.2) -> str:
    """What becomes of a question."""
    gateway = Gateway(Route(target, Access.configured(client)), patience)
    try:
        return f"epoch {(await asyncio.to_thread(gateway.cluster)).epoch}"
    except (ClusterUnreachableError, RequestRefusedError) as error:
        return str(error)
    finally:
        gateway.close()


PLAIN = Configuration()


@pytest.mark.parametrize("rest", ["true", "false"])
@pytest.mark.parametrize("internal", ["true", "false"])
async def test_a_client_that_agrees_is_served(
    working_set: WorkingSet, tmp_path: Path, internal: str, rest: str
) -> None:
    client = working_set.client_configuration(rest_enabled=rest)
    configuration = working_set.configuration(internal_enabled=internal, rest_enabled=rest)
    async with serving(configuration, tmp_path) as port:
        assert await told(f"localhost:{port}", client, 20) == "epoch 1"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_client_in_the_clear_hears_of_tls(working_set: WorkingSet, tmp_path: Path, host: str) -> None:
    """Also where the name has another address, which refuses: gRPC tells of that one."""
    async with serving(working_set.configuration(), tmp_path) as port:
        assert "does it want TLS? set security.ssl.rest.enabled" in await told(f"{host}:{port}", PLAIN)


async def test_a_client_in_the_clear_is_told_where_only_clients_need_tls(
    working_set: WorkingSet, tmp_path: Path
) -> None:
    """Members come in the clear there, so it is let in, and answered at once."""
    configuration = working_set.configuration(internal_enabled="false")
    token = PLAIN.with_text("security.token-file", str(working_set.client / "token"))
    async with serving(configuration, tmp_path) as port:
        assert await told(f"127.0.0.1:{port}", token, 60) == (
            "this JobManager serves clients by TLS only; set security.ssl.rest.enabled"
        )


@pytest.mark.parametrize("internal", ["true", "false"])
async def test_a_client_by_tls_hears_that_nobody_speaks_it(
    working_set: WorkingSet, tmp_path: Path, internal: str
) -> None:
    configuration = working_set.configuration(internal_enabled=internal, rest_enabled="false")
    async with serving(configuration, tmp_path) as port:
        words = await told(f"127.0.0.1:{port}", working_set.client_configuration())
    assert "does it speak any? security.ssl.rest.enabled is set here" in words


async def test_a_client_of_another_cluster_is_told_of_the_authority(
    working_set: WorkingSet, strangers: WorkingSet, tmp_path: Path
) -> None:
    async with serving(working_set.configuration(), tmp_path) as port:
        words = await told(f"127.0.0.1:{port}", strangers.client_configuration())
    assert "its certificate is of no authority in security.ssl.rest.truststore" in words


async def test_where_another_address_refuses_the_client_is_told_of_all_that_may_be(
    working_set: WorkingSet, strangers: WorkingSet, tmp_path: Path
) -> None:
    """GRPC has tried ::1 last, or 127.0.0.1."""
    async with serving(working_set.configuration(), tmp_path) as port:
        words = await told(f"localhost:{port}", strangers.client_configuration())
    assert "in security.ssl.rest.truststore" in words


async def test_a_client_that_calls_it_by_another_name_is_told_so(working_set: WorkingSet, tmp_path: Path) -> None:
    store = working_set.stored(working_set.issued("jm-1.example.org", by="rest"))
    async with serving(working_set.configuration(rest_keystore=str(store)), tmp_path) as port:
        words = await told(f"127.0.0.1:{port}", working_set.client_configuration())
    assert "its certificate is for other names" in words


async def test_a_client_without_a_certificate_is_told_so(working_set: WorkingSet, tmp_path: Path) -> None:
    authority = {"rest_truststore": str(working_set.client / "rest-ca.crt")}
    configuration = working_set.configuration(rest_authentication_enabled="true", **authority)
    async with serving(configuration, tmp_path) as port:
        words = await told(f"127.0.0.1:{port}", working_set.client_configuration())
        assert "does it know our certificate, if it wants one (security.ssl.rest.keystore)?" in words
        store = working_set.stored(working_set.issued("ci", by="rest"))
        client = working_set.client_configuration(rest_keystore=str(store))
        assert await told(f"localhost:{port}", client, 20) == "epoch 1"


async def test_a_client_that_stays_connected_shows_its_renewed_certificate_to_a_jobmanager_that_is_started_again(
    working_set: WorkingSet, strangers: WorkingSet, tmp_path: Path
) -> None:
    """At the address of the former one, which knew the former certificate."""
    own = working_set.stored(working_set.issued("ci", by="rest"))
    client = working_set.client_configuration(rest_keystore=str(own))

    def knowing(authority: WorkingSet) -> Configuration:
        trusted = str(authority.client / "rest-ca.crt")
        return working_set.configuration(rest_authentication_enabled="true", rest_truststore=trusted)

    async with serving(knowing(working_set), tmp_path) as port:
        gateway = Gateway(Route(f"localhost:{port}", Access.configured(client)), 20)
        assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
    own.write_bytes(strangers.issued("ci", by="rest").pem)
    async with serving(knowing(strangers), tmp_path, port):
        assert (await asyncio.to_thread(gateway.cluster)).epoch == 2
    gateway.close()


def test_a_token_doesn_t_go_over_a_network_in_the_clear(working_set: WorkingSet) -> None:
    """What is on the way to this host or allowed by name does."""
    client = working_set.client_configuration(rest_enabled="false")
    for target in ("jm-1.example.org:6123", "10.0.0.7:6123", "[fd00::7]:6123"):
        with pytest.raises(ConfigurationError, match=r"the token of security\.token-file would go over the network in"):
            Gateway(Route(target, Access.configured(client)), 1)
        insecure = Access.configured(client.with_text("security.insecure", "true"))
        Gateway(Route(target, insecure), 1).close()
    for target in ("localhost:6123", "127.1.2.3:6123", "[::1]:6123", "unix:/run/jm.sock"):
        Gateway(Route(target, Access.configured(client)), 1).close()


# --------------------------------------------------------------------------------------------------- members


async def test_a_member_in_the_clear_is_told_where_only_members_need_tls(
    working_set: WorkingSet, tmp_path: Path
) -> None:
    async with (
        serving(working_set.configuration(rest_enabled="false"), tmp_path) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = TaskManagerGatewayStub(channel)
        words = r"takes members by TLS only; set security\.ssl\.internal\.enabled"
        with pytest.raises(grpc.aio.AioRpcError, match=words):
            await stub.Session().read()


async def test_a_client_s_call_as_a_member_is_refused(working_set: WorkingSet, tmp_path: Path) -> None:
    """No port of members serves clients, and no port of clients members, whatever they show."""
    tls = internal_tls(working_set.configuration())
    assert tls is not None
    async with serving(working_set.configuration(), tmp_path) as port:
        target, credentials = f"localhost:{port}", tls.grpc_channel_credentials()
        async with grpc.aio.secure_channel(target, credentials, options=GRPC_OPTIONS) as channel:
            stub: Any = ClientGatewayStub(channel)
            with pytest.raises(grpc.aio.AioRpcError, match="serves clients by TLS only"):
                await stub.Cluster(ClusterRequest())
