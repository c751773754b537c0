"""A socket with an outbox and a parser: nothing is lost however little goes at a time."""

import errno
import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.records import Element, RowBatch, Watermark
from millstream_taskmanager.exchange.connection import Connection
from millstream_taskmanager.exchange.credits import NO_LIMIT, ByteCredits
from millstream_taskmanager.exchange.frames import Frame, FrameParser, Kind, pack_header
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.greeting import Loop
from millstream_taskmanager.exchange.link import Link, PeerLoss
from millstream_taskmanager.exchange.outbox import Outbox
from millstream_taskmanager.exchange.wire import PlainWire, Wire
from tests.support.wire import ANYTHING, WireLoop, channel, deployment, drain

REGION = deployment(Path("nowhere"))
SIZES = (1, 10, 3_000, 9_000, 100_000, 1)


class Host:
    """Whose connection it is."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.reasons: list[str] = []
        self.flushes = 0

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)

    def flush(self) -> None:
        self.flushes += 1

    def lose(self, reason: str) -> None:
        self.reasons.append(reason)


class Two:
    """A connection, and the bare socket at its other end."""

    def __init__(self, host: Host | Link, outbox: Outbox | None = None) -> None:
        self.loop = WireLoop()
        self.around = Loop(self.loop.poller, self.loop.call_later, 1_000)
        self.outbox = Outbox() if outbox is None else outbox
        own, self.far = socket.socketpair()
        own.setblocking(False)
        self.far.setblocking(False)
        if isinstance(host, Link):
            host.connect(PlainWire(own), self.around, FrameParser(1_000, 2_000))
        else:
            self.connection = Connection(PlainWire(own), self.around, FrameParser(1 << 20, 4_096), self.outbox, host)
        self.own = own

    def close(self) -> None:
        self.far.close()
        self.own.close()
        self.loop.close()


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def two(host: Host) -> Iterator[Two]:
    two = Two(host)
    yield two
    two.close()


def said() -> tuple[bytes, list[Element]]:
    """What a worker says, as bytes and as elements: rows small and large, watermarks between."""
    link = Link(REGION.workers[1], 1 << 20, lambda _: None, lambda _: None)
    end = link.add_sending_end(channel(), 1 << 30, ANYTHING)
    end.granted(1 << 30, NO_LIMIT)
    elements: list[Element] = []
    for size in SIZES:
        elements += [RowBatch([size, "x" * size]), Watermark(size)]
    for element in elements:
        end.send(element, 1 if isinstance(element, RowBatch) else 0, more=False)
    return b"".join(map(bytes, link._outbox._buffers)), elements


SAID, ELEMENTS = said()


@given(st.lists(st.integers(0, len(SAID)), max_size=40))
def test_a_stream_that_comes_in_any_pieces_gives_the_same_elements(cuts: list[int]) -> None:
    losses: list[PeerLoss] = []
    link = Link(REGION.workers[0], 1 << 20, lambda _: None, losses.append)
    gate = Gate([channel()], [0], ByteCredits(1, 1 << 20, 0), lambda: None)
    gate.connect(0, link.add_receiving_end(channel(), gate, 0, ANYTHING))
    two = Two(link)
    found: list[Element] = []
    edges = [0, *sorted(cuts), len(SAID)]
    for start, end in pairwise(edges):
        piece = memoryview(SAID)[start:end]
        while piece:
            piece = piece[two.far.send(piece) :]
            two.loop.poller.poll(0)
        found += drain(gate)
    while len(found) < len(ELEMENTS):
        two.loop.until(lambda: gate.ready)
        found += drain(gate)
    assert found == ELEMENTS
    assert losses == []
    link.close()
    two.close()


def test_more_than_the_kernel_takes_goes_out_in_turns(host: Host, two: Two) -> None:
    parts = [bytes([number % 256]) * (number * 7 % 1_500) for number in range(3_000)]  # more than IOV_MAX
    places = [two.outbox.put(part) for part in parts]
    two.connection.flush()
    assert two.connection.blocked
    assert not two.outbox.is_whole(places[0])
    assert two.outbox.is_whole(places[-1])
    came = bytearray()

    def receive() -> bool:
        try:
            came.extend(two.far.recv(1 << 20))
        except BlockingIOError:
            two.connection.flush()
        return not two.outbox and len(came) == sum(map(len, parts))

    two.loop.until(receive)
    assert bytes(came) == b"".join(parts)
    assert host.flushes > 0
    assert host.reasons == []


def test_a_buffer_may_be_changed_until_a_part_of_it_has_gone(two: Two) -> None:
    filler, watermark = bytes(2 << 20), bytearray(b"old!")
    two.outbox.put(filler)
    place = two.outbox.put(watermark)
    two.connection.flush()
    assert two.outbox.is_whole(place)
    watermark[:] = b"new!"
    came = bytearray()

    def receive() -> bool:
        try:
            came.extend(two.far.recv(1 << 20))
        except BlockingIOError:
            two.connection.flush()
        return not two.outbox and len(came) == len(filler) + 4

    two.loop.until(receive)
    assert came[-4:] == b"new!"
    assert not two.outbox.is_whole(place)


def test_what_a_peer_sent_before_it_went_is_taken_before_the_loss(host: Host, two: Two) -> None:
    """Although sending to it has failed by then."""
    two.far.send(pack_header(Kind.END, 0, (0, 0, 0), 0, 0))
    two.far.close()
    two.outbox.put(b"x" * 100)
    two.connection.flush()
    assert host.reasons == []
    two.loop.until(lambda: host.reasons)
    assert [frame.kind for frame in host.frames] == [Kind.END]
    assert len(host.reasons) == 1


def test_a_fast_peer_leaves_the_tasks_their_turn(host: Host, two: Two) -> None:
    """One turn of the poller reads a bounded amount, whatever comes behind it."""
    frame = pack_header(Kind.ROWS, 0, (0, 0, 0), 0, 4_000) + bytes(4_000)
    sent = 0
    while True:
        try:
            sent += two.far.send(frame * 10) // len(frame)
        except BlockingIOError:
            break
    two.loop.poller.poll(0)
    assert 0 < len(host.frames) < sent


class Failing(Outbox):
    """Sending fails with these errors, one after the other, then it succeeds."""

    __slots__ = ("errors",)

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.errors = list(numbers)

    def send(self, wire: Wire) -> None:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        super().send(wire)


class Flushing(Host):
    """Sends when it is told that it can."""

    connection: Connection

    def flush(self) -> None:
        super().flush()
        self.connection.flush()


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENOMEM])
def test_a_system_without_memory_is_asked_again(number: int) -> None:
    host = Flushing()
    two = Two(host, Failing(number, number))
    host.connection = two.connection
    two.outbox.put(b"at last")
    two.connection.flush()
    assert two.connection.blocked
    two.loop.until(lambda: not two.outbox)
    assert two.far.recv(100) == b"at last"
    assert (host.flushes, host.reasons) == (2, [])
    two.close()


def test_nothing_is_sent_by_timer_once_it_is_closed() -> None:
    host = Flushing()
    two = Two(host, Failing(errno.ENOBUFS))
    two.connection.flush()
    two.connection.close()
    assert two.loop.delays.wait() is None
    two.close()


def test_any_other_error_of_sending_is_a_loss_that_names_it() -> None:
    host = Host()
    two = Two(host, Failing(errno.EHOSTUNREACH))
    two.connection.flush()
    assert host.reasons == ["sending failed: [Errno 113] No route to host"]
    two.close()


def test_empty_buffers_go_with_the_others(host: Host, two: Two) -> None:
    assert two.outbox.put(b"", b"one", b"") == 2
    assert two.outbox.put(b"") == 3
    two.connection.flush()
    assert (bool(two.outbox), two.far.recv(100)) == (False, b"one")
    assert two.outbox.put(b"two", b"three") == 5
    assert two.outbox.is_whole(4)
    two.connection.flush()
    assert (two.outbox.is_whole(5), two.far.recv(100)) == (False, b"twothree")
