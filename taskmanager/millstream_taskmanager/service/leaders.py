"""Where the leading JobManager is: at a fixed address, by the words of a standby, or as ZooKeeper says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final, Protocol

from millstream_dataflow.configuration import Configuration

if TYPE_CHECKING:
    from millstream_runtime.leadership.nodes import Leader

PATIENCE_S: Final = 4.0
"""With a silent server of ZooKeeper. It is asked every 2 s, so it is left within 6 of the 10 s for which a new leader
waits for its TaskManagers (`jobmanager.execution.adoption-timeout`); behind those it restarts regions that are well.
"""


class Leaders(Protocol):
    """Asked before each session."""

    async def find(self) -> str:
        """The address to try, as gRPC wants it; waits until there is one."""
        ...

    def redirected(self, target: str) -> None:
        """A standby has named another one."""
        ...

    def lost(self) -> None:
        """Nobody leads at the address that was tried."""
        ...

    async def another(self) -> None:
        """Until another one leads than the one found last."""
        ...


class FixedLeaders:
    """One address, and whoever a standby there names."""

    def __init__(self, target: str) -> None:
        self._home = self._target = target

    async def find(self) -> str:
        """At once."""
        return self._target

    def redirected(self, target: str) -> None:
        """Tried next."""
        self._target = target

    def lost(self) -> None:
        """Begin at home again."""
        self._target = self._home

    async def another(self) -> None:
        """Nobody tells."""
        await asyncio.Event().wait()


class Announced(Protocol):
    """What is known of the election: see LeaderWatch."""

    @property
    def leader(self) -> Leader | None:
        """The one announced last."""
        ...

    async def changed(self) -> None:
        """Until another one is announced."""
        ...


class ElectedLeaders:
    """The one announced in ZooKeeper. While nobody is announced anew, the last one is tried again; or whoever a
    standby names, for ZooKeeper may be out of reach from here.
    """

    def __init__(self, watch: Announced) -> None:
        self._watch = watch
        self._found = watch.leader
        self._named = ""

    async def find(self) -> str:
        """Waits for the first one."""
        while self._watch.leader is None and not self._named:
            await self._watch.changed()
        if self._watch.leader != self._found:
            self._named = ""
        self._found = self._watch.leader
        return self._named or ("" if self._found is None else self._found.address)

    def redirected(self, target: str) -> None:
        """Until it is lost, or ZooKeeper announces another one."""
        self._named = target

    def lost(self) -> None:
        """Whoever was named leads no more, or never did."""
        self._named = ""

    async def another(self) -> None:
        """Also one at the same address, in a later epoch."""
        while self._watch.leader == self._found:
            await self._watch.changed()


@contextlib.asynccontextmanager
async def leaders(configuration: Configuration, target: str | None) -> AsyncGenerator[Leaders]:
    """At a fixed address; without one, as ZooKeeper says. ConfigurationError for what can't be used."""
    if target is not None:
        yield FixedLeaders(target)
        return
    # Imported here: kazoo takes 100 ms, and most clusters have no ZooKeeper.
    from millstream_runtime.leadership.connection import cluster_nodes, zookeeper  # noqa: PLC0415  # see above
    from millstream_runtime.leadership.discovery import LeaderWatch  # noqa: PLC0415  # see above

    connection = zookeeper(configuration)
    connection.start()
    watch = LeaderWatch(connection, cluster_nodes(configuration), PATIENCE_S)
    watching = asyncio.create_task(watch.run(), name="looks who leads")
    try:
        yield ElectedLeaders(watch)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.to_thread(connection.stop)
