"""Who looks for the leader finds it as soon as somebody can tell, and is never told of an older one after a newer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.discovery import LeaderWatch, find_leader
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.nodes import ClusterNodes, Leader, LeaderNode, encode_node
from millstream_runtime.leadership.zookeeper import Create, Delete, SetData, ZooKeeper
from tests.integration.ha.camps import camps, eventually
from tests.integration.ha.offices import configured, connected, make_path, named, session
from tests.support.cables import Proxy
from tests.support.clusters import free_port
from tests.support.zookeeper import Ensemble, running_ensemble

SHORT = {"session_timeout": "2 s", "connection_timeout": "500 ms"}


class Watched:
    """Keeps what a watch announced."""

    def __init__(self, connection: ZooKeeper, nodes: ClusterNodes) -> None:
        self.watch = LeaderWatch(connection, nodes)
        self.seen: list[Leader] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run())
            while True:
                await self.watch.changed()
                assert self.watch.leader is not None
                self.seen.append(self.watch.leader)

    def has_seen(self, epoch: int) -> bool:
        return epoch in self.epochs()

    def epochs(self) -> list[Epoch]:
        return [leader.epoch for leader in self.seen]


@contextlib.asynccontextmanager
async def watching(hosts: str, nodes: ClusterNodes, **settings: object) -> AsyncGenerator[tuple[Watched, ZooKeeper]]:
    connection = zookeeper(configured(hosts, **settings))
    connection.start()
    watched = Watched(connection, nodes)
    task = asyncio.create_task(watched.run())
    try:
        yield watched, connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(connection.stop)


@pytest.fixture
def nodes(ensemble: Ensemble, tmp_path: Path) -> ClusterNodes:
    made = named(tmp_path)
    with session(ensemble.hosts) as connection:
        make_path(connection, made.root)
    return made


@pytest.fixture
def writer(ensemble: Ensemble) -> Iterator[ZooKeeper]:
    """Who leads is what it says."""
    with session(ensemble.hosts) as connection:
        yield connection


def announce(writer: ZooKeeper, nodes: ClusterNodes, epoch: int, address: str = "jm:6123") -> None:
    """Whoever led before."""
    writer.ask(writer.commit([Delete(nodes.leader)]))
    assert writer.ask(writer.commit([Create(nodes.leader, encode_node(LeaderNode(epoch, address)))])) is None


# ------------------------------------------------------------ the watch


async def test_a_leader_is_announced_when_it_serves_and_stays_known(
    ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper
) -> None:
    async with watching(ensemble.hosts, nodes) as (watched, _):
        await asyncio.to_thread(announce, writer, nodes, 1, "")
        await writer.answer(writer.commit([SetData(nodes.leader, encode_node(LeaderNode(1, "jm:1")), 0)]))
        await eventually(lambda: watched.seen, "it is announced")
        assert watched.watch.is_led
        await writer.answer(writer.commit([Delete(nodes.leader)]))
        await eventually(lambda: not watched.watch.is_led, "nobody is seen to lead")
        assert watched.watch.leader is not None
        await asyncio.to_thread(announce, writer, nodes, 2, "jm:1")
        await eventually(lambda: len(watched.seen) > 1, "the next one is announced")
        assert watched.seen == [Leader(Epoch(1), "jm:1"), Leader(Epoch(2), "jm:1")]


async def test_an_older_leader_or_garbage_is_never_announced_after_a_newer_one(
    ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper
) -> None:
    """A new session may be at a server that lags behind."""
    async with watching(ensemble.hosts, nodes) as (watched, _):
        await asyncio.to_thread(announce, writer, nodes, 5, "jm:5")
        await eventually(partial(watched.has_seen, 5), "it is announced")
        for epoch, address in ((4, "jm:4"), (5, "jm:other"), (6, "")):
            await asyncio.to_thread(announce, writer, nodes, epoch, address)
        await writer.answer(writer.commit([SetData(nodes.leader, b"garbage", 0)]))
        await asyncio.to_thread(announce, writer, nodes, 7)
        await eventually(lambda: watched.epochs()[-1:] == [7], "the newest is announced")
        assert watched.seen == [Leader(Epoch(5), "jm:5"), Leader(Epoch(7), "jm:6123")]


async def test_a_watch_outlives_its_session(ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper) -> None:
    async with watching(ensemble.hosts, nodes) as (watched, connection):
        await asyncio.to_thread(announce, writer, nodes, 1)
        await eventually(lambda: watched.epochs() == [1], "it is announced")
        for epoch in (2, 3):
            await asyncio.to_thread(ensemble.expire, await asyncio.to_thread(connected, connection))
            await asyncio.to_thread(announce, writer, nodes, epoch)
            await eventually(partial(watched.has_seen, epoch), "the next one is announced")


async def test_a_watch_that_was_cut_off_hears_at_once_when_it_is_back(
    ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper
) -> None:
    here = free_port()
    cable = Proxy(("127.0.0.1", here), ("127.0.0.1", ensemble.servers[1].port))
    try:
        async with watching(f"127.0.0.1:{here}", nodes, **SHORT) as (watched, connection):
            await asyncio.to_thread(announce, writer, nodes, 1)
            await eventually(lambda: watched.epochs() == [1], "it is announced")
            cable.cut()
            await asyncio.to_thread(announce, writer, nodes, 2)
            await eventually(lambda: not connection.session, "the connection counts as lost")
            await eventually(lambda: not watched.watch.is_led, "nobody is seen to lead")
            assert watched.epochs() == [1]
            cable.mend()
            await eventually(lambda: watched.epochs() == [1, 2], "the next one is announced", 3)
            assert watched.watch.is_led
    finally:
        cable.close()


async def test_a_watch_begins_before_there_is_a_zookeeper_or_a_cluster(
    own_ensemble: Ensemble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(own_ensemble.kill, 1, 2, 3)
    nodes = named(tmp_path)
    async with watching(own_ensemble.hosts, nodes, **SHORT) as (watched, _):
        await eventually(lambda: "who leads can't be found" in caplog.text, "it is said")
        assert own_ensemble.hosts in caplog.text
        assert "Connection refused" in caplog.text
        await asyncio.to_thread(own_ensemble.start)
        async with camps(tmp_path, own_ensemble.hosts, 1):
            await eventually(lambda: watched.epochs() == [1], "it is announced")
    assert caplog.text.count("who leads can't be found") < 5, "it isn't said again and again"


@pytest.mark.nightly
async def test_watches_and_elections_while_the_quorum_is_lost(own_ensemble: Ensemble, tmp_path: Path) -> None:
    async with (
        camps(tmp_path, own_ensemble.hosts, 2, SHORT) as election,
        watching(own_ensemble.hosts, election.nodes, **SHORT) as (watched, _),
    ):
        leader = await election.leader()
        await eventually(lambda: watched.epochs() == [1], "it is announced")
        await asyncio.to_thread(own_ensemble.stop_quorum)
        await eventually(lambda: leader.ends, "its term ends")
        await asyncio.to_thread(own_ensemble.restore_quorum)
        leader = await election.leader()
        await eventually(lambda: watched.epochs()[-1] == max(election.epochs()), "the last one is announced", 3)
        assert watched.epochs() == sorted(set(watched.epochs()))


# ------------------------------------------------------------ asked once


def test_a_question_may_be_asked_right_after_the_start(
    ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper
) -> None:
    announce(writer, nodes, 3)
    for _ in range(20):
        opened = zookeeper(configured(ensemble.hosts))
        opened.start()
        try:
            assert opened.ask(opened.read(nodes.epoch)) is None
        finally:
            opened.stop()


def test_a_leader_is_found_at_once(ensemble: Ensemble, nodes: ClusterNodes, writer: ZooKeeper) -> None:
    announce(writer, nodes, 3)
    with session(ensemble.hosts) as opened:
        begun = time.monotonic()
        assert find_leader(opened, nodes, 10) == Leader(Epoch(3), "jm:6123")
        assert time.monotonic() - begun < 2


def test_while_nobody_leads_none_is_found_in_time(ensemble: Ensemble, nodes: ClusterNodes) -> None:
    with session(ensemble.hosts) as opened:
        begun = time.monotonic()
        assert find_leader(opened, nodes, 1) is None
        assert 0.5 < time.monotonic() - begun < 2


@pytest.mark.nightly
def test_it_is_looked_for_until_the_time_is_over(tmp_path: Path, own_ensemble: Ensemble) -> None:
    """ZooKeeper comes back meanwhile, or it doesn't."""
    own_ensemble.kill(1, 2, 3)
    nodes = named(tmp_path)
    with session(own_ensemble.hosts) as opened:
        begun = time.monotonic()
        with pytest.raises(UnansweredError, match=r"has not answered for .* the last connection failed: .*refused"):
            find_leader(opened, nodes, 1)
        assert 0.5 < time.monotonic() - begun < 2
        own_ensemble.start()
        assert find_leader(opened, nodes, 1) is None


def test_it_is_looked_for_again_when_the_connection_breaks(tmp_path: Path) -> None:
    nodes = named(tmp_path)
    with running_ensemble(tmp_path, servers=1) as single, session(single.hosts) as opened:
        make_path(opened, nodes.root)
        announce(opened, nodes, 3)
        single.freeze(1)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(find_leader, opened, nodes, 20)
            with pytest.raises(TimeoutError):
                found.result(0.3)
            single.restart(1)
            assert found.result() == Leader(Epoch(3), "jm:6123")
