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
from millstream_jobmanager.leadership.won_office import WonOffice
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

    @property
    def is_led(self) -> bool:
        """See LeaderWatch."""
        return self._watch.is_led

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
