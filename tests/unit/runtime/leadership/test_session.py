"""A session goes on whatever happens to kazoo's thread, and ends in time whatever hangs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_runtime.leadership import session as session_module
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.session import CONNECTED_S, FAREWELL_S
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
    before = set(threading.enumerate())
    client.start()
    assert answers(client)
    client.stop()
    until(lambda: set(threading.enumerate()) <= before, 20, "its threads end")
    assert server.let_in == 1


# ------------------------------------------------------------ whatever hangs


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> float:
    """All the time that an end may take, in a tenth of it."""
    monkeypatch.setattr(session_module, "FAREWELL_S", FAREWELL_S / 10)
    monkeypatch.setattr(session_module, "CONNECTED_S", CONNECTED_S / 10)
    return (FAREWELL_S + CONNECTED_S) / 10


def stopped(client: ZooKeeper) -> float:
    """How long it takes."""
    begun = time.monotonic()
    client.stop()
    return time.monotonic() - begun


def test_a_session_ends_in_time_though_its_server_is_silent(
    client: ZooKeeper, server: SmallZooKeeper, hurry: float
) -> None:
    client.start()
    assert answers(client)
    server.freeze()
    assert stopped(client) < hurry + 0.5


def test_a_session_ends_in_time_though_a_resolver_hangs(
    client: ZooKeeper, hurry: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing ends kazoo's thread then but the resolver's answer, which may take half a minute."""
    asked, resolved = threading.Event(), threading.Event()

    def hanging(*_: object) -> list[object]:
        asked.set()
        assert resolved.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    before = set(threading.enumerate())
    client.start()
    assert asked.wait(20)
    assert stopped(client) < hurry + 0.5
    assert "hangs; this process ends without it" in caplog.text
    resolved.set()
    until(lambda: set(threading.enumerate()) <= before, 20, "its threads end when the resolver has answered")
