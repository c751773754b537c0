"""Candidates without a JobManager: who leads when, by their own clocks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Epoch
from millstream_jobmanager.leadership.candidate import Candidate
from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.leadership.won_office import WonOffice
from millstream_jobmanager.store.shared import SharedJobStore
from millstream_runtime.file_systems import locate
from millstream_runtime.leadership.connection import zookeeper
from millstream_runtime.leadership.nodes import ClusterNodes, Leader
from millstream_runtime.leadership.zookeeper import ZooKeeper
from tests.integration.ha.offices import configured

T = TypeVar("T")
SOON_S = 20.0
NONE: Mapping[str, object] = {}


async def eventually(condition: Callable[[], T | None], what: str, within: float = SOON_S) -> T:
    """The first true answer; AssertionError names what was waited for."""
    until = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < until, f"within {within} s never: {what}"
        await asyncio.sleep(0.005)
    return answer


class Camp:
    """One candidate, who stands for election again whenever a term is over."""

    def __init__(
        self, name: str, connection: ZooKeeper, nodes: ClusterNodes, directory: Path, *, tolerant: bool
    ) -> None:
        self.name = name
        self.connection = connection
        place = locate(str(directory))
        self.candidate = Candidate(
            connection, nodes, lambda fence, holds: SharedJobStore(connection, fence, place, holds), tolerant=tolerant
        )
        self.office: WonOffice | None = None
        self.epoch = Epoch(0)
        self.terms: list[tuple[Epoch, float]] = []
        """Its epochs, and when each was won, of one clock for all."""
        self.ends: list[tuple[float, str]] = []
        """When a term was over by its own clock, and why."""
        self.held: list[Hold] = []
        """What it might do, whenever that changed."""
        self._life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            office = await self.candidate.won()
            won_at = time.monotonic()
            try:
                self.epoch = await asyncio.to_thread(office.store.open, Epoch(0))
            except Exception:  # noqa: BLE001  # it is deposed already
                await office.leave()
                continue
            self.office, self.held = office, []
            self.terms.append((self.epoch, won_at))
            announcing = asyncio.create_task(office.announce(Leader(self.epoch, f"{self.name}:{self.epoch}")))
            while (hold := office.hold()) is not Hold.OVER:
                if self.held[-1:] != [hold]:
                    self.held.append(hold)
                await asyncio.sleep(0.002)
            self.ends.append((time.monotonic(), office.reason))
            self.office = None
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
            await office.leave()

    @property
    def leads(self) -> bool:
        """It may decide."""
        return self.office is not None and self.office.hold() is Hold.HOLDS

    async def ended(self, times: int) -> None:
        """So many terms of it are over."""
        await eventually(lambda: len(self.ends) >= times, "its term ends")

    async def known(self) -> Leader:
        """Whom it would name to those who ask."""
        return await eventually(lambda: self.candidate.leader, "a leader is known")

    @property
    def failure(self) -> BaseException | None:
        """Why it stands for election no more."""
        return self._life.exception() if self._life.done() and not self._life.cancelled() else None

    async def close(self) -> None:
        """Its session ends."""
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        if self.office is not None:
            await self.office.leave()
        await self.candidate.close()


class Camps:
    """All candidates of one election."""

    def __init__(self, nodes: ClusterNodes, directory: Path) -> None:
        self.nodes = nodes
        self.all: list[Camp] = []
        self._directory = directory

    def join(self, configuration: Configuration, *, tolerant: bool = False) -> Camp:
        """One more."""
        camp = Camp(f"camp-{len(self.all)}", zookeeper(configuration), self.nodes, self._directory, tolerant=tolerant)
        self.all.append(camp)
        return camp

    def led_by_another(self, camp: Camp) -> Camp | None:
        """The leader, unless it is this one."""
        return next((other for other in self.leaders() if other is not camp), None)

    def leads_in(self, epoch: int) -> Camp | None:
        """The leader, if it is in this epoch."""
        return next((camp for camp in self.leaders() if camp.epoch == epoch), None)

    def leaders(self) -> list[Camp]:
        """Those who may decide at this moment; more than one is a fault."""
        return [camp for camp in self.all if camp.leads]

    async def leader(self) -> Camp:
        """The one that leads."""
        return (await eventually(self.leaders, "somebody leads"))[0]

    def epochs(self) -> list[Epoch]:
        """Of all terms, in the order in which they were won."""
        terms = sorted((term for camp in self.all for term in camp.terms), key=lambda term: term[1])
        return [epoch for epoch, _ in terms]

    async def leave(self, camp: Camp) -> None:
        """One less."""
        self.all.remove(camp)
        await camp.close()


@contextlib.asynccontextmanager
async def camps(
    directory: Path, hosts: str, count: int = 0, settings: Mapping[str, object] = NONE, *, watched: bool = True
) -> AsyncGenerator[Camps]:
    """So many candidates, and no more afterwards. While they stand it is watched that only one leads, unless sessions
    are ended before their time: their owners hear of it when others may have won, and the fence alone protects then.
    """
    election = Camps(ClusterNodes(f"/tests/{directory.name}"), directory / "store")
    several: list[list[str]] = []

    async def watch() -> None:
        while True:
            leading = [camp.name for camp in election.leaders()]
            if len(leading) > 1 and watched:
                several.append(leading)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    try:
        for _ in range(count):
            election.join(configured(hosts, **settings))
        yield election
    finally:
        watching.cancel()
        await asyncio.gather(watching, *(camp.close() for camp in election.all), return_exceptions=True)
    assert several == [], "several led at once"
    assert election.epochs() == sorted(set(election.epochs())), "an epoch was taken twice, or they shrank"
