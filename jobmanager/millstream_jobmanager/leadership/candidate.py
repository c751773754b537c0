"""Any number of JobManagers: one of them wins an office in ZooKeeper.

To win is one transaction: `leader` is created, with this session as its owner, and `epoch` set to the next number. Who
finds a leader waits until its node goes. One's own, of a term that ended on one's own clock, is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.leadership.office import lease_clock
from millstream_jobmanager.leadership.tenure import Hold, Tenure, lease
from millstream_jobmanager.store import JobStore, StoreDamagedError
from millstream_jobmanager.store.fence import Fence
from millstream_runtime.leadership.discovery import LeaderWatch, refused_words, setter
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import (
    ClusterNodes,
    Leader,
    LeaderNode,
    NodeError,
    decode_epoch,
    encode_epoch,
    encode_node,
)
from millstream_runtime.leadership.zookeeper import (
    Create,
    Delete,
    Node,
    Operation,
    SetData,
    ZooKeeper,
)

_AGAIN_S: Final = 0.2  # between two questions to a ZooKeeper that doesn't answer

_log = logging.getLogger("millstream.jobmanager.election")

MakeStore = Callable[[Fence, Callable[[], bool]], JobStore]
"""The store under one office, which is asked whether it still holds."""


def winning(nodes: ClusterNodes, own: Node | None, epoch: Node | None) -> list[Operation]:
    """The transaction; `own` is a leader's node of this very session. NodeError when the epoch can't be read."""
    taken = Epoch(1 if epoch is None else decode_epoch(epoch.data) + 1)
    data = encode_epoch(taken)
    return [
        *([Delete(nodes.leader, own.version)] if own is not None else []),
        Create(nodes.leader, encode_node(LeaderNode(taken)), ephemeral=True),
        Create(nodes.epoch, data) if epoch is None else SetData(nodes.epoch, data, epoch.version),
    ]


class WonOffice:
    """One term. Made in the loop's thread, which alone looks at it."""

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
        """By the clock, now."""
        return self._tenure.hold(self._clock())

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
        self._tenure.granted(self._zookeeper.session_timeout)
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
        """Its node goes if it is still its own, or with the session."""
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        if self.hold() is Hold.OVER:
            return
        self._tenure.lost("it was left")
        with contextlib.suppress(UnansweredError, ZooKeeperDeniedError):
            delete = self._fence.guard(Delete(self._fence.nodes.leader))
            await self._zookeeper.answer(self._zookeeper.commit(delete))


class Candidate:
    """Stands for election with one connection to ZooKeeper. Made inside the loop."""

    repeats = True

    def __init__(
        self,
        zookeeper: ZooKeeper,
        nodes: ClusterNodes,
        make_store: MakeStore,
        *,
        tolerant: bool = False,
        clock: Callable[[], int] = lease_clock,
    ) -> None:
        """`zookeeper` isn't started yet. `tolerant`: see Tenure."""
        self._zookeeper = zookeeper
        self._clock = clock
        self._nodes = nodes
        self._make_store = make_store
        self._tolerant = tolerant
        self._office: WonOffice | None = None
        self._loop = asyncio.get_running_loop()
        self._watch = LeaderWatch(zookeeper, nodes)
        zookeeper.listen(
            self._told(self._connected), self._told(self._interrupted), self._told(lambda: self._lost("has ended"))
        )
        zookeeper.start()
        self._watching = asyncio.create_task(self._watch.run(), name="looks who leads")

    @property
    def leader(self) -> Leader | None:
        """The one announced last."""
        return self._watch.leader

    # ------------------------------------------------------------ the session

    def _told(self, call: Callable[[], None]) -> Callable[[], None]:
        def in_loop() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(call)

        return in_loop

    def _connected(self) -> None:
        _log.info("connected to ZooKeeper at %s", self._zookeeper.hosts)
        if self._office is not None:
            self._office.connected()

    def _interrupted(self) -> None:
        _log.warning("the connection to ZooKeeper at %s is interrupted", self._zookeeper.hosts)
        if self._office is not None:
            self._office.interrupted()

    def _lost(self, how: str) -> None:
        _log.warning("the session with ZooKeeper at %s %s", self._zookeeper.hosts, how)
        if self._office is not None:
            self._office.lost(f"the session with ZooKeeper {how}")

    # ------------------------------------------------------------ the campaign

    async def won(self) -> WonOffice:
        """ZooKeeperDeniedError when it is no use to wait, StoreDamagedError when the epoch can't be read."""
        self._office = None
        doubt = ""
        while True:
            try:
                office = await self._try()
            except UnansweredError as error:
                if self._zookeeper.denied:
                    raise ZooKeeperDeniedError(refused_words(self._zookeeper)) from error
                if str(error) != doubt:
                    doubt = str(error)
                    _log.warning("this JobManager can't stand for election: %s", doubt)
                await asyncio.sleep(_AGAIN_S)
            except NodeError as error:
                raise StoreDamagedError(
                    f"{self._nodes.epoch} of ZooKeeper at {self._zookeeper.hosts}: {error}. Write a number into it "
                    "that is above all epochs that there were"
                ) from error
            else:
                if office is not None:
                    return office

    async def _try(self) -> WonOffice | None:
        """Win now, or wait until something has changed."""
        stirred = asyncio.Event()
        leader = await self._zookeeper.answer(self._zookeeper.read(self._nodes.leader, setter(stirred)))
        if leader is not None and leader.owner != self._zookeeper.session:
            if not leader.owner:
                _log.error("%s was made by no JobManager, for it stays; delete it, or nobody leads", self._nodes.leader)
            await stirred.wait()
            return None
        epoch = await self._zookeeper.answer(self._zookeeper.read(self._nodes.epoch))
        if epoch is None:
            await self._zookeeper.make_path(self._nodes.root)
        # The lease begins before the question by which it is won.
        asked, session = self._clock(), self._zookeeper.session
        if await self._zookeeper.answer(self._zookeeper.commit(winning(self._nodes, leader, epoch))) is not None:
            return None
        if session != self._zookeeper.session:  # what was won belongs to a session that has ended
            return None
        timeout = self._zookeeper.session_timeout
        fence = Fence(self._nodes, 0 if epoch is None else epoch.version + 1)
        tenure = Tenure(timeout, asked + lease(timeout), self._tolerant)
        store = self._make_store(fence, lambda: tenure.hold(self._clock()) is Hold.HOLDS)
        self._office = WonOffice(self._zookeeper, fence, tenure, store, self._clock)
        return self._office

    async def close(self) -> None:
        """End the session: if it leads, the next one leads at once."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await asyncio.to_thread(self._zookeeper.stop)


def _nothing() -> None:
    """Nobody listens yet."""
