"""The data port, over real sockets: workers and pings are let in, nothing else stays."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import security, taskmanager
from millstream_dataflow.identity import TaskManagerId, WorkerId
from millstream_taskmanager.exchange.preface import encode_preface
from millstream_taskmanager.results.serving import ResultCaller
from millstream_taskmanager.service.data_port import DataPort, Receivers, listen
from millstream_taskmanager.service.pings import PROOF_SIZE, PingSender, encode_ping_preface
from millstream_taskmanager.service.settings import PortSettings
from tests.support.few_files import open_files
from tests.unit.taskmanager.service.scripted import eventually

WORKER = WorkerId(f"{'j' * 32}-0-1-0")
PEER = PingSender(TaskManagerId("a" * 32), b"p" * PROOF_SIZE)


@dataclass
class Port:
    """A port, and whom it has let in."""

    settings: PortSettings
    listening: socket.socket
    workers: list[tuple[WorkerId, socket.socket]] = field(default_factory=list[tuple[WorkerId, socket.socket]])
    pings: list[tuple[PingSender, socket.socket]] = field(default_factory=list[tuple[PingSender, socket.socket]])
    results: list[tuple[ResultCaller, socket.socket]] = field(default_factory=list[tuple[ResultCaller, socket.socket]])

    def worker(self, worker: WorkerId, sock: socket.socket) -> str:
        if worker != WORKER:
            return f"worker {worker} isn't here (yet)"
        self.workers.append((worker, sock))
        return ""

    def result(self, caller: ResultCaller, sock: socket.socket) -> str:
        self.results.append((caller, sock))
        return ""

    async def ping(self, peer: PingSender, sock: socket.socket) -> None:
        self.pings.append((peer, sock))

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.listening.getsockname())
        writer.write(data)
        return reader, writer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Port"]:
        task = asyncio.create_task(
            DataPort(self.listening, self.settings, Receivers(self.worker, self.ping, self.result)).run()
        )
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for _, sock in (*self.workers, *self.pings, *self.results):
                sock.close()


def made(**settings: int) -> Port:
    return Port(PortSettings(**settings), listen(Configuration()))


async def is_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Waits until it is; False when something is said first."""
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_worker_s_connection_is_handed_over_with_what_comes_behind_the_preface() -> None:
    async with made().running() as port:
        _, writer = await port.connect(encode_preface(WORKER) + b"and the handshake")
        await eventually(lambda: port.workers)
        [(worker, sock)] = port.workers
        assert worker == WORKER
        sock.setblocking(True)
        assert sock.recv(100) == b"and the handshake"
        writer.close()
        await writer.wait_closed()


async def test_a_preface_may_come_byte_by_byte() -> None:
    async with made().running() as port:
        _, writer = await port.connect()
        for byte in encode_preface(WORKER):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await eventually(lambda: port.workers)
        writer.close()
        await writer.wait_closed()


async def test_a_taskmanager_s_ping_is_handed_over_too() -> None:
    async with made().running() as port:
        _, writer = await port.connect(encode_ping_preface(PEER) + b"?")
        await eventually(lambda: port.pings)
        assert port.pings[0][0] == PEER
        assert port.pings[0][1].recv(10) == b"?"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "it began with"),
        (b"\xff" * 1_000_000, "it began with"),
        (b"MSP1\xff\xff", "65535 bytes"),
        (b"MSP1\x00\x00", "0 bytes"),
        (b"MSP1\x02\x00\xff\xff", "UTF-8"),
        (b"MSK1\xff\xff", "65535 bytes"),
        (b"MSK1\x03\x00a b" + bytes(PROOF_SIZE), "a TaskManager's id"),
        (encode_preface(WorkerId("another")), "isn't here"),
    ],
)
async def test_anything_else_is_closed_with_a_line_in_the_log(
    data: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with made().running() as port:
        assert await is_closed(*await port.connect(data))
        assert [record for record in caplog.records if why in record.message]
        assert (port.workers, port.pings) == ([], [])


async def test_whoever_ends_within_its_preface_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with made().running() as port:
        reader, writer = await port.connect(encode_preface(WORKER)[:-1])
        writer.write_eof()
        assert await is_closed(reader, writer)
        await eventually(lambda: "it ended after" in caplog.text)


async def test_whoever_says_nothing_is_closed_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async with made(handshake_timeout=50).running() as port:
        assert await is_closed(*await port.connect(b"MSP"))
        assert "within 50 ms" in caplog.text


async def test_the_oldest_of_too_many_is_closed_and_an_honest_one_gets_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with made(unknown_limit=4).running() as port:
        idle = [await port.connect() for _ in range(4)]
        _, honest = await port.connect(encode_preface(WORKER))
        await eventually(lambda: port.workers)
        assert await is_closed(*idle[0])
        for _, writer in (*idle[1:], (None, honest)):
            writer.close()
            await writer.wait_closed()


async def test_a_flood_keeps_no_open_files() -> None:
    async def garbage(port: Port, times: int) -> None:
        for _ in range(times):
            _, writer = await port.connect(b"garbage")
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async with made(unknown_limit=4).running() as port:
        await garbage(port, 1)  # a loop opens some of its own with its first connection
        before = open_files()
        await garbage(port, 200)
        await eventually(lambda: open_files() <= before)


async def test_a_flood_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """One line a second, with the number of the others."""
    async with made().running() as port:
        for _ in range(200):
            assert await is_closed(*await port.connect(b"garbage"))
    assert 0 < len(caplog.messages) < 20
    assert "more like it since the line before" in caplog.messages[-1]


class Full(socket.socket):
    """Of a process that has no descriptors left, once."""

    full = True

    def accept(self) -> tuple[socket.socket, object]:
        if self.full:
            self.full = False
            raise OSError(24, "Too many open files")
        return super().accept()


async def test_it_lives_through_a_time_without_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    full = Full(fileno=listen(Configuration()).detach())
    full.setblocking(False)
    async with Port(PortSettings(), full).running() as port:
        _, writer = await port.connect(encode_preface(WORKER))
        await eventually(lambda: port.workers)
        assert "Too many open files" in caplog.text
        writer.close()
        await writer.wait_closed()


async def test_its_end_closes_what_has_not_spoken() -> None:
    async with made().running() as port:
        address = port.listening.getsockname()
        reader, writer = await port.connect()
        _, known = await port.connect(encode_preface(WORKER))
        await eventually(lambda: port.workers)
        known.close()
    assert await is_closed(reader, writer)
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(*address)


def test_other_hosts_are_let_in_only_when_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Design 11."""
    wide = Configuration().with_(taskmanager.BIND_HOST, "0.0.0.0")
    with pytest.raises(ConfigurationError):
        listen(wide)
    listen(wide.with_(security.INSECURE, value=True)).close()
    assert "LISTENING ON 0.0.0.0 WITHOUT" in caplog.text


async def test_its_end_closes_what_has_just_come() -> None:
    """Although nobody has looked at it yet."""
    port = made()
    with port.listening, socket.create_connection(port.listening.getsockname()) as far:
        data_port = DataPort(port.listening, port.settings, Receivers(port.worker, port.ping, port.result))
        data_port._welcome(port.listening.accept()[0], "far")
        [task] = data_port._unknown
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert far.recv(1) == b""
