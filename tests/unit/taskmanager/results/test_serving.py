"""Results that lie on another machine, over real sockets: tickets, TLS, what breaks and what is damaged."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from millstream_dataflow.identity import EdgeId, JobId, RegionAttempt, RegionId
from millstream_dataflow.records import RowBatch
from millstream_runtime.result_tickets import result_ticket
from millstream_runtime.security import InternalTls
from millstream_taskmanager.exchange.codecs.batches import BatchEncoder
from millstream_taskmanager.results import requests, serving
from millstream_taskmanager.results.layout import DamagedResultError
from millstream_taskmanager.results.places import file_name, result_path
from millstream_taskmanager.results.requests import HEAD, RemotePartition, Request, dial
from millstream_taskmanager.results.serving import ResultCaller, ResultServer
from millstream_taskmanager.results.writing import ResultEnd, ResultFile
from tests.support.certificates import WorkingSet
from tests.unit.taskmanager.results.test_files import CODEC, channel

ATTEMPT = RegionAttempt(JobId("a" * 32), RegionId(3), 2)
KEY = b"k" * 32
NAME = file_name(EdgeId(1), 0)
BATCHES = [RowBatch([bytes([number]) * 100_000]) for number in range(40)]


@dataclass
class Site:
    """A TaskManager's server, and a file that it has."""

    root: Path
    server: ResultServer
    listening: socket.socket
    client: Callable[[], ssl.SSLContext | None] = lambda: None
    accepted: list[socket.socket] = field(default_factory=list[socket.socket])
    refused: list[str] = field(default_factory=list[str])
    breaks: int = 0
    """How many connections are closed instead of served."""

    async def accept(self) -> None:
        """As the data port: reads the preface and hands over."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.listening)
            if self.breaks:
                self.breaks -= 1
                sock.close()
                continue
            head = b""
            while len(head) < HEAD.size:
                head += await loop.sock_recv(sock, HEAD.size - len(head))
            if why := self.server.adopt(ResultCaller(tls=head.startswith(requests.RESULT_TLS_MAGIC)), sock):
                self.refused.append(why)
                sock.close()

    def partition(self, target: int = 0, *, name: str = NAME, ticket: bytes = b"") -> RemotePartition:
        """What a worker of another machine reads; its pauses take no time."""
        host, port = self.listening.getsockname()
        ticket = ticket or result_ticket(KEY, ATTEMPT)
        request = Request(ATTEMPT.job, ATTEMPT.region, ATTEMPT.number, 1, name, target, 0, 0, ticket)
        return RemotePartition(lambda: dial(host, port, self.client()), request, lambda _: None)


def written(root: Path) -> Path:
    """Four megabytes for target 0, nothing for target 1."""
    path = result_path(root, ATTEMPT, 1, NAME)
    file = ResultFile(path, [0, 1], "Map")
    end = ResultEnd(channel(0), file, BatchEncoder(CODEC, 1 << 20))
    for batch in BATCHES:
        end.send(batch, 1, more=True)
    file.complete()
    return path


@contextlib.asynccontextmanager
async def serving_site(root: Path, tls: InternalTls | None = None) -> AsyncGenerator[Site]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    site = Site(root, ResultServer(root, KEY, tls), listening)
    accepting = asyncio.create_task(site.accept())
    try:
        yield site
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        site.server.close()
        listening.close()


def whole(partition: RemotePartition) -> tuple[int, bytes]:
    """Records, and all bytes, answer by answer."""
    index = partition.index()
    found: list[bytes] = []
    while segments := partition.read(len(found), 1):
        found += segments
    return index.records, b"".join(found)


async def test_all_of_a_partition_comes_in_several_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    monkeypatch.setattr(requests, "AT_ONCE", 1 << 20)
    async with serving_site(tmp_path) as site:
        records, data = await asyncio.to_thread(whole, site.partition())
        assert records == len(BATCHES)
        assert path.read_bytes()[4 : 4 + len(data)] == data
        assert len(data) > 4_000_000
        assert await asyncio.to_thread(whole, site.partition(1)) == (0, b"")


async def test_in_tls_between_members_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path)
    members, others = WorkingSet(tmp_path / "members"), WorkingSet(tmp_path / "others")
    tls = InternalTls(members.configuration())
    async with serving_site(tmp_path, tls) as site:
        site.client = tls.client_context
        _, data = await asyncio.to_thread(whole, site.partition())
        assert path.read_bytes()[4 : 4 + len(data)] == data
        site.client = InternalTls(others.configuration()).client_context
        with caplog.at_level(logging.CRITICAL), pytest.raises(OSError, match=r"(?i)certificate|ssl|connection"):
            await asyncio.to_thread(site.partition().index)
        site.client = lambda: None
        with pytest.raises(OSError, match=r"set security.ssl.internal.enabled on both hosts|reset|Broken pipe"):
            await asyncio.to_thread(site.partition().index)
        assert site.refused[-1].startswith("it asks for results without TLS; set security.ssl.internal.enabled")


async def test_a_connection_that_breaks_is_tried_again(tmp_path: Path) -> None:
    written(tmp_path)
    async with serving_site(tmp_path) as site:
        site.breaks = 2
        records, _ = await asyncio.to_thread(whole, site.partition())
        assert records == len(BATCHES)
        site.breaks = 3
        with pytest.raises(OSError, match=r"ended before|reset|Broken pipe"):
            await asyncio.to_thread(site.partition().index)


async def test_nobody_reads_without_a_ticket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor with the one of another attempt; and what is said of it names no secret."""
    written(tmp_path)
    async with serving_site(tmp_path) as site:
        other = RegionAttempt(ATTEMPT.job, ATTEMPT.region, 1)
        for ticket in (b"x", result_ticket(KEY, other), result_ticket(b"another key", ATTEMPT)):
            with pytest.raises(OSError, match=r"ended before|reset|Broken pipe"):
                await asyncio.to_thread(site.partition(ticket=ticket).index)
        await asyncio.sleep(0)
    assert "it has no ticket for the results of attempt aaaaaaaa/region 3/attempt 2" in caplog.text


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("7-7", 0, "7-7 isn't there any more"),
        ("../../secret", 0, "there is no result '../../secret'"),
        (NAME, 9, "is damaged: it has nothing for target 9"),
    ],
)
async def test_what_is_not_there_is_said(tmp_path: Path, name: str, target: int, words: str) -> None:
    written(tmp_path)
    async with serving_site(tmp_path) as site:
        with pytest.raises(DamagedResultError) as raised:
            await asyncio.to_thread(site.partition(target, name=name).index)
        assert words in str(raised.value)


async def test_a_damaged_segment_is_found_by_who_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"damage", 1_000)
    async with serving_site(tmp_path) as site:
        with pytest.raises(DamagedResultError, match="its segment at byte 4 is damaged"):
            await asyncio.to_thread(whole, site.partition())


async def test_garbage_and_silence_are_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_GREETING_S", 0.05)
    async with serving_site(tmp_path) as site:
        for said in (b"", b"\xff\xff\xff\xff", b"\x03\x00\x00\x00abc"):
            reader, writer = await asyncio.open_connection(*site.listening.getsockname())
            writer.write(HEAD.pack(requests.RESULT_MAGIC, 0) + said)
            assert await reader.read() == b""
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await asyncio.sleep(0)
    assert "a connection for results is closed" in caplog.text


async def test_a_bounded_number_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_WAITING", 1)
    async with serving_site(tmp_path) as site:
        one, other = socket.socketpair()
        with one, other:
            assert not site.server.adopt(ResultCaller(tls=False), one)
            more, rest = socket.socketpair()
            with more, rest:
                assert site.server.adopt(ResultCaller(tls=False), more) == "1 others wait for results already"
