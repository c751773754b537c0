"""All processes of one run, and what joins them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from millstream_dataflow.identity import ChannelId, RegionAttempt, SubtaskId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.settings import CheckpointSettings, JobSettings, RestartKind, RestartSettings
from tests.simulation.jobmanager import Parts, VirtualJobManager
from tests.simulation.outside import Outside
from tests.simulation.storage import Disk
from tests.simulation.stores import Stores
from tests.simulation.taskmanager import VirtualTaskManager, VirtualWorker
from tests.simulation.worker import SimulatedTask
from tests.simulation.world import World
from tests.simulation.zookeeper import Quorum


class Cluster:
    """JobManagers, TaskManagers, ZooKeeper, stores."""

    def __init__(self, world: World, parts: Parts, settings: JobSettings, doubled: float, *, tolerant: bool) -> None:
        self.world = world
        self.outside = Outside()
        self.disk = Disk(world, self.outside)
        self.stores = Stores(world, self.outside, self.disk)
        self.outside.metadata = self.stores.metadata
        self.quorum = Quorum(world, self.outside.changed)
        self.doubled = doubled
        self.tolerant = tolerant
        self.skipped = 0
        """Seconds that the clocks of job stores have jumped by."""
        self.jobmanagers: list[VirtualJobManager] = []
        """By their numbers; of one that was killed and started again, the newest."""
        self.taskmanagers: list[VirtualTaskManager] = []
        self._parts = parts
        self._settings = settings
        self._generations = Counter[int]()
        self._plans: dict[str, Plan] = {}

    def job_settings(self, _: Mapping[str, str]) -> JobSettings:
        """The same for every job of the run."""
        return self._settings

    def start_jobmanager(self, number: int) -> None:
        """A JobManager process; it takes the place of the one with its number, which is dead."""
        self._generations[number] += 1
        started = VirtualJobManager(self, number, self._generations[number], self._parts)
        self.jobmanagers[number : number + 1] = [started]

    def at(self, address: str) -> VirtualJobManager | None:
        """The process that listens there."""
        return next((jm for jm in self.jobmanagers if jm.address == address and jm.alive), None)

    def leaders(self) -> list[VirtualJobManager]:
        """All that believe that they lead."""
        return [jobmanager for jobmanager in self.jobmanagers if jobmanager.leads]

    def start_taskmanager(self, number: int, slots: int) -> VirtualTaskManager:
        """A TaskManager process; one with the same number stands for its predecessor."""
        generation = sum(taskmanager.number == number for taskmanager in self.taskmanagers)
        taskmanager = VirtualTaskManager(self, number, generation, slots)
        self.taskmanagers.append(taskmanager)
        return taskmanager

    def close(self) -> None:
        """All processes end; their threads are free for the next run."""
        self.world.over = True
        for process in (*self.jobmanagers, *self.taskmanagers):
            process.die()

    # ------------------------------------------------------------ workers find each other

    def workers(self) -> list[VirtualWorker]:
        """All that are alive."""
        return [worker for tm in self.taskmanagers if tm.alive for worker in tm.workers.values() if worker.alive]

    def peers_of(self, worker: VirtualWorker) -> list[VirtualWorker]:
        """Workers of the same attempt."""
        return [peer for peer in self.workers() if peer.deployment.attempt == worker.deployment.attempt]

    def target_of(self, attempt: RegionAttempt, channel: ChannelId) -> SimulatedTask | None:
        """Where a channel ends, if that worker is up."""
        plan = self._plans.get(attempt.job)
        if plan is None:  # made once: to make it at every call took two thirds of a run
            plan = self._plans[attempt.job] = Plan(self.stores.graphs[attempt.job])
        edge = next(edge for edge in plan.graph.edges if edge.id == channel.edge)
        subtask = SubtaskId(edge.target, channel.target)
        for worker in self.workers():
            if worker.deployment.attempt == attempt and subtask in worker.tasks:
                return worker.tasks[subtask]
        return None


def job_settings(interval: int | None, *, tolerable: int, concurrent: int) -> JobSettings:
    """Settings of a run's jobs: restarts without end, quick ones."""
    restart = RestartSettings(RestartKind.EXPONENTIAL_DELAY, delay=50, max_delay=400, stable_after=5_000)
    checkpoints = CheckpointSettings(
        interval, timeout=2_500, max_concurrent=concurrent, tolerable_failures=tolerable, directory="chk"
    )
    return replace(
        JobSettings(checkpoints, restart),
        slot_request_timeout=60_000,
        cancellation_timeout=1_000,
    )
