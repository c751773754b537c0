"""When the lease of an office is renewed: the rest of the election is tested with a real ZooKeeper."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from typing import Any, cast

from millstream_jobmanager.leadership.office import lease_clock
from millstream_jobmanager.leadership.tenure import Hold, Tenure, lease
from millstream_jobmanager.leadership.won_office import WonOffice
from millstream_jobmanager.store.fence import Fence
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.nodes import ClusterNodes
from millstream_runtime.leadership.session import FAREWELL_S

TIMEOUT = 600_000


class Questions:
    """Of a ZooKeeper that answers when it is told to."""

    session_timeout = 60_000

    def __init__(self) -> None:
        self.asked = asyncio.Queue[Future[None]]()

    def commit(self, _operations: object) -> Future[None]:
        question = Future[None]()
        self.asked.put_nowait(question)
        return question

    async def answer(self, question: Future[None], within: float) -> None:
        assert within > 0
        await asyncio.wrap_future(question)


async def test_what_servers_grant_counts_from_the_moment_they_grant_it() -> None:
    """Not from the next question on: until then a leader would decide by a lease that nobody grants any more."""
    questions, now = Questions(), 0
    tenure = Tenure(60_000, lease(60_000))
    office = WonOffice(
        cast("Any", questions), Fence(ClusterNodes("/x"), 0), tenure, cast("Any", None), clock=lambda: now
    )
    now = lease(4_000)
    assert office.hold() is Hold.HOLDS
    questions.session_timeout = 4_000
    assert office.hold() is Hold.OVER
    await office.leave()


class Silent(Questions):
    """Of one that answers nobody."""

    async def answer(self, question: Future[None], within: float) -> None:
        try:
            await asyncio.wait_for(super().answer(question, within), within)
        except TimeoutError as error:
            raise UnansweredError("nobody answers") from error


async def test_who_leaves_does_not_wait_for_a_silent_zookeeper() -> None:
    """It would wait for 15 s of the 30 that a process has to end, and the session ends by and by anyway."""
    tenure = Tenure(60_000, lease_clock() + lease(60_000))
    office = WonOffice(cast("Any", Silent()), Fence(ClusterNodes("/x"), 0), tenure, cast("Any", None), lease_clock)
    begun = time.monotonic()
    await office.leave()
    assert time.monotonic() - begun < FAREWELL_S + 1
    assert office.hold() is Hold.OVER


async def test_a_connection_that_is_back_when_an_old_answer_comes_is_asked_at_once() -> None:
    """All three in the same moment: the answer, the break, the new connection. It would pause for a sixth of the
    session timeout otherwise.
    """
    questions, now = Questions(), 1_000
    tenure = Tenure(TIMEOUT, now + lease(TIMEOUT))
    office = WonOffice(
        cast("Any", questions), Fence(ClusterNodes("/x"), 0), tenure, cast("Any", None), clock=lambda: now
    )
    changed = asyncio.Event()
    async with asyncio.timeout(10):
        first = await questions.asked.get()
        now += 1
        first.set_result(None)
        office.interrupted()
        office.connected()
        assert office.hold() is Hold.PAUSED
        now += 1
        second = await questions.asked.get()
        office.on_change(changed.set)
        second.set_result(None)
        await changed.wait()
    assert office.hold() is Hold.HOLDS
    for _ in range(10):
        await asyncio.sleep(0)
    assert questions.asked.empty(), "the next one comes after a sixth of the session timeout"
    office.lost("the test is over")
    await office.leave()
