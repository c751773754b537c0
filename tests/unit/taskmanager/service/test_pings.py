"""Two TaskManagers that ping each other, through a network that a test can cut."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Epoch, JobId, RegionAttempt, RegionId, TaskManagerId, WorkerId
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment, WorkerPlacement
from millstream_runtime.messages.worker import DropPeer
from millstream_runtime.security import INTERNAL_NAME, InternalTls
from millstream_taskmanager.exchange.wire import ON_BOTH
from millstream_taskmanager.service.data_port import DataPort, Receivers, listen
from millstream_taskmanager.service.pings import PROOF_SIZE, Pings, PingSender, encode_ping_preface, ping_proof
from millstream_taskmanager.service.settings import PortSettings
from millstream_taskmanager.service.shell import monotonic_ms
from tests.support.certificates import WorkingSet, plain_contexts
from tests.support.few_files import few_files
from tests.unit.taskmanager.service.scripted import eventually

SETTINGS = PortSettings(ping_interval=20, ping_timeout=200, handshake_timeout=300, ping_limit=2)
SMALL, LARGE = TaskManagerId("a"), TaskManagerId("b")


class Cable:
    """A relay between two ports. Cut, it takes everything and lets nothing through, as a lost host does."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.cut = False
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except ConnectionError:  # nobody is there any more
            writer.close()
            return
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1_000):
                if not self.cut:
                    writer.write(data)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()


class End:
    """A TaskManager, as far as pings go."""

    def __init__(self, name: TaskManagerId, tls: InternalTls | None) -> None:
        self.name = name
        self.dropped: list[tuple[WorkerId, DropPeer]] = []
        self.pings = Pings(name, f"machine of {name}", SETTINGS, self.drop, tls)
        self.listening = listen(Configuration())
        self.port = int(self.listening.getsockname()[1])
        receivers = Receivers(lambda *_: "there is no worker", self.pings.adopt, lambda *_: "there are no results")
        self.tasks = [
            asyncio.create_task(self.pings.run()),
            asyncio.create_task(DataPort(self.listening, SETTINGS, receivers).run()),
        ]

    def drop(self, worker: WorkerId, drop: DropPeer) -> None:
        self.dropped.append((worker, drop))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Pair:
    """Both, and the cable between them."""

    def __init__(self, *tls: InternalTls | None) -> None:
        self.small, self.large = map(End, (SMALL, LARGE), tls)
        self.cable = Cable(self.large.port)
        self.address = 0

    def region(self) -> RegionDeployment:
        ports = {SMALL: self.small.port, LARGE: self.address}
        workers = tuple(
            WorkerPlacement(WorkerId(f"w-{name}"), 0, name, 0, DataAddress("127.0.0.1", port, "", f"machine of {name}"))
            for name, port in ports.items()
        )
        return RegionDeployment(RegionAttempt(JobId("j"), RegionId(0), 1), Epoch(1), b"s", workers)

    def begin(self) -> None:
        self.small.pings.begin(WorkerId(f"w-{SMALL}"), self.region())
        self.large.pings.begin(WorkerId(f"w-{LARGE}"), self.region())

    async def talk(self, milliseconds: int) -> None:
        """Wait until each end has heard a ping of the other that is so much later than now."""
        until = monotonic_ms() + milliseconds

        def heard() -> bool:
            ends = [*self.small.pings._asked.values()], self.large.pings._answered
            return all(any(connection.heard_at >= until for connection in end) for end in ends)

        await eventually(heard)


@contextlib.asynccontextmanager
async def paired(small: InternalTls | None = None, large: InternalTls | None = None) -> AsyncGenerator[Pair]:
    pair = Pair(small, large)
    pair.address = await pair.cable.start()
    yield pair
    await pair.small.stop()
    await pair.large.stop()
    pair.cable.stop()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with paired() as pair:
        yield pair


@pytest.fixture
async def secured(working_set: WorkingSet) -> AsyncIterator[Pair]:
    tls = InternalTls(working_set.configuration())
    async with paired(tls, tls) as pair:
        yield pair


async def test_a_pair_keeps_one_connection_and_nobody_is_dropped(pair: Pair) -> None:
    pair.begin()
    await pair.talk(3 * SETTINGS.ping_timeout)
    assert (pair.small.dropped, pair.large.dropped) == ([], [])
    assert pair.cable.connections == 1


