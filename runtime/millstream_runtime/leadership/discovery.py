"""Who leads, for those who look for a leader: TaskManagers, standbys and clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from millstream_dataflow.identity import Epoch
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import ClusterNodes, Leader, NodeError, decode_leader
from millstream_runtime.leadership.zookeeper import ZooKeeper

_AGAIN_S: Final = 0.2  # between two looks at a ZooKeeper that doesn't answer
_DENIED_S: Final = 15.0  # at one that doesn't let this process in

_log = logging.getLogger("millstream.leadership")


def leader_of(data: bytes | None) -> Leader | None:
    """Who leads by the words of its node; None while nobody serves."""
    if data is None:
        return None
    try:
        node = decode_leader(data)
    except NodeError as error:
        _log.warning("%s", error)
        return None
    return Leader(Epoch(node.epoch), node.address) if node.serves else None


class LeaderWatch:
    """Knows the leader that was announced last; while nobody answers, nobody new is announced. `run` is its task.

    A server may lag behind the others, and a new session is at any of them: so an older epoch is never announced after
    a newer one, as TaskManagers obey none (law 1.2).
    """

    def __init__(self, zookeeper: ZooKeeper, nodes: ClusterNodes) -> None:
        self._zookeeper = zookeeper
        self._nodes = nodes
        self._changed = asyncio.Event()
        self._doubt = ""
        self.leader: Leader | None = None
        """None until the first one was announced."""

    async def changed(self) -> None:
        """Until another leader than the present one is announced."""
        await self._changed.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            stirred = asyncio.Event()
            try:
                watch = self._zookeeper.read(self._nodes.leader, setter(stirred))
                node = await self._zookeeper.answer(watch)
            except (UnansweredError, ZooKeeperDeniedError) as error:
                self._doubtful(str(error))
                denied = self._zookeeper.denied or isinstance(error, ZooKeeperDeniedError)
                await asyncio.sleep(_DENIED_S if denied else _AGAIN_S)
                continue
            except Exception as error:  # noqa: BLE001  # whatever it is: who looks no more finds nobody
                _log.exception("who leads can't be found")
                self._doubtful(str(error))
                await asyncio.sleep(_DENIED_S)
                continue
            self._doubt = ""
            self._seen(leader_of(None if node is None else node.data))
            await stirred.wait()

    def _doubtful(self, doubt: str) -> None:
        if doubt != self._doubt:
            self._doubt = doubt
            _log.warning("who leads can't be found: %s", doubt)

    def _seen(self, leader: Leader | None) -> None:
        if leader is not None and (self.leader is None or leader.epoch > self.leader.epoch):
            self.leader = leader
            self._changed.set()
            self._changed = asyncio.Event()


def setter(event: asyncio.Event) -> Callable[[], None]:
    """Sets it from another thread; nothing happens when the loop is closed by then."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(event.set)

    return call


def find_leader(zookeeper: ZooKeeper, nodes: ClusterNodes, timeout: float) -> Leader | None:
    """Who leads, once asked; None when nobody does within so many seconds. UnansweredError when ZooKeeper is silent for
    as long, ZooKeeperDeniedError when it refuses this process. Blocks.
    """
    until = time.monotonic() + timeout
    while True:
        try:
            node = zookeeper.ask(zookeeper.read(nodes.leader), until - time.monotonic())
        except UnansweredError as error:
            if zookeeper.denied:
                raise ZooKeeperDeniedError(refused_words(zookeeper)) from error
            if time.monotonic() + _AGAIN_S > until:
                raise
        else:
            leader = leader_of(None if node is None else node.data)
            if leader is not None or time.monotonic() + _AGAIN_S > until:
                return leader
        time.sleep(_AGAIN_S)


def refused_words(zookeeper: ZooKeeper) -> str:
    """What to tell where it is `denied`."""
    return f"ZooKeeper at {zookeeper.hosts} refuses the name or password of this process"
