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
ASKED_EACH_S: Final = 2.0
"""Whether the server still answers. 1,000 processes ask 500 times a second, of some 10,000 that a server answers."""

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

    A frozen server tells nothing, and kazoo notices that only after two thirds of the session timeout: so it is asked
    again and again, and left for another one when it is silent.
    """

    def __init__(self, zookeeper: ZooKeeper, nodes: ClusterNodes, patience: float | None = None) -> None:
        """`patience`: seconds until a silent server is left; as long as any question may take where that is less."""
        self._zookeeper = zookeeper
        self._nodes = nodes
        self._patience = min(zookeeper.timeout, patience or zookeeper.timeout)
        self._changed = asyncio.Event()
        self._doubt = ""
        self.leader: Leader | None = None
        """None until the first one was announced."""
        self.is_led = False
        """At the last look somebody served as leader; False as well while nobody can be asked."""

    async def changed(self) -> None:
        """Until another leader than the present one is announced."""
        await self._changed.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            stirred = asyncio.Event()
            try:
                await self._look(setter(stirred))
                await self._until_stirred(stirred)
            except (UnansweredError, ZooKeeperDeniedError) as error:
                self.is_led = False
                self._doubtful(str(error))
                denied = self._zookeeper.denied or isinstance(error, ZooKeeperDeniedError)
                await asyncio.sleep(_DENIED_S if denied else _AGAIN_S)
            except Exception as error:  # noqa: BLE001  # whatever it is: who looks no more finds nobody
                _log.exception("who leads can't be found")
                self.is_led = False
                self._doubtful(str(error))
                await asyncio.sleep(_DENIED_S)

    async def _until_stirred(self, stirred: asyncio.Event) -> None:
        """Its words are the server's; that it is silent is an error, as everywhere."""
        while not stirred.is_set():
            try:
                async with asyncio.timeout(ASKED_EACH_S):
                    await stirred.wait()
            except TimeoutError:
                await self._look()

    async def _look(self, changed: Callable[[], None] | None = None) -> None:
        """What is asked while there is no connection waits for one; nobody is left for that."""
        now, stands = asyncio.get_running_loop().time, self._zookeeper.session != 0
        until = now() + self._patience
        question = self._zookeeper.read(self._nodes.leader, changed)
        try:
            node = await self._zookeeper.answer(question, self._patience if stands else None)
        except UnansweredError:
            if stands and now() >= until:
                self._zookeeper.hang_up()
            raise
        self._doubt = ""
        self._seen(leader_of(None if node is None else node.data))

    def _doubtful(self, doubt: str) -> None:
        if doubt != self._doubt:
            self._doubt = doubt
            _log.warning("who leads can't be found: %s", doubt)

    def _seen(self, leader: Leader | None) -> None:
        self.is_led = leader is not None
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