async def test_a_lost_network_is_noticed_at_both_ends(pair: Pair) -> None:
    pair.begin()
    await eventually(lambda: pair.cable.connections)
    pair.cable.cut = True
    await eventually(lambda: pair.small.dropped and pair.large.dropped)
    [(worker, drop)] = pair.small.dropped
    assert (worker, drop.taskmanager) == (WorkerId("w-a"), LARGE)
    assert "has not answered for" in drop.reason
    assert [(worker, drop.taskmanager) for worker, drop in pair.large.dropped] == [(WorkerId("w-b"), SMALL)]


async def test_a_peer_that_never_was_there_is_noticed(pair: Pair) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        pair.address = nobody.getsockname()[1]
        pair.small.pings.begin(WorkerId("w-a"), pair.region())
        await eventually(lambda: pair.small.dropped)


async def test_a_broken_connection_is_made_again(pair: Pair) -> None:
    pair.begin()
    await eventually(lambda: pair.large.pings._answered)
    pair.large.pings._answered[0].close()
    await eventually(lambda: pair.cable.connections == 2)
    await pair.talk(2 * SETTINGS.ping_timeout)
    assert (pair.small.dropped, pair.large.dropped) == ([], [])


async def test_the_connection_ends_with_the_last_worker(pair: Pair) -> None:
    pair.begin()
    await eventually(lambda: pair.small.pings._asked)
    pair.small.pings.end(WorkerId("w-a"))
    pair.large.pings.end(WorkerId("w-b"))
    await eventually(lambda: not pair.small.pings._asked)
    await eventually(lambda: not any(connection.is_open for connection in pair.large.pings._answered))


def preface(name: TaskManagerId, proof: bytes = bytes(PROOF_SIZE), *, tls: bool = False) -> bytes:
    return encode_ping_preface(PingSender(name, proof, tls))


