"""Who comes in at a door with TLS, whereto, and what is said of the others."""

import asyncio
import contextlib
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from millstream_runtime.security import INTERNAL_NAME
from tests.support.certificates import CLIENTS_ONLY, LONG_AGO, WorkingSet
from tests.unit.runtime.door.conftest import GREETING, opened
from tests.unit.runtime.security.test_hello import hello


@pytest.mark.parametrize(
    ("internal", "rest", "by_internal_tls", "by_rest_tls", "in_the_clear"),
    [
        (False, False, "", "", "members"),  # who serves clients there as well
        (True, False, "members", "", "clients"),
        (False, True, "", "clients", "members"),
        (True, True, "members", "clients", ""),
    ],
)
async def test_each_comes_to_his_own(
    working_set: WorkingSet,
    tmp_path: Path,
    *,
    internal: bool,
    rest: bool,
    by_internal_tls: str,
    by_rest_tls: str,
    in_the_clear: str,
) -> None:
    async with opened(working_set, tmp_path, internal=internal, rest=rest) as house:
        assert await house.welcomes_member() == by_internal_tls
        assert await house.welcomes(house.client) == by_rest_tls
        assert await house.welcomes() == in_the_clear


@pytest.mark.parametrize(
    ("internal", "rest", "words"),
    [
        (False, False, "are no gRPC but TLS; set security.ssl.internal.enabled (for a member) or security.ssl.rest."),
        (True, False, "it speaks TLS; set security.ssl.rest.enabled here as well, or not there"),
    ],
)
async def test_the_log_names_the_tls_that_is_missing_here(
    working_set: WorkingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    internal: bool,
    rest: bool,
    words: str,
) -> None:
    async with opened(working_set, tmp_path, internal=internal, rest=rest) as house:
        assert await house.welcomes(house.client) == ""
    assert words in caplog.text


async def test_the_log_names_what_a_member_lacks_here(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(working_set, tmp_path, internal=False) as house:
        assert await house.welcomes_member() == ""
    assert "it wants to be a member by TLS; set security.ssl.internal.enabled here as well" in caplog.text


async def test_the_log_names_what_is_missing_there(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(working_set, tmp_path) as house:
        assert await house.welcomes() == ""
    assert "set security.ssl.internal.enabled (for a member) or security.ssl.rest.enabled (for a client) there" in (
        caplog.text
    )


# ---------------------------------------------------------------------------------------------- who is a member


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no certificate", "it has shown no certificate, which everybody must"),
        ("another authority", "its certificate isn't accepted: "),
        ("expired", "its certificate isn't accepted: certificate has expired"),
        ("another name", f"its certificate lacks the name {INTERNAL_NAME}"),
        ("of a client", "its certificate isn't accepted: "),
        ("of the JobManager for clients", "its certificate isn't accepted: "),
    ],
)
async def test_nobody_else_is_a_member(
    working_set: WorkingSet,
    strangers: WorkingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    case: str,
    words: str,
) -> None:
    shown = {
        "no certificate": None,
        "another authority": strangers.issued(),
        "expired": working_set.issued(ago=LONG_AGO),
        "another name": working_set.issued("localhost"),
        "of a client": working_set.issued(INTERNAL_NAME, by="rest", usages=CLIENTS_ONLY),
        "of the JobManager for clients": working_set.issued("localhost", by="rest"),
    }[case]
    async with opened(working_set, tmp_path) as house:
        assert await house.welcomes_member(house.showing(shown)) == ""
        assert await house.welcomes_member() == "members"
    assert words in caplog.text


