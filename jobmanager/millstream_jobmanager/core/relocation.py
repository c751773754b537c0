"""What a TaskManager that is leaving means to the regions of one job that run there (ARCHITECTURE 5).

    it leaves, and there is room elsewhere  ->  a checkpoint at once, an ordinary one
    the checkpoint is stored and told       ->  each such region restarts elsewhere, as attempt + 1, from it
    it fails, or there is no room           ->  the tasks go on; a later checkpoint, or room that comes, moves them

A move counts as nobody's failure. It needn't wait until sinks have committed: what the checkpoint holds for them is
committed by the next attempt if the former one hadn't (law 6.1).

Nothing moves in a job without periodic checkpoints: it would begin anew, whereas it may well come to its end within the
TaskManager's grace. A checkpoint that nobody asked for would make sinks commit before the end (law 5.4), and might fail
for state that was never meant to be stored. Nor does anything move once all input has ended, since the job is about to.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from millstream_dataflow.identity import CheckpointId, RegionAttempt
from millstream_jobmanager.core.checkpoints.completed import restart_points
from millstream_jobmanager.core.checkpoints.coordinator import Coordinator
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.deployer import Deployer
from millstream_jobmanager.core.failover import PLACED, Failover
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.standing import GOING
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.states import JobState


@dataclass(frozen=True, slots=True)
class _Seen:
    """How the job's checkpoints stood when a region could move for the first time."""

    newest: CheckpointId
    failed: int


class Relocation:
    """Moves the regions of one job away from TaskManagers that are leaving."""

    def __init__(self, context: JobContext, coordinator: Coordinator, deployer: Deployer, failover: Failover) -> None:
        self._context = context
        self._coordinator = coordinator
        self._deployer = deployer
        self._failover = failover
        self._seen: dict[RegionAttempt, _Seen] = {}

    def tick(self, turn: Turn, *, ends: bool) -> None:
        """Called after every event. `ends`: all input of the job has ended."""
        now = _Seen(self._newest(), self._coordinator.failed_count)
        seen, self._seen = self._seen, {}
        for region in self._context.regions:
            if region.state in PLACED and self._context.standing.state in GOING and self._context.leaving(region):
                self._deployer.withdraw(turn, region, 0)
        for region in () if ends else list(self._movable()):
            then = seen.get(region.attempt, now)
            if now.newest > then.newest:
                self._failover.relocate(turn, region)
            else:
                self._seen[region.attempt] = then
        self._coordinator.urgent = now in self._seen.values()

    def _newest(self) -> CheckpointId:
        points = restart_points(self._context.journal.record)
        return points[-1].checkpoint if points else CheckpointId(0)

    def _movable(self) -> Iterator[Region]:
        """Regions that have to move, and for which there is room, as much as the first of them leave."""
        context = self._context
        if context.settings.checkpoints.interval is None or context.standing.state is not JobState.RUNNING:
            return
        spare: int | None = None
        for region in context.regions:
            if region.state is RegionState.RUNNING and context.leaving(region):
                spare = context.cluster.spare_slots() if spare is None else spare
                needed = context.slots_wanted(region)
                if needed <= spare:
                    spare -= needed
                    yield region