async def call(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the other side has closed it."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(100):
            pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_garbage_on_a_ping_connection_closes_it(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    await end(*await call(pair.large.port, preface(SMALL) + b"? and more"))
    assert "it said b'? and more'" in caplog.text


async def test_much_of_it_fills_no_log(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        await end(*await call(pair.large.port, preface(SMALL) + b"? and more"))
    assert len([record for record in caplog.records if "it said" in record.message]) < 10


async def test_a_silent_ping_connection_is_closed(pair: Pair) -> None:
    await end(*await call(pair.large.port, preface(SMALL)))


async def test_of_too_many_ping_connections_the_oldest_is_closed(pair: Pair) -> None:
    opened = [await call(pair.large.port, preface(TaskManagerId(f"c{n}")) + b"?") for n in range(3)]
    await end(*opened[0])
    for reader, writer in opened[1:]:
        assert await reader.read(1) == b"!"
        writer.close()
        await writer.wait_closed()


async def test_made_up_ids_push_no_peer_out(pair: Pair) -> None:
    pair.begin()
    await eventually(lambda: any(connection.proved for connection in pair.large.pings._answered))
    for number in range(10):
        reader, writer = await call(pair.large.port, preface(TaskManagerId(f"c{number}")) + b"?")
        assert await reader.read(1) == b"!"
        writer.close()
        await writer.wait_closed()
    assert pair.cable.connections == 1
    assert pair.large.pings._answered[0].is_open


async def test_of_too_many_with_one_id_the_oldest_of_them_goes(pair: Pair) -> None:
    names = ["honest", "many", "many"]
    opened = [await call(pair.large.port, preface(TaskManagerId(name)) + b"?") for name in names[:2]]
    for reader, _ in opened:
        assert await reader.read(1) == b"!"
    opened.append(await call(pair.large.port, preface(TaskManagerId(names[2])) + b"?"))
    await end(*opened.pop(1))
    assert await opened[1][0].read(1) == b"!"
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()


async def test_who_can_not_prove_to_be_a_peer_does_not_keep_a_dead_one_alive(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.large.pings.begin(WorkerId("w-b"), pair.region())
    await end(*await call(pair.large.port, preface(SMALL, ping_proof(b"guessed", SMALL, LARGE)) + b"?"))
    assert "says it is TaskManager a and can't prove it" in caplog.text
    await eventually(lambda: pair.large.dropped)


async def test_a_peer_that_asks_before_our_worker_starts_is_answered_and_then_heard(pair: Pair) -> None:
    pair.small.pings.begin(WorkerId("w-a"), pair.region())
    await pair.talk(2 * SETTINGS.ping_timeout)
    pair.large.pings.begin(WorkerId("w-b"), pair.region())
    await pair.talk(2 * SETTINGS.ping_timeout)
    assert (pair.small.dropped, pair.large.dropped, pair.cable.connections) == ([], [], 1)


async def test_a_peer_that_knows_more_attempts_than_we_finds_one_that_both_know(pair: Pair) -> None:
    other = replace(pair.region(), secret=b"of an attempt that has ended here")
    pair.small.pings.begin(WorkerId("w-a"), pair.region())
    pair.small.pings.begin(WorkerId("w-a2"), other)
    pair.large.pings.begin(WorkerId("w-b"), pair.region())
    await eventually(lambda: any(connection.proved for connection in pair.large.pings._answered))
    assert (pair.small.dropped, pair.large.dropped) == ([], [])


async def test_members_ping_each_other_in_tls(secured: Pair) -> None:
    secured.begin()
    await secured.talk(2 * SETTINGS.ping_timeout)
    assert (secured.small.dropped, secured.large.dropped, secured.cable.connections) == ([], [], 1)
    connection = secured.large.pings._answered[0]
    assert connection._transport is not None
    assert connection._transport.get_extra_info("cipher") is not None


async def test_a_lost_network_is_noticed_through_tls(secured: Pair) -> None:
    secured.begin()
    await secured.talk(0)
    secured.cable.cut = True
    await eventually(lambda: secured.small.dropped and secured.large.dropped)


@pytest.mark.parametrize("with_tls", [0, 1])
async def test_with_and_without_tls_there_is_no_ping_and_the_silence_says_why(
    with_tls: int, working_set: WorkingSet
) -> None:
    """At the end that answers; the other one knows that it was closed."""
    between: list[InternalTls | None] = [None, None]
    between[with_tls] = InternalTls(working_set.configuration())
    async with paired(*between) as pair:
        pair.begin()
        await eventually(lambda: pair.small.dropped and pair.large.dropped)
        speaks = ("it speaks TLS, and we don't", "it doesn't speak TLS")[with_tls]
        assert pair.large.dropped[0][1].reason.endswith(f"({speaks}: {ON_BOTH})")
        assert "it closed the connection" in pair.small.dropped[0][1].reason


async def test_a_taskmanager_of_another_cluster_is_not_heard(
    working_set: WorkingSet, strangers: WorkingSet, caplog: pytest.LogCaptureFixture
) -> None:
    async with paired(InternalTls(strangers.configuration()), InternalTls(working_set.configuration())) as pair:
        pair.begin()
        await eventually(lambda: pair.small.dropped and pair.large.dropped)
        assert "certificate verify failed" in pair.small.dropped[0][1].reason
        assert "a ping connection with TaskManager a has failed: " in caplog.text


async def test_who_shows_no_certificate_is_not_answered(
    secured: Pair, working_set: WorkingSet, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await call(secured.large.port, preface(TaskManagerId("c"), tls=True))
    context = plain_contexts(None, working_set.trusted())[1]
    with contextlib.suppress(OSError):
        await writer.start_tls(context, server_hostname=INTERNAL_NAME)
        writer.write(b"?")
        assert await reader.read(1) == b""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await eventually(lambda: "TaskManager c has failed: " in caplog.text)
    assert "peer did not return a certificate" in caplog.text


async def test_who_has_a_certificate_without_the_name_is_not_answered(
    secured: Pair, working_set: WorkingSet, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await call(secured.large.port, preface(TaskManagerId("c"), tls=True))
    context = plain_contexts(working_set.issued("somebody"), working_set.trusted())[1]
    await writer.start_tls(context, server_hostname=INTERNAL_NAME)
    writer.write(b"?")
    with contextlib.suppress(OSError):
        assert await reader.read(1) == b""
    await eventually(lambda: "lacks the name internal.millstream" in caplog.text)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_who_begins_no_tls_is_closed_in_time_while_others_go_on(secured: Pair) -> None:
    secured.begin()
    silent = await call(secured.large.port, preface(TaskManagerId("c"), tls=True))
    await secured.talk(SETTINGS.ping_timeout)
    await end(*silent)
    assert (secured.small.dropped, secured.large.dropped) == ([], [])


async def test_where_few_files_may_be_open_fewer_strangers_stay() -> None:
    """However many the setting allows: else nothing could be deployed any more."""
    pings = Pings(LARGE, "its machine", replace(SETTINGS, ping_limit=1_000), lambda *_: None)
    running = asyncio.create_task(pings.run())
    with few_files() as places, contextlib.ExitStack() as theirs:
        strangers = list[socket.socket]()
        for number in range(places + 3):
            here, there = socket.socketpair()
            here.setblocking(False)
            strangers.append(theirs.enter_context(here))
            await pings.adopt(PingSender(TaskManagerId(f"stranger-{number}"), bytes(PROOF_SIZE)), there)
        for closed in strangers[:3]:
            assert await asyncio.get_running_loop().sock_recv(closed, 1) == b""
        with pytest.raises(BlockingIOError):
            strangers[3].recv(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
