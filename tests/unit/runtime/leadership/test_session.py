"""A session goes on whatever happens to kazoo's thread, and ends in time whatever hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_runtime.leadership import session as session_module
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.zookeeper import ZooKeeper
from tests.support.clusters import until
from tests.support.small_zookeeper import SmallZooKeeper


@pytest.fixture
def server() -> Generator[SmallZooKeeper]:
    with closing(SmallZooKeeper()) as small:
        yield small


@pytest.fixture
def client(server: SmallZooKeeper) -> Generator[ZooKeeper]:
    """Not started yet."""
    made = zookeeper(Configuration().with_text("high-availability.zookeeper.quorum", server.hosts))
    yield made
    made.stop()


def once(fails: Exception) -> Callable[[], None]:
    """A call that fails the first time."""
    failures = [fails]

    def call() -> None:
        if failures:
            raise failures.pop()

    return call


def answers(client: ZooKeeper) -> bool:
    try:
        return client.ask(client.read("/nothing"), 5) is None
    except UnansweredError:
        return False


# ------------------------------------------------------------ whatever fails


def test_a_timer_that_cannot_be_started_costs_one_try(
    client: ZooKeeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    no_room, start = once(RuntimeError("can't start new thread")), threading.Timer.start

    def starting(timer: threading.Timer) -> None:
        no_room()
        start(timer)

    monkeypatch.setattr(threading.Timer, "start", starting)
    client.start()
    assert client.ask(client.read("/nothing"), 20) is None
    assert "has ended by an error" not in caplog.text


def test_an_error_that_kazoo_does_not_expect_costs_one_session(
    client: ZooKeeper,
    server: SmallZooKeeper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    client.listen(lambda: heard.append("connected"), lambda: None, lambda: heard.append("ended"))
    client.start()
    assert client.ask(client.read("/nothing"), 20) is None
    no_room, resolve = once(RuntimeError("can't start new thread")), socket.getaddrinfo

    def resolving(*arguments: object) -> object:
        no_room()
        return resolve(*arguments)  # type: ignore[arg-type]  # whatever kazoo passes

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    monkeypatch.setattr(session_module, "AFRESH_S", 0.01)
    client.hang_up()
    until(lambda: answers(client) and "ended" in heard, 20, "a new session answers")
    assert heard == ["connected", "ended", "connected"]
    assert "the connection to ZooKeeper has ended by an error; it is made anew" in caplog.text


def test_kazoos_loop_is_not_begun_anew_once_it_is_to_end(
    client: ZooKeeper, server: SmallZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "AFRESH_S", 0.01)
    client.start()
    assert answers(client)
    client.stop()
    assert server.came.acquire(timeout=0)
    assert not server.came.acquire(timeout=0.1), "nobody comes behind the end"
