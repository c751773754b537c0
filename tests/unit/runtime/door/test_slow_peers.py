"""Peers that say nothing, or too little, or too slowly: others are served meanwhile, and they are closed in time."""

import asyncio
import contextlib
import gc
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from millstream_runtime.door import door
from millstream_runtime.door.door import PREFACE, Limits
from millstream_runtime.security import INTERNAL_NAME
from tests.support.certificates import WorkingSet
from tests.support.few_files import few_files
from tests.unit.runtime.door.conftest import GREETING, House, opened
from tests.unit.runtime.security.test_hello import HELLO

SHORT = Limits(greeting=0.5)  # which the honest ones of these tests keep on a busy machine too
TOO_LITTLE = {
    "nothing": b"",
    "a byte": HELLO[:1],
    "the length of a ClientHello": HELLO[:6],
    "all of it but the last byte": HELLO[:-1],
    "the whole of it": HELLO,
}
"""After which a peer falls silent; after the last the handshake has begun."""


@contextlib.asynccontextmanager
async def peers(house: House, number: int, said: bytes) -> AsyncGenerator[list[socket.socket]]:
    """So many that have said this and wait."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(number)]
        for sock in made:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", house.port))
            await loop.sock_sendall(sock, said)
        yield made


async def closed(sock: socket.socket) -> None:
    """Until the other side has, whatever it says before."""
    with contextlib.suppress(ConnectionResetError):
        while await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
            pass


@pytest.mark.parametrize("said", TOO_LITTLE.values(), ids=TOO_LITTLE)
async def test_others_are_served_meanwhile_and_each_is_closed_in_time(
    working_set: WorkingSet, tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with opened(working_set, tmp_path, limits=SHORT) as house, peers(house, 20, said) as waiting:
        assert await house.welcomes_member() == "members"
        assert await house.welcomes(house.client) == "clients"
        await asyncio.gather(*map(closed, waiting))
    assert f"it said nothing, or not enough for TLS, for {SHORT.greeting:g} s" in caplog.text


async def test_waiting_for_them_costs_nothing(working_set: WorkingSet, tmp_path: Path) -> None:
    """What is looked at again and again would be a beginning that never grows: 200 of them took two cores."""
    async with opened(working_set, tmp_path) as house, peers(house, 200, HELLO[:-1]):
        assert await house.welcomes_member() == "members"
        costs: list[float] = []
        for _ in range(5):
            began = time.process_time()
            await asyncio.sleep(0.02)  # the time over which the cost is measured
            costs.append(time.process_time() - began)
        assert min(costs) < 0.01


async def test_one_byte_after_the_other_wins_no_time(working_set: WorkingSet, tmp_path: Path) -> None:
    async def trickles(sock: socket.socket) -> None:
        for byte in HELLO:
            await asyncio.get_running_loop().sock_sendall(sock, bytes([byte]))
            await asyncio.sleep(0.005)  # a hundred bytes a second and more, and not done in time

    async with opened(working_set, tmp_path, limits=SHORT) as house, peers(house, 1, b"") as [slow]:
        began = time.monotonic()
        sending = asyncio.create_task(trickles(slow))
        assert await house.welcomes_member() == "members"
        await closed(slow)
        assert time.monotonic() - began < 2
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("said", [b"", PREFACE, PREFACE + b"\0\0\0"])
async def test_who_says_nothing_behind_the_handshake_is_closed(
    working_set: WorkingSet, tmp_path: Path, said: bytes
) -> None:
    """Be it a member."""
    async with opened(working_set, tmp_path, limits=SHORT) as house:
        for tls, name in ((house.member, INTERNAL_NAME), (house.client, "localhost")):
            async with house.connected(tls, name) as (reader, writer):
                writer.write(said)
                assert await reader.read() == b""


@pytest.mark.parametrize("tls", [True, False])
async def test_who_spoke_while_this_process_stood_still_is_served(
    working_set: WorkingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    tls: bool,
) -> None:
    """And isn't blamed for it: its bytes have been there when its time was over."""
    waits, real = asyncio.Event(), door._greeting

    async def greeting(reader: asyncio.StreamReader, limit: float) -> tuple[bytes, str]:
        asyncio.get_running_loop().call_soon(waits.set)
        return await real(reader, limit)

    monkeypatch.setattr(door, "_greeting", greeting)
    async with (
        opened(working_set, tmp_path, internal=tls, rest=tls, limits=SHORT) as house,
        house.connected(house.client if tls else None) as (reader, writer),
    ):
        await waits.wait()
        writer.write(GREETING)
        time.sleep(2 * SHORT.greeting)  # noqa: ASYNC251  # it stands still for longer than the limit
        assert await reader.readline()
    assert not caplog.messages


