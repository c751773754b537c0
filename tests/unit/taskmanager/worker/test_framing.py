"""Messages on a socket: in pieces, in heaps, with descriptors, and what is none."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import (
    JobId,
    OperatorId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    VertexId,
    WorkerId,
)
from millstream_proto import worker_pb2
from millstream_runtime.messages.codec import MalformedMessageError
from millstream_runtime.messages.session import OperatorRequest
from millstream_runtime.messages.worker import CancelTasks, FromWorker, PeerConnected, ToWorker
from millstream_taskmanager.worker.framing import FRAME_LIMIT, MessageSocket


class Pair:
    """A TaskManager's end, and a worker's."""

    def __init__(self) -> None:
        self.raw, end = socket.socketpair()
        self.sender = MessageSocket(self.raw, worker_pb2.ToWorker, worker_pb2.FromWorker, FromWorker)
        self.receiver = MessageSocket(end, worker_pb2.FromWorker, worker_pb2.ToWorker, ToWorker)

    def deliver(self) -> list[Any]:
        """Send and receive in turns, until all has come."""
        messages: list[Any] = []
        while not self.sender.flush():
            messages += self.receiver.receive()
        before = -1
        while before != self.receiver.received:
            before = self.receiver.received
            messages += self.receiver.receive()
        return messages

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def request(size: int) -> OperatorRequest:
    task = TaskId(RegionAttempt(JobId("job"), RegionId(0), 1), SubtaskId(VertexId("v"), 0))
    return OperatorRequest(7, task, OperatorId("op"), bytes(size))


@given(st.lists(st.text(max_size=50), max_size=20), st.integers(1, 40))
def test_messages_arrive_whole_however_they_are_cut(reasons: list[str], size: int) -> None:
    sender, receiver = socket.socketpair()
    cut = MessageSocket(sender, worker_pb2.ToWorker, worker_pb2.FromWorker, FromWorker)
    end = MessageSocket(receiver, worker_pb2.FromWorker, worker_pb2.ToWorker, ToWorker)
    try:
        for reason in reasons:
            cut.send(CancelTasks(reason))
        data = b"".join(bytes(frame) for frame, _ in cut._outgoing)
        heard: list[Any] = []
        for start in range(0, len(data), size):
            sender.send(data[start : start + size])
            heard += end.receive()
        assert heard == [CancelTasks(reason) for reason in reasons]
    finally:
        cut.close()
        end.close()


def test_a_message_larger_than_the_sockets_buffer_arrives(pair: Pair) -> None:
    pair.sender.send(request(3 << 20))
    assert not pair.sender.flush()
    assert pair.sender.unsent > 1 << 20
    assert pair.deliver() == [request(3 << 20)]
    assert pair.sender.unsent == 0


def test_a_message_over_the_limit_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match=r"an? OperatorRequest of 16,\d{3},\d{3} bytes|over the limit"):
        pair.sender.send(request(FRAME_LIMIT))
    pair.sender.send(CancelTasks("it goes on"))
    assert pair.deliver() == [CancelTasks("it goes on")]


def test_descriptors_come_with_their_messages(pair: Pair) -> None:
    readers: list[int] = []
    for number in range(40):
        reader, writer = os.pipe()
        readers.append(reader)
        pair.sender.send(request(number * 5_000))
        pair.sender.send(PeerConnected(WorkerId(str(number))), writer)
    peers = 0
    while not pair.sender.flush() or peers < 40:
        for message in pair.receiver.receive():
            if isinstance(message, PeerConnected):
                descriptor = pair.receiver.take_descriptor()
                assert descriptor is not None
                assert not os.get_inheritable(descriptor)
                os.write(descriptor, message.worker.encode())
                os.close(descriptor)
                peers += 1
    for number, reader in enumerate(readers):
        assert os.read(reader, 10) == str(number).encode()
        os.close(reader)
    assert pair.receiver.take_descriptor() is None


def test_descriptors_that_nobody_takes_are_closed(pair: Pair) -> None:
    """The leak check counts them."""
    for _ in range(3):
        reader, writer = os.pipe()
        pair.sender.send(PeerConnected(WorkerId("w")), writer)
        os.close(reader)
    pair.sender.flush()
    list(pair.receiver.receive())
    reader, writer = os.pipe()
    os.close(reader)
    pair.sender.send(PeerConnected(WorkerId("w")), writer)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff\xff\xff", "over the limit"),
        (b"\x03\x00\x00\x00\xff\xff\xff", "3 bytes that are no ToWorker"),
        (b"\x00\x00\x00\x00", "with the body None"),
    ],
)
def test_what_is_no_message_is_named(pair: Pair, data: bytes, words: str) -> None:
    pair.raw.send(data)
    with pytest.raises(MalformedMessageError, match=words):
        list(pair.receiver.receive())


def test_the_end_of_the_socket_is_told(pair: Pair) -> None:
    pair.raw.shutdown(socket.SHUT_RDWR)
    with pytest.raises(EOFError):
        list(pair.receiver.receive())
    pair.sender.send(CancelTasks("nobody hears"))
    with pytest.raises(OSError, match="Broken pipe"):
        pair.sender.flush()
