"""Where the leader is: what each of the words about it counts for."""

import asyncio

from millstream_dataflow.identity import Epoch
from millstream_runtime.leadership.nodes import Leader
from millstream_taskmanager.service.leaders import ElectedLeaders, FixedLeaders

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