async def test_a_thousand_of_them_keep_no_member_out(working_set: WorkingSet, tmp_path: Path) -> None:
    """Nor a client that is as quick as they come."""
    async with opened(working_set, tmp_path) as house, contextlib.AsyncExitStack() as stack:
        for number, said in ((450, b""), (450, HELLO[:100]), (100, HELLO)):
            await stack.enter_async_context(peers(house, number, said))
        assert await house.welcomes_member() == "members"
        assert await house.welcomes(house.client) == "clients"


async def test_clients_that_keep_their_places_keep_no_member_out(working_set: WorkingSet, tmp_path: Path) -> None:
    async with opened(working_set, tmp_path, limits=Limits(greeted=2)) as house, contextlib.AsyncExitStack() as stack:

        async def stays(context: ssl.SSLContext, name: str) -> bytes:
            reader, writer = await stack.enter_async_context(house.connected(context, name))
            writer.write(GREETING)
            return await reader.readline()

        assert [await stays(house.client, "localhost") for _ in range(3)] == [b"clients\n", b"clients\n", b""]
        assert [await stays(house.member, INTERNAL_NAME) for _ in range(3)] == [b"members\n"] * 3


async def test_few_descriptors_are_few_places(working_set: WorkingSet, tmp_path: Path) -> None:
    """So that the JobManager's own files can be opened however many come."""
    async with opened(working_set, tmp_path) as house:
        with few_files() as places:
            async with peers(house, places + 12, HELLO[:100]) as waiting:
                assert await house.welcomes_member() == "members"
                await asyncio.gather(*map(closed, waiting[:12]))


@pytest.mark.parametrize("turns", range(4))
async def test_a_door_closes_whoever_came_in_its_last_moment(
    working_set: WorkingSet, tmp_path: Path, turns: int
) -> None:
    """However many turns of the loop before."""
    async with opened(working_set, tmp_path) as house:
        await asyncio.sleep(0.01)  # a few turns, so that the door waits
        far = socket.create_connection(("127.0.0.1", house.port))
        for _ in range(turns):
            await asyncio.sleep(0)
    with far, contextlib.suppress(ConnectionResetError):
        assert far.recv(1) == b""
    gc.collect()  # a socket that was lost is complained of


async def test_a_door_closes_at_once_whoever_is_there(working_set: WorkingSet, tmp_path: Path) -> None:
    """A peer that doesn't answer TLS's last word, or takes no byte of what it is sent, isn't waited for."""
    async with contextlib.AsyncExitStack() as stack:
        async with opened(working_set, tmp_path) as house:
            for said in (b"", HELLO[:100], HELLO):
                await stack.enter_async_context(peers(house, 3, said))
            [silent] = await stack.enter_async_context(peers(house, 1, b""))
            await asyncio.to_thread(_greets_and_floods, house, silent)
            began = time.monotonic()
        assert time.monotonic() - began < 1


def _greets_and_floods(house: House, sock: socket.socket) -> None:
    """It shakes hands, and never reads again."""
    sock.setblocking(True)
    tls = house.client.wrap_socket(sock.dup(), server_hostname="localhost")
    tls.send(GREETING)
    tls.settimeout(0.05)
    with contextlib.suppress(TimeoutError, ssl.SSLError):
        while True:
            tls.send(bytes(1 << 20))  # is echoed until nobody can take more
    sock.setblocking(False)
    socket.socket(fileno=tls.detach()).close()
