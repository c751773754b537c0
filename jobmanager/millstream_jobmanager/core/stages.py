"""Stages: which regions may begin, since what they read is there; whose workers may leave, since what they have left is
complete; who runs again when that is lost (law 5.2). Asked and told after every event, like all that can be derived.

    a region begins        when every region that it reads from is FINISHED and its results are there; the last one
                           when all others are, so that it takes no slot that they need
    its workers leave      when it is FINISHED: files stay with their TaskManager, and so do the reports of its tasks,
                           by which a new leader knows of them
    its results are lost   with their TaskManager, or when a reader finds them damaged. It runs again when somebody
                           needs them, and then all that has read from it does: the second time it may deal its
                           records out otherwise, and half of each would be neither
    nothing is needed      of them once the job's final checkpoint is stored: the last region restores from that
"""

from collections.abc import Callable, Mapping

from millstream_dataflow.identity import RegionAttempt, RegionId, TaskManagerId
from millstream_dataflow.plan import Plan
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.failover import Failover
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.standing import GOING
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.record import RegionRecord
from millstream_runtime.messages.session import ReleaseRegion

_IDLE = frozenset({RegionState.WAITING, RegionState.FINISHED})


class Stages:
    """Of one job. A job without blocking edges has one region after which nothing comes, or several."""

    def __init__(self, context: JobContext, failover: Failover) -> None:
        self._context = context
        self._failover = failover
        self._released: set[RegionAttempt] = set()

    def readiness(self, *, ends: bool) -> Callable[[Region], bool]:
        """Whether a region may begin, as things stand now. `ends`: it would restore from the job's final checkpoint.

        Most regions of a stage read from the same ones, which are looked at once.
        """
        plan, regions = self._context.plan, self._context.regions
        done = not plan.staged or all(map(self._is_done, regions))
        known: dict[frozenset[RegionId], bool] = {}

        def there(producers: frozenset[RegionId]) -> bool:
            if producers not in known:
                known[producers] = all(self._is_there(regions[producer]) for producer in producers)
            return known[producers]

        def ready(region: Region) -> bool:
            if not plan.staged or (ends and self.is_last(region)):
                return True
            return (done or not self.is_last(region)) and all(map(there, plan.producers[region.plan.id]))

        return ready

    def is_last(self, region: Region) -> bool:
        """It ends with the job's final checkpoint."""
        return region.plan.id in self._context.plan.last_regions

    def _is_done(self, region: Region) -> bool:
        return self.is_last(region) or region.state is RegionState.FINISHED

    def _is_there(self, producer: Region) -> bool:
        """Its results are, and whoever holds them can be reached."""
        if producer.state is not RegionState.FINISHED or producer.lost:
            return False
        return all(self._context.cluster.session_of(holder) is not None for holder in producer.taskmanagers)

    def tick(self, turn: Turn, *, ends: bool, completing: bool) -> None:
        """Called after every event. `ends`: as above. `completing`: whether it will be so is about to be known."""
        if not self._context.plan.staged or self._context.standing.state not in GOING:
            return
        if not completing:
            self._produce_again(turn, ends=ends)
        works = any(region.state not in _IDLE for region in self._context.regions)
        ready = self.readiness(ends=ends)
        for region in self._context.regions:
            if region.state is RegionState.FINISHED and not self.is_last(region):
                self._release(turn, region)
            # For its inputs, or for slots that others of its own job will leave to it: that may take any time.
            if region.state is RegionState.WAITING and (works or not ready(region)):
                region.waiting_since = turn.now.monotonic

    def _produce_again(self, turn: Turn, *, ends: bool) -> None:
        """What somebody waits for, and what those wait for who made it: each that is lost runs again."""
        regions = self._context.regions
        looked_at: set[frozenset[RegionId]] = set()
        waiting = [one for one in regions if one.state is RegionState.WAITING and not (ends and self.is_last(one))]
        while waiting:
            for producers in self._context.plan.producers[waiting.pop().plan.id]:
                if producers in looked_at:
                    continue
                looked_at.add(producers)
                for producer in [regions[number] for number in sorted(producers)]:
                    if producer.lost and producer.state is RegionState.FINISHED:
                        self._failover.produce_again(turn, producer)
                        waiting.append(producer)

    def _release(self, turn: Turn, region: Region) -> None:
        if region.attempt in self._released:
            return
        self._released.add(region.attempt)
        for taskmanager in sorted(region.taskmanagers):
            self._context.send(turn, taskmanager, ReleaseRegion(region.attempt))

    def holds(self, taskmanager: TaskManagerId) -> bool:
        """Results lie there that somebody has still to read, or may have to read again."""
        context = self._context
        if not context.plan.staged or context.standing.state not in GOING:
            return False
        held = any(
            region.state is RegionState.FINISHED and not self.is_last(region) and taskmanager in region.taskmanagers
            for region in context.regions
        )
        # One of the last regions that has not begun has no tasks yet, and so hasn't ended.
        ended = all(region.tasks and region.all_ended() for region in context.regions if self.is_last(region))
        return held and not ended

    def again(self, region: Region) -> None:
        """The order may have been lost with a session."""
        self._released.discard(region.attempt)

    def taskmanager_lost(self, turn: Turn, region: Region, reason: str) -> bool:
        """A holder of the region is dead; True when that costs nothing but what its tasks had left."""
        if not self._context.plan.staged or self.is_last(region) or region.state is not RegionState.FINISHED:
            return False
        self._lose(turn, region, reason)
        return True

    def failed(self, turn: Turn, failure: Failure) -> None:
        """A task has failed; if it is because of results that it couldn't read, they are lost."""
        attempt = failure.result
        if attempt is None or not 0 <= attempt.region < len(self._context.regions):
            return
        producer = self._context.regions[attempt.region]
        if producer.attempt == attempt and producer.state is RegionState.FINISHED:
            self._lose(turn, producer, failure.message)

    def _lose(self, turn: Turn, region: Region, reason: str) -> None:
        if not region.lost:
            region.lost = True
            turn.tell(region.job, f"the results of region {region.plan.id} are lost: {reason}", warning=True)


def outdated(plan: Plan, stored: Mapping[RegionId, RegionRecord]) -> set[RegionId]:
    """The regions of a former leader that a new one can't adopt, though all their tasks are reported: one that they
    have read from has begun again since, and they were told to end, which may not have reached them.
    """
    found: set[RegionId] = set()
    if not plan.staged:
        return found
    waiting = set(stored)
    while waiting:
        ready = [region for region in waiting if not plan.producers_of(region) & waiting]
        waiting.difference_update(ready)
        for region in ready:
            producers = plan.producers_of(region)
            numbers = sum(stored[producer].attempt.number for producer in producers if producer in stored)
            if stored[region].reads != numbers or producers & found:
                found.add(region)
    return found
