"""TLS on a socket: whatever goes in comes out, in any pieces; what is held is told; an end means nothing."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_taskmanager.exchange.connection import Connection
from millstream_taskmanager.exchange.frames import FrameParser, Kind, pack_header
from millstream_taskmanager.exchange.greeting import Loop
from millstream_taskmanager.exchange.outbox import Outbox
from millstream_taskmanager.exchange.tls import TlsError
from millstream_taskmanager.exchange.wire import Wire, Wires
from tests.support.certificates import WorkingSet
from tests.support.wire import WireLoop
from tests.unit.taskmanager.exchange.hosts import wires
from tests.unit.taskmanager.exchange.test_connection import Host

SIZES = (0, 1, 16, 4_095, 4_096, 16_384, 131_071, 131_072, 131_073, 400_000)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Wires:
    return wires(WorkingSet(tmp_path_factory.mktemp("members") / "set"))


class Ends:
    """Both ends of a connection that have met."""

    def __init__(self, members: Wires, sock: type[socket.socket] = socket.socket) -> None:
        near, far = socket.socketpair()
        self.near: Wire = members.calling(sock(fileno=near.detach()))
        self.far: Wire = members.answering(far)
        for wire in (self.near, self.far):
            wire.sock.setblocking(False)
        self.near.send([b"hello"])
        for wire in (self.far, self.near):
            with pytest.raises(BlockingIOError):
                receive(wire)
        assert receive(self.far) == b"hello"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.near.sock.close()
        self.far.sock.close()


@pytest.fixture
def ends(members: Wires) -> Iterator[Ends]:
    with Ends(members) as ends:
        yield ends


def receive(wire: Wire, *rooms: int) -> bytes:
    """What comes, into rooms of these sizes."""
    room = [memoryview(bytearray(size)) for size in rooms or (100_000,)]
    count = wire.receive(room)
    return b"".join(room)[:count]


def content(sizes: Sequence[int]) -> list[bytes]:
    return [bytes([number % 251]) * size for number, size in enumerate(sizes)]


@given(
    st.lists(st.sampled_from(SIZES) | st.integers(0, 300_000), max_size=12),
    st.lists(st.integers(1, 70_000), min_size=1, max_size=8),
)
def test_what_is_sent_arrives_in_any_pieces(members: Wires, sizes: list[int], rooms: list[int]) -> None:
    outbox, parts, came = Outbox(), content(sizes), bytearray()
    outbox.put(*parts)
    turn = 0
    with Ends(members) as ends:
        while len(came) < sum(sizes) or outbox:
            with suppress(BlockingIOError):
                outbox.send(ends.near)
            with suppress(BlockingIOError):
                came += receive(ends.far, rooms[turn % len(rooms)], rooms[-turn % len(rooms)])
            turn += 1
        assert bytes(came) == b"".join(parts)
        with pytest.raises(BlockingIOError):
            receive(ends.far)
        assert not ends.far.holds


class Frames(Host):
    """Takes frames, and sends when it can."""

    connection: Connection

    def flush(self) -> None:
        self.connection.flush()


def test_frames_of_all_sizes_pass_a_slow_receiver(ends: Ends) -> None:
    """It reads when the sender has filled what the system holds for it."""
    loop = WireLoop()
    around = Loop(loop.poller, loop.call_later, 1_000)
    sender, receiver, outbox = Frames(), Host(), Outbox()
    sender.connection = Connection(ends.near, around, FrameParser(1 << 20, 4_096), outbox, sender)
    payloads = content(SIZES * 4)
    for number, payload in enumerate(payloads):
        outbox.put(pack_header(Kind.ROWS, 0, (0, 0, 0), number, len(payload)), payload)
    sender.connection.flush()
    assert sender.connection.blocked
    taking = Connection(ends.far, around, FrameParser(1 << 20, 4_096), Outbox(), receiver)
    loop.until(lambda: len(receiver.frames) == len(payloads))
    assert [bytes(frame.payload) for frame in receiver.frames] == payloads
    assert not outbox
    assert (sender.reasons, receiver.reasons) == ([], [])
    for connection in (sender.connection, taking):
        connection.close()
    loop.close()


def test_one_turn_takes_all_that_has_come_through_the_socket(ends: Ends) -> None:
    """For no poller tells of what OpenSSL holds."""
    loop, host = WireLoop(), Host()
    frame = pack_header(Kind.ROWS, 0, (0, 0, 0), 0, 100) + bytes(100)
    connection = Connection(ends.far, Loop(loop.poller, loop.call_later, 1_000), FrameParser(200, 200), Outbox(), host)
    ends.near.send([frame * 500])
    loop.poller.poll(0)
    assert len(host.frames) == 500
    connection.close()
    loop.close()


def test_what_came_along_with_the_handshake_is_taken_too(ends: Ends) -> None:
    loop, host = WireLoop(), Host()
    ends.near.send([pack_header(Kind.END, 0, (0, 0, 0), 0, 0) * 3])
    assert receive(ends.far, 10) == pack_header(Kind.END, 0, (0, 0, 0), 0, 0)[:10]
    assert ends.far.holds
    parser = FrameParser(200, 200)
    parser.room()[0][:10] = pack_header(Kind.END, 0, (0, 0, 0), 0, 0)[:10]
    parser.received(10)
    connection = Connection(ends.far, Loop(loop.poller, loop.call_later, 1_000), parser, Outbox(), host)
    connection.resume()
    assert [frame.kind for frame in host.frames] == [Kind.END] * 3
    connection.close()
    loop.close()


def test_a_watermark_that_is_encrypted_can_not_be_changed_any_more(ends: Ends) -> None:
    outbox = Outbox()
    outbox.put(bytes(4 << 20))
    with pytest.raises(BlockingIOError):
        outbox.send(ends.near)
    watermark = outbox.put(bytearray(b"old!"))
    assert outbox.is_whole(watermark)
    came = 0
    while outbox:
        came += len(receive(ends.far))
        try:
            outbox.send(ends.near)
        except BlockingIOError:
            continue
    assert not outbox.is_whole(watermark)


class Poor(socket.socket):
    """Of a system that has no memory once."""

    poor = False

    def send(self, data: "memoryview", /) -> int:  # type: ignore[override]  # no flags here
        if self.poor:
            self.poor = False
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().send(data)


def test_a_system_without_memory_makes_nothing_go_twice(members: Wires) -> None:
    outbox = Outbox()
    outbox.put(b"one", b"two")
    with Ends(members, Poor) as ends:
        sock = ends.near.sock
        assert isinstance(sock, Poor)
        sock.poor = True
        outbox.send(ends.near)
        outbox.send(ends.near)
        assert receive(ends.far) == b"onetwo"


def test_an_end_that_is_not_said_is_one(ends: Ends) -> None:
    """What was complete is said by frames."""
    ends.near.send([b"half a fr"])
    ends.near.sock.close()
    assert (receive(ends.far), receive(ends.far, 5)) == (b"half a fr", b"")


def test_an_end_that_is_said_is_one_too(members: Wires) -> None:
    """We say none."""
    with Ends(members) as ends:
        ends.near.send([b"half a fr"])
        tls: ssl.SSLObject = vars(ends.near)["_tls"]
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()
        ends.near.flush()
        assert (receive(ends.far), receive(ends.far), receive(ends.far)) == (b"half a fr", b"", b"")


def test_what_somebody_puts_between_is_no_frame(ends: Ends) -> None:
    ends.near.send([b"good"])
    ends.near.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert receive(ends.far, 4) == b"good"
    with pytest.raises(TlsError, match="TLS failed: "):
        receive(ends.far)
