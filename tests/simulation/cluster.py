"""All processes of one run, and what joins them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from millstream_dataflow.identity import ChannelId, Epoch, RegionAttempt, SubtaskId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.settings import CheckpointSettings, JobSettings, RestartKind, RestartSettings
from tests.simulation.jobmanager import MakeCore, VirtualJobManager
from tests.simulation.outside import Outside
from tests.simulation.stores import Stores
from tests.simulation.taskmanager import VirtualTaskManager, VirtualWorker
from tests.simulation.worker import SimulatedTask
from tests.simulation.world import World


class Cluster:
    """JobManager, TaskManagers, stores."""

    def __init__(self, world: World, make_core: MakeCore, settings: JobSettings, doubled: float) -> None:
        self.world = world
        self.outside = Outside()
        self.stores = Stores(world, self.outside)
        self.doubled = doubled
        self.leader: VirtualJobManager | None = None
        self.taskmanagers: list[VirtualTaskManager] = []
        self.broken: Exception | None = None
        self._make_core = make_core
        self._settings = settings
        self._epoch = 0
        self._plans: dict[str, Plan] = {}

    def job_settings(self, _: Mapping[str, str]) -> JobSettings:
        """The same for every job of the run."""
        return self._settings

    def start_leader(self) -> None:
        """A JobManager process, in the next epoch."""
        self._epoch += 1
        self.leader = VirtualJobManager(self, Epoch(self._epoch), self._make_core)
        self.leader.start()

    def start_taskmanager(self, number: int, slots: int) -> VirtualTaskManager:
        """A TaskManager process; one with the same number stands for its predecessor."""
        generation = sum(taskmanager.number == number for taskmanager in self.taskmanagers)
        taskmanager = VirtualTaskManager(self, number, generation, slots)
        self.taskmanagers.append(taskmanager)
        return taskmanager

    def guard(self, action: Callable[[], None]) -> None:
        """What may raise: the run ends with it."""
        if self.broken is None:
            try:
                action()
            except Exception as error:  # noqa: BLE001  # any error ends the run and is raised at its end
                self.broken = error

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
