"""Where the leader is: what each of the words about it counts for."""

import asyncio
from contextlib import closing

import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import jobmanager
from millstream_dataflow.identity import Epoch
from millstream_runtime.leadership import discovery
from millstream_runtime.leadership import session as session_module
from millstream_runtime.leadership.nodes import Leader, LeaderNode, encode_node
from millstream_taskmanager.service import leaders as leaders_module
from millstream_taskmanager.service.leaders import ElectedLeaders, FixedLeaders, leaders
from tests.support.small_zookeeper import SmallEnsemble

FIRST, SECOND = Leader(Epoch(1), "first:1"), Leader(Epoch(2), "second:1")


class Watch:
    """As LeaderWatch shows itself."""

    def __init__(self, leader: Leader | None = None) -> None:
        self.leader = leader
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    def announce(self, leader: Leader) -> None:
        self.leader = leader
        self._changed.set()
        self._changed = asyncio.Event()


async def test_whoever_a_standby_names_is_tried_until_it_is_lost() -> None:
    leaders = FixedLeaders("home:1")
    assert await leaders.find() == "home:1"
    leaders.redirected("named:1")
    assert await leaders.find() == "named:1"
    leaders.lost()
    assert await leaders.find() == "home:1"


async def test_zookeeper_out_of_reach_a_standbys_word_counts() -> None:
    leaders = ElectedLeaders(Watch(FIRST))
    assert await leaders.find() == "first:1"
    leaders.redirected("second:1")
    assert await leaders.find() == "second:1"
    leaders.lost()
    assert await leaders.find() == "first:1"


async def test_the_one_announced_last_counts_more_than_a_standbys_word() -> None:
    watch = Watch(FIRST)
    leaders = ElectedLeaders(watch)
    await leaders.find()
    leaders.redirected("other:1")
    watch.announce(SECOND)
    assert await leaders.find() == "second:1"


async def test_the_first_one_is_waited_for_and_another_is_noticed() -> None:
    watch = Watch()
    leaders = ElectedLeaders(watch)
    finding = asyncio.create_task(leaders.find())
    await asyncio.sleep(0)
    watch.announce(FIRST)
    assert await finding == "first:1"
    another = asyncio.create_task(leaders.another())
    await asyncio.sleep(0)
    assert not another.done()
    watch.announce(Leader(Epoch(2), "first:1"))
    await another


async def test_a_frozen_server_of_zookeeper_does_not_hide_the_next_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for as long as a question may take, by default 15 s."""
    monkeypatch.setattr(discovery, "ASKED_EACH_S", 0.02)
    monkeypatch.setattr(session_module, "CONNECTED_S", 0.1)
    monkeypatch.setattr(leaders_module, "PATIENCE_S", 0.2)
    first, second = (encode_node(LeaderNode(epoch, f"jm-{epoch}:1")) for epoch in (1, 2))
    with closing(SmallEnsemble(first)) as ensemble:
        configuration = Configuration().with_text("high-availability.zookeeper.quorum", ensemble.hosts)
        async with leaders(configuration, None) as found, asyncio.timeout(10):
            assert await found.find() == "jm-1:1"
            ensemble.freeze_the_one_in_use(second)
            await found.another()
            assert await found.find() == "jm-2:1"


def test_a_frozen_server_is_left_while_a_new_leader_still_waits() -> None:
    """With time to connect to another one."""
    left = discovery.ASKED_EACH_S + leaders_module.PATIENCE_S
    adoption = Configuration().get(jobmanager.ADOPTION_TIMEOUT).total_seconds()
    assert left + session_module.CONNECTED_S < adoption
