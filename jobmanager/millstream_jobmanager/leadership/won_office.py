"""An office that was won in ZooKeeper: its lease is renewed, its leader announced, until it is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from millstream_jobmanager.leadership.tenure import Hold, Tenure
from millstream_jobmanager.store import JobStore
from millstream_jobmanager.store.fence import Fence
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import Leader, LeaderNode, encode_node
from millstream_runtime.leadership.session import FAREWELL_S
from millstream_runtime.leadership.zookeeper import Delete, Refused, SetData, ZooKeeper

_AGAIN_S: Final = 0.2  # between two questions to a ZooKeeper that doesn't answer

_log = logging.getLogger("millstream.jobmanager.election")


class WonOffice:
    """One term. Made in the loop's thread, which alone looks at it; threads of its store ask the tenure itself."""

    has_rivals = True

    def __init__(
        self, zookeeper: ZooKeeper, fence: Fence, tenure: Tenure, store: JobStore, clock: Callable[[], int]
    ) -> None:
        self.store = store
        self._zookeeper = zookeeper
        self._fence = fence
        self._tenure = tenure
        self._clock = clock
        self._changed: Callable[[], None] = _nothing
        self._stirred = asyncio.Event()
        self._renewing = asyncio.create_task(self._renew(), name="renews the lease")

    # ------------------------------------------------------------ may it decide?

    def hold(self) -> Hold:
        """By the clock, now, and by what the servers grant now."""
        self._tenure.granted(self._zookeeper.session_timeout)
        return self._tenure.hold(self._clock())

    def lasts(self) -> float:
        """By the lease as it is now."""
        return (self._tenure.lease_until - self._clock()) / 1_000

    @property
    def reason(self) -> str:
        """Why it is over."""
        return self._tenure.reason

    def on_change(self, call: Callable[[], None]) -> None:
        """One listener: whoever decides."""
        self._changed = call

    def interrupted(self) -> None:
        """The connection is gone."""
        self._tenure.interrupted(self._clock())
        self._changed()

    def connected(self) -> None:
        """It is there again: asked at once, for nothing is decided before that is answered."""
        self._stirred.set()

    def lost(self, reason: str) -> None:
        """The session has ended, or somebody else leads."""
        self._tenure.lost(reason)
        self._changed()

    async def _renew(self) -> None:
        """Until it is over."""
        try:
            while self.hold() is not Hold.OVER:
                self._stirred.clear()  # before the question, so that a connection that comes meanwhile is asked at once
                await self._ask_once()
        except ZooKeeperDeniedError as error:
            self._tenure.lost(str(error))
        except Exception as error:  # noqa: BLE001  # whatever it is: who can't renew must not seem to
            _log.critical("this JobManager can't renew its lease", exc_info=True)
            self._tenure.lost(f"its lease can't be renewed ({type(error).__name__}: {error})")
        self._changed()

    async def _ask_once(self) -> None:
        """The fence is checked by a write, which a quorum must take."""
        asked, version = self._clock(), self._fence.version
        left = min(self._tenure.lease_until - asked, self._tenure.patience) / 1_000
        try:
            refused = await self._zookeeper.answer(self._zookeeper.commit(self._fence.guard()), left)
        except UnansweredError:
            if self._clock() >= asked + self._tenure.patience:
                self._zookeeper.hang_up()
            await asyncio.sleep(min(_AGAIN_S, self._tenure.renewal_interval / 1_000))
            return
        if refused is None:
            self._tenure.answered(asked, self._clock())
            self._changed()
            await self._pause(asked + self._tenure.renewal_interval)
        elif version == self._fence.version:  # else this very office has raised its epoch meanwhile
            self._tenure.lost(f"another JobManager has led since, or this one's session ended ({refused})")

    async def _pause(self, until: int) -> None:
        """Until that time of the clock, or a connection has come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((until - self._clock()) / 1_000):
                await self._stirred.wait()

    # ------------------------------------------------------------ said to others

    async def announce(self, leader: Leader) -> None:
        """Tried until it is said or the term is over."""
        data = encode_node(LeaderNode(leader.epoch, leader.address))
        while self.hold() is not Hold.OVER:
            with contextlib.suppress(UnansweredError):
                node = await self._zookeeper.answer(self._zookeeper.read(self._fence.nodes.leader))
                if node is not None and node.data == data:
                    return
                if node is not None:
                    operations = self._fence.guard(SetData(self._fence.nodes.leader, data, node.version))
                    if await self._zookeeper.answer(self._zookeeper.commit(operations)) is None:
                        return
            await asyncio.sleep(_AGAIN_S)

    async def leave(self) -> None:
        """Its node goes if it is still its own; where nobody answers soon, it goes with the session."""
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        if self.hold() is Hold.OVER:
            return
        self._tenure.lost("it was left")
        with contextlib.suppress(UnansweredError, ZooKeeperDeniedError):
            await self._zookeeper.answer(self._deletion(), FAREWELL_S)

    def abandon(self) -> None:
        """As `leave` does it."""
        with contextlib.suppress(UnansweredError, ZooKeeperDeniedError):
            self._zookeeper.ask(self._deletion(), FAREWELL_S)

    def _deletion(self) -> Future[Refused | None]:
        return self._zookeeper.commit(self._fence.guard(Delete(self._fence.nodes.leader)))


def _nothing() -> None:
    """Nobody listens yet."""
