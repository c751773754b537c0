"""A JobManager process: it stands for election, leads for a term, stands again. Election, tenure, fence, job store,
shell and core are the real ones; around them are virtual time, ZooKeeper, storage and network.

What a dead one had under way may still land.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from millstream_dataflow.identity import Digest, Epoch, SessionId
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core import events as e
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.core.settings import ClusterSettings
from millstream_jobmanager.leadership.candidate import Candidate
from millstream_jobmanager.leadership.won_office import WonOffice
from millstream_jobmanager.service.carrier import LeadershipLostError
from millstream_jobmanager.store import JobStore, StoreError
from millstream_jobmanager.store.fence import Fence
from millstream_jobmanager.store.shared import SharedJobStore
from millstream_runtime.file_systems import Location
from millstream_runtime.leadership.errors import UnansweredError
from millstream_runtime.leadership.nodes import Leader
from millstream_runtime.messages.session import FromTaskManager, Register
from tests.simulation.outside import NODES
from tests.simulation.process import Process
from tests.simulation.storage import VirtualStorage
from tests.simulation.term import Term, VirtualCarrier
from tests.simulation.wire import LEADER
from tests.simulation.zookeeper import VirtualZooKeeper

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

SETTINGS = ClusterSettings(
    heartbeat_interval=900,
    heartbeat_timeout=3_000,
    adoption_timeout=1_500,
    retry_delay=100,
    tombstone_time=1_500,
    sweep_again=300,
)
DIRECTORY = "ha"
"""Of the job store."""


BETWEEN_COLLECTIONS_S = 2.5
AGAIN_S = 1.0
"""After a term that could not begin."""


def same_fence(fence: Fence) -> Fence:
    """As it is."""
    return fence


@dataclass(frozen=True, slots=True)
class Parts:
    """What may be replaced by something wrong."""

    make_core: Callable[[Epoch, ClusterSettings, Cluster], ClusterCore]
    make_fence: Callable[[Fence], Fence] = same_fence


def real_core(epoch: Epoch, settings: ClusterSettings, cluster: Cluster) -> ClusterCore:
    """The core as it is."""
    chances = Chances(lambda: b"secret", cluster.world.random.random)
    return ClusterCore(epoch, settings, cluster.job_settings, chances)


REAL = Parts(real_core)


class VirtualJobManager(Process):
    """One JobManager process."""

    def __init__(self, cluster: Cluster, number: int, generation: int, parts: Parts) -> None:
        super().__init__(cluster.world, f"jm{number}.{generation}")
        self.cluster = cluster
        self.number = number
        self.zookeeper = VirtualZooKeeper(cluster.quorum, self)
        self.storage = VirtualStorage(cluster.disk, self)
        self.term: Term | None = None
        self._parts = parts
        self._candidate: Candidate | None = None
        self._life: asyncio.Task[None] | None = None
        self._resigns = False
        self.loop.call_soon(self._begin)

    @property
    def address(self) -> str:
        """The same for each process of this number."""
        return f"jm{self.number}"

    @property
    def leads(self) -> bool:
        """It serves, in its own eyes."""
        return self.alive and self.term is not None and self.term.shell is not None and self.term.shell.leads

    # ------------------------------------------------------------ one term after the other

    def _begin(self) -> None:
        def make_store(fence: Fence, holds: Callable[[], bool]) -> JobStore:
            place = Location(self.storage, DIRECTORY)
            return SharedJobStore(self.zookeeper, self._parts.make_fence(fence), place, holds, self._store_clock)

        tolerant = self.cluster.tolerant
        self._candidate = Candidate(self.zookeeper, NODES, make_store, tolerant=tolerant, clock=lambda: self.world.now)
        self._life = self.loop.create_task(self._live(self._candidate))

    def _store_clock(self) -> float:
        """What the store spares for an hour is spared for 7.2 s, or until the run's end."""
        return self.world.now / 2 + self.cluster.skipped

    async def _live(self, candidate: Candidate) -> None:
        """As the real service does it, without `finally`: what is killed in the midst of it does nothing more."""
        while not self._resigns:
            office = await candidate.won()
            carrier = VirtualCarrier(self, office.store)
            again = 0.0
            try:
                await self._lead(office, carrier)
            except (StoreError, UnansweredError, LeadershipLostError) as error:
                self.say(f"can't lead now: {error}")
                again = AGAIN_S
            self.term = None
            await carrier.close()
            await office.leave()
            await asyncio.sleep(again)
        await candidate.close()
        self.kill("has ended in order")

    async def _lead(self, office: WonOffice, carrier: VirtualCarrier) -> None:
        floor = self.cluster.stores.highest_epoch()
        epoch = await carrier.ask(lambda store: store.open(floor))
        self.world.guard(lambda: self.cluster.outside.leads(epoch, self.name))
        records = await carrier.ask(lambda store: store.recover())
        self.say(f"leads in epoch {epoch}, with {len(records)} job recovered")
        jobs: list[e.Event] = [e.JobRecovered(record, self.cluster.stores.graphs[record.job]) for record in records]
        core = self._parts.make_core(epoch, SETTINGS, self.cluster)
        self.term = Term(self, epoch, core, carrier)
        shell = await self.term.begin(office, jobs)
        announcing = self.loop.create_task(office.announce(Leader(epoch, self.address)))
        collecting = self.loop.create_task(_collect(carrier))
        await shell.wait_ended()
        announcing.cancel()
        collecting.cancel()

    def collect_garbage(self) -> None:
        """Its time has come."""
        if self.term is not None:
            self.do(self.term.carrier.collect_garbage)

    # ------------------------------------------------------------ its ends

    def kill(self, how: str = "killed") -> None:
        """SIGKILL."""
        if self.alive:
            self.say(how)
            streams = list(self.term.streams.open.values()) if self.term is not None else []
            self.die()
            self.zookeeper.process_died()
            for stream in streams:
                stream.cut(f"the JobManager {how}", by=LEADER)

    def resign(self) -> None:
        """SIGTERM: it leaves its office in order."""
        self.do(self._resign)

    def _resign(self) -> None:
        self._resigns = True
        self.say("told to end")
        if self.leads and self.term is not None and self.term.shell is not None:
            self.term.shell.end("this JobManager stops")
        else:
            self.kill()  # it has no office to leave

    # ------------------------------------------------------------ who speaks with it

    def heard(self, term: Term, session: SessionId, message: object) -> None:
        """From a TaskManager."""
        if isinstance(message, Register):
            self._post(term, e.SessionOpened(session, message))
        else:
            self._post(term, e.MessageReceived(session, cast("FromTaskManager", message)))

    def closed(self, term: Term, session: SessionId, reason: str) -> None:
        """A stream ended."""
        term.streams.open.pop(session, None)
        self._post(term, e.SessionClosed(session, reason))

    def _post(self, term: Term, event: e.Event) -> None:
        shell = term.shell
        if shell is not None:
            self.do(lambda: shell.post(event))

    def fetched(self, digest: Digest) -> bytes | None:
        """A blob that its core has published."""
        return self.term.blobs.find(digest) if self.leads and self.term is not None else None

    def ask(self, ask: e.Ask, answered: Callable[[c.Reply], None]) -> None:
        """A client asks; one who gets no answer asks again."""
        self.do(lambda: _keep(self.loop.create_task(self._answer(ask, answered))))

    async def _answer(self, ask: e.Ask, answered: Callable[[c.Reply], None]) -> None:
        if self.term is None or self.term.shell is None:
            return
        try:
            reply = await self.term.shell.ask(ask)
        except LeadershipLostError:
            return
        answered(reply)


async def _collect(carrier: VirtualCarrier) -> None:
    while True:
        carrier.collect_garbage()
        await asyncio.sleep(BETWEEN_COLLECTIONS_S)


def _keep(_: object) -> None:
    """The loop's queue holds it."""
