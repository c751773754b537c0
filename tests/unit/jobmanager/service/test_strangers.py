"""Strangers who ask and take no answer: they hold nothing open, and whoever shows a token is served meanwhile."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from millstream.submission.access import Access
from millstream.submission.gateway import Gateway
from millstream.submission.routes import Route
from millstream_jobmanager.service import strangers
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.inner_server import MAX_CALLS
from millstream_jobmanager.service.strangers import AT_ONCE
from tests.support.certificates import WorkingSet, plain_contexts
from tests.support.http2 import RawPeer
from tests.support.service_client import leading

HEALTH = "/grpc.health.v1.Health/Check"
REFUSED = "/millstream.v1.ClientGateway/Cluster"
AS_MEMBER = "/millstream.v1.TaskManagerGateway/Session"
SERVING = b"\0\0\0\0\2\x08\1"
"""The answer of a process that is well, as gRPC frames it."""
MANY = 100_000
"""Calls that no buffer on the way holds the answers of: half a kilobyte each."""


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, working_set: WorkingSet) -> ssl.SSLContext | None:
    """What the strangers speak."""
    return plain_contexts(None, working_set.trusted("rest"))[1] if request.param == "tls" else None


@asynccontextmanager
async def served(
    working_set: WorkingSet, directory: Path, tls: ssl.SSLContext | None
) -> AsyncGenerator[tuple[int, Gateway]]:
    """A JobManager that wants a token, and takes members by TLS alone: its port, and a client that has a token."""
    rest = str(tls is not None).lower()
    options = working_set.configuration(rest_enabled=rest).to_strings()
    async with leading(directory, options, ListenAddress.tcp("127.0.0.1", 0)) as service:
        client = Access.configured(working_set.client_configuration(rest_enabled=rest))
        gateway = Gateway(Route(f"localhost:{service.port}", client), 10)
        try:
            yield service.port or 0, gateway
        finally:
            gateway.close()


@pytest.mark.parametrize("path", [HEALTH, REFUSED, AS_MEMBER])
async def test_who_asks_without_end_and_takes_no_answer_is_closed_and_keeps_no_client_out(
    working_set: WorkingSet, tmp_path: Path, tls: ssl.SSLContext | None, path: str
) -> None:
    def floods(peer: RawPeer) -> None:
        with suppress(OSError):
            for _ in range(MANY // 100):
                peer.calls(path, 100)
        peer.read_to_the_end()

    async with served(working_set, tmp_path, tls) as (port, gateway):
        with await asyncio.to_thread(RawPeer, port, tls) as peer:
            flood = asyncio.create_task(asyncio.to_thread(floods, peer))
            while not flood.done():
                assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
            await flood
        assert (await asyncio.to_thread(gateway.cluster)).epoch == 1


async def test_more_calls_at_once_than_there_may_be_of_all_keep_no_client_out(
    working_set: WorkingSet, tmp_path: Path, tls: ssl.SSLContext | None
) -> None:
    async with served(working_set, tmp_path, tls) as (port, gateway):
        with await asyncio.to_thread(RawPeer, port, tls) as peer:
            peer.calls(HEALTH, MAX_CALLS + AT_ONCE)
            assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
            await asyncio.to_thread(peer.read_to_the_end)


async def test_few_calls_whose_answers_nobody_takes_are_ended_in_time(
    working_set: WorkingSet, tmp_path: Path, tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "LONGEST_S", 0.5)
    async with served(working_set, tmp_path, tls) as (port, _):
        with await asyncio.to_thread(RawPeer, port, tls) as peer:
            peer.calls(HEALTH, AT_ONCE // 2)
            await asyncio.to_thread(peer.read_to_the_end)


async def test_many_strangers_with_few_calls_each_keep_nobody_out_who_asks_once(
    working_set: WorkingSet, tmp_path: Path, tls: ssl.SSLContext | None
) -> None:
    """He may be a stranger himself, as probes are: the connection with the most calls goes."""
    async with served(working_set, tmp_path, tls) as (port, gateway):
        with ExitStack() as peers:
            for _ in range(2 * AT_ONCE // 10):
                peers.enter_context(await asyncio.to_thread(RawPeer, port, tls)).calls(HEALTH, 10)
            probe = peers.enter_context(await asyncio.to_thread(RawPeer, port, tls, window=1 << 16))
            probe.calls(HEALTH, 1)
            await asyncio.to_thread(probe.read_until, SERVING)
            assert (await asyncio.to_thread(gateway.cluster)).epoch == 1
