"""Who gets no connection: strangers are closed in time and in number, and peers that never come are losses."""

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from millstream_dataflow.records import (
    RowBatch,
)
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import HEADER, NO_CHANNEL, Kind, pack_header
from millstream_taskmanager.exchange.handshake import NONCE_SIZE, Connector, Party
from tests.support.wire import (
    ATTEMPT,
    SECRET,
    WireLoop,
    WireWorker,
    deployment,
    impatient,
    worker,
)
from tests.unit.taskmanager.exchange.wires import SteppedLoop, begin, collect, send


@pytest.fixture
def loop() -> Iterator[SteppedLoop]:
    loop = SteppedLoop()
    yield loop
    loop.close()


def _logged(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


def test_strangers_are_closed_with_a_line_in_the_log(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker], caplog: pytest.LogCaptureFixture
) -> None:
    _, host = pair
    host.gate(worker(0))
    begin(host)
    hello = Connector(Party(worker(0), replace(ATTEMPT, number=2), SECRET), worker(1), bytes(NONCE_SIZE)).hello()
    talks = {
        b"GET / HTTP/1.1\r\n\r\n" * 3: "unknown kind",
        HEADER.pack(0xFFFFFFFF, Kind.HELLO, 0, 0, 0, 0, 0): "4294967295 bytes was announced",
        pack_header(Kind.ROWS, 0, NO_CHANNEL, 0, 3) + b"abc": "it said ROWS 0 where HELLO 0 was due",
        pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, len(hello)) + hello: "attempt 2, this is",
    }
    for talk, words in talks.items():
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(host.socket_path)
            stranger.send(talk)
            loop.until(partial(_logged, caplog, words))
            assert stranger.recv(100) == b""
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert host.losses == []


def test_a_stranger_who_is_silent_or_stops_in_the_middle_is_closed_in_time(
    loop: WireLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = WireWorker(loop, deployment(tmp_path), 1, replace(impatient(), deploy_timeout=10_000))
    host.gate(worker(0))
    begin(host)
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as half:
        silent.connect(host.socket_path)
        half.connect(host.socket_path)
        half.send(pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, 200) + b"x" * 100)
        loop.until(lambda: caplog.text.count("no handshake within 200 ms") == 2)
        assert (silent.recv(1), half.recv(1)) == (b"", b"")
    assert len(loop.poller._readers) == 1


def test_strangers_are_bounded_in_number(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker], caplog: pytest.LogCaptureFixture
) -> None:
    _, host = pair
    host.gate(worker(0))
    begin(host)
    strangers = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for stranger in strangers:
        stranger.connect(host.socket_path)
    loop.until(lambda: caplog.text.count("17 haven't proved who they are") == 60 - 17)
    assert len(loop.poller._readers) == 1 + 17
    strangers[60 - 18].setblocking(False)
    assert strangers[60 - 18].recv(1) == b""  # the oldest have gone
    strangers[60 - 17].setblocking(False)
    with pytest.raises(BlockingIOError):
        strangers[60 - 17].recv(1)
    for stranger in strangers:
        stranger.close()


def test_a_peer_gets_in_past_too_many_strangers(loop: WireLoop, pair: tuple[WireWorker, WireWorker]) -> None:
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(other)
    strangers = [socket.socket(socket.AF_UNIX) for _ in range(17)]
    for stranger in strangers:
        stranger.connect(other.socket_path)
    loop.until(lambda: len(loop.poller._readers) == 1 + 17)
    begin(one)
    send(out, RowBatch([1]))
    assert collect(loop, gate, len) == [RowBatch([1])]
    for stranger in strangers:
        stranger.close()


def test_a_peer_that_is_connected_can_not_connect_again(
    loop: WireLoop, pair: tuple[WireWorker, WireWorker], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = pair
    out, gate = one.writer(worker(1)), other.gate(worker(0))
    begin(one, other)
    send(out, RowBatch([1]))
    collect(loop, gate, len)
    hello = Connector(Party(worker(0), ATTEMPT, SECRET), worker(1), bytes(NONCE_SIZE)).hello()
    with socket.socket(socket.AF_UNIX) as double:
        double.connect(other.socket_path)
        double.send(pack_header(Kind.HELLO, 0, NO_CHANNEL, 0, len(hello)) + hello)
        loop.until(lambda: "it is connected, or was" in caplog.text)
    send(out, RowBatch([2]))
    assert collect(loop, gate, len) == [RowBatch([2])]


def test_workers_with_different_secrets_never_meet(loop: WireLoop, tmp_path: Path) -> None:
    one = WireWorker(loop, deployment(tmp_path, secret=b"a"), 0, impatient())
    other = WireWorker(loop, deployment(tmp_path, secret=b"b"), 1, impatient())
    one.writer(worker(1))
    other.gate(worker(0))
    begin(one, other)
    loop.until(lambda: one.losses)  # the other has found the first, and so needn't give up
    assert "doesn't know the secret" in one.losses[0].reason
    assert "within 400 ms" in one.losses[0].reason


def test_a_peer_that_never_listens_is_a_loss_with_what_was_tried(loop: WireLoop, tmp_path: Path) -> None:
    one = WireWorker(loop, deployment(tmp_path), 0, impatient())
    one.writer(worker(1))
    begin(one)
    loop.until(lambda: one.losses)
    [loss] = one.losses
    assert (loss.worker, loss.taskmanager) == (worker(1), "taskmanager-1")
    assert "within 400 ms" in loss.reason
    assert "No such file" in loss.reason


def test_a_peer_that_never_comes_is_a_loss_for_the_one_that_listens_too(loop: WireLoop, tmp_path: Path) -> None:
    other = WireWorker(loop, deployment(tmp_path), 1, impatient())
    other.gate(worker(0))
    begin(other)
    loop.until(lambda: other.losses)
    [loss] = other.losses
    assert loss.worker == worker(0)
    assert loss.reason.startswith("it has not begun to listen on")


def test_a_host_where_nobody_answers_is_a_loss_that_says_so(loop: WireLoop, tmp_path: Path) -> None:
    with socket.socket() as full:  # its backlog takes one connection, and that one is taken
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            region = deployment(tmp_path, machines=["a", "b"], ports=[0, full.getsockname()[1]])
            one = WireWorker(loop, region, 0, impatient())
            one.writer(worker(1))
            begin(one)
            loop.until(lambda: one.losses)
    assert one.losses[0].reason.endswith("within 400 ms (1 try); the last one: nobody answers")


def test_a_port_where_nobody_listens_is_a_loss_too(loop: WireLoop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    one = WireWorker(loop, deployment(tmp_path, machines=["a", "b"], ports=[0, port]), 0, impatient())
    one.writer(worker(1))
    begin(one)
    loop.until(lambda: one.losses)
    assert "refused" in one.losses[0].reason
    assert f"127.0.0.1:{port}" in one.losses[0].reason


def test_only_workers_of_the_region_are_peers(pair: tuple[WireWorker, WireWorker]) -> None:
    for stranger in (worker(7), worker(0)):
        with pytest.raises(ExchangeError, match="is no peer of"):
            pair[0].writer(stranger)