async def test_a_member_s_certificate_makes_nobody_a_client_where_clients_have_some(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = str(working_set.client / "rest-ca.crt")
    async with opened(working_set, tmp_path, rest_authentication_enabled="true", rest_truststore=authority) as house:
        assert await house.welcomes(house.showing(working_set.issued(), "rest")) == ""
        assert await house.welcomes(house.client) == ""
        assert await house.welcomes(house.showing(working_set.issued("ci", by="rest"), "rest")) == "clients"
    assert "its certificate isn't accepted: " in caplog.text
    assert "it has shown no certificate" in caplog.text


async def test_an_older_tls_is_not_spoken(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(working_set, tmp_path) as house:
        for context, name in ((house.member, INTERNAL_NAME), (house.client, "localhost")):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            assert await house.welcomes(context, name) == ""
    assert "it speaks no TLS as new as security.ssl.protocol wants" in caplog.text


async def test_an_older_tls_is_spoken_where_it_is_allowed(working_set: WorkingSet, tmp_path: Path) -> None:
    async with opened(working_set, tmp_path, protocol="TLSv1.2") as house:
        context = house.member
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await house.welcomes_member(context) == "members"


def distrusts(port: int, context: ssl.SSLContext) -> None:
    """A client that says so: those of asyncio hang up."""
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"),
        context.wrap_socket(sock, server_hostname="localhost"),
    ):
        pass


async def test_who_doesn_t_trust_the_certificate_is_told_of(
    working_set: WorkingSet, strangers: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(working_set, tmp_path) as house, opened(strangers, tmp_path) as other:
        await asyncio.to_thread(distrusts, house.port, other.client)
        assert await house.welcomes(house.client) == "clients"
    assert "it doesn't trust the authority of the certificate shown here" in caplog.text


# -------------------------------------------------------------------------------------------------- the handshake


class _Pieces:
    """A member's side of TLS, whose first bytes are sent one by one."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=INTERNAL_NAME)
        self._sock = sock

    async def does(self, what: str, *given: object, size: int = 1 << 16) -> object:
        """A step of it, with what the other side has to say to that."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                done = getattr(self.tls, what)(*given)
            except ssl.SSLWantReadError:
                await self._send(size)
                self._incoming.write(await loop.sock_recv(self._sock, 1 << 16))
            else:
                await self._send(size)
                return done

    async def _send(self, size: int) -> None:
        data = self._outgoing.read()
        for start in range(0, len(data), size):
            await asyncio.get_running_loop().sock_sendall(self._sock, data[start : start + size])


@pytest.mark.parametrize("size", [1, 7])
async def test_a_handshake_may_come_in_small_pieces(working_set: WorkingSet, tmp_path: Path, size: int) -> None:
    async with opened(working_set, tmp_path) as house:
        with socket.create_connection(("127.0.0.1", house.port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            member = _Pieces(house.member, sock)
            await member.does("do_handshake", size=size)
            await member.does("write", GREETING, size=size)
            assert await member.does("read", 100) == b"members\n"


@pytest.mark.parametrize(
    "said", [hello(INTERNAL_NAME)[:40] + b"\xff" * 600, b"\x16" * 20, bytes.fromhex("160301 4000 01") + bytes(20 << 10)]
)
async def test_what_begins_as_tls_and_is_none_is_closed_at_once(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with opened(working_set, tmp_path) as house, house.connected() as (reader, writer):
        writer.write(said)
        with contextlib.suppress(ConnectionResetError):  # what nobody reads any more makes the end a reset
            assert await reader.read() == b""
        assert await house.welcomes_member() == "members"
    assert "is closed: " in caplog.text


# ----------------------------------------------------------------------------------------------------- renewal


async def test_a_renewed_certificate_serves_those_that_come_and_disturbs_nobody(
    working_set: WorkingSet, tmp_path: Path
) -> None:
    store = working_set.stored(working_set.issued(days=100))
    async with opened(working_set, tmp_path, internal_keystore=str(store)) as house:

        async def shown(writer: asyncio.StreamWriter) -> str:
            return str(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])

        async with house.connected(house.member, INTERNAL_NAME) as (reader, writer):
            writer.write(GREETING)
            assert await reader.readline() == b"members\n"
            working_set.stored(working_set.issued(ago=timedelta(hours=1)))
            async with house.connected(house.member, INTERNAL_NAME) as (_, other):
                assert await shown(other) != await shown(writer)
            assert await house.welcomes_member() == "members"
            writer.write(b"still here\n")
            assert await reader.readline() == b"still here\n"
