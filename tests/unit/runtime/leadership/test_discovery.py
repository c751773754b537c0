"""A watch leaves a server that is silent; what it hears from others is tested with a real ZooKeeper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_runtime.leadership import discovery
from millstream_runtime.leadership import session as session_module
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.discovery import LeaderWatch
from millstream_runtime.leadership.nodes import ClusterNodes, LeaderNode, encode_node
from tests.support.small_zookeeper import SmallEnsemble

FIRST, SECOND = (encode_node(LeaderNode(epoch, "jm:1")) for epoch in (1, 2))


@asynccontextmanager
async def watching(ensemble: SmallEnsemble, patience: float) -> AsyncGenerator[LeaderWatch]:
    """The first leader is known."""
    connection = zookeeper(Configuration().with_text("high-availability.zookeeper.quorum", ensemble.hosts))
    connection.start()
    watch = LeaderWatch(connection, ClusterNodes("/x"), patience)
    running = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(20):
            while watch.leader is None:
                await watch.changed()
            yield watch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(connection.stop)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ASKED_EACH_S", 0.02)
    monkeypatch.setattr(session_module, "CONNECTED_S", 0.1)


async def test_a_frozen_server_is_left_for_one_that_knows_the_next_leader() -> None:
    """Within seconds, though the session may be silent for a minute."""
    with closing(SmallEnsemble(FIRST)) as ensemble:
        async with watching(ensemble, patience=0.2) as watch:
            ensemble.freeze_the_one_in_use(SECOND)
            await watch.changed()
            assert watch.leader is not None
            assert watch.leader.epoch == 2


async def test_a_server_that_answers_is_asked_again_and_again_and_never_left() -> None:
    with closing(SmallEnsemble(FIRST)) as ensemble:
        async with watching(ensemble, patience=10):
            while ensemble.asked < 20:  # noqa: ASYNC110  # its threads tell no event
                await asyncio.sleep(0.005)
            assert ensemble.sessions == 1


async def test_what_no_watch_has_told_is_found_by_asking() -> None:
    with closing(SmallEnsemble(FIRST)) as ensemble:
        async with watching(ensemble, patience=10) as watch:
            ensemble.say(SECOND)
            await watch.changed()
            assert ensemble.sessions == 1
