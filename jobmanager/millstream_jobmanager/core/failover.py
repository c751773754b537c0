"""What a failure does to its region (ARCHITECTURE 5, law 3.6): end the old workers, ask the restart strategy, wait or
give up.

A failure that follows from another starts the restart at once; for half a second it yields its name to a primary one
of the same attempt. One attempt fails once: everything that its other tasks report afterwards is an echo.
"""

from collections import deque
from dataclasses import replace
from typing import Protocol

from millstream_dataflow.identity import RegionAttempt, TaskId, TaskManagerId, WorkerId
from millstream_dataflow.plan import WorkerPlan
from millstream_jobmanager.core.checkpoints.coordinator import Coordinator
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.deployer import Deployer
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.restart import GiveUp, Restart, after_failure
from millstream_jobmanager.core.status import leaving_words
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.client import RestartView
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.session import CancelRegion
from millstream_runtime.states import TaskState

UP = frozenset({RegionState.DEPLOYING, RegionState.RUNNING, RegionState.RECONCILING})
PLACED = frozenset({RegionState.RECORDING, RegionState.LOADING})


_RESTARTS_SHOWN = 16
"""A client is told five times a second at most, and several regions may fail at once."""


def shown(failure: Failure) -> Failure:
    """Without the traceback, which would make the details of a job large."""
    return replace(failure, traceback="")


class FailoverDoors(Protocol):
    """What failures may do to the job."""

    def give_up(self, turn: Turn, failure: Failure) -> None:
        """The job fails."""
        ...

    def rename(self, failure: Failure) -> None:
        """A primary failure gives its name to a job that fails for a secondary one."""
        ...


class Failover:
    """Failures of one job's regions."""

    def __init__(self, context: JobContext, coordinator: Coordinator, deployer: Deployer, doors: FailoverDoors) -> None:
        self._context = context
        self._coordinator = coordinator
        self._deployer = deployer
        self._doors = doors
        self.restarts = deque[RestartView](maxlen=_RESTARTS_SHOWN)
        """The last ones, for people."""

    def fail(self, turn: Turn, region: Region, failure: Failure) -> None:
        """The region's present attempt is over."""
        if region.state in PLACED:
            self._deployer.withdraw(turn, region, 0)
            return
        if region.state not in UP:
            self.name(turn, region.attempt, failure)
            return
        turn.tell(region.job, f"region {region.plan.id}, attempt {region.number}: {failure}", warning=True)
        region.failure, region.failed_at, region.failed_number = failure, turn.now.monotonic, region.number
        self._down(turn, region, failure.message)
        if failure.kind is FailureKind.CHECKPOINT:
            self._damaged(turn, region, failure)
        self._decide(turn, region, failure)

    def _down(self, turn: Turn, region: Region, reason: str) -> None:
        self._coordinator.region_failed(turn)
        self.end_workers(turn, region, self._context.cluster.settings.old_worker_grace)
        region.move(RegionState.WAITING, reason)
        region.waiting_since = region.not_before = turn.now.monotonic
        for number in self._context.plan.consumers_of(region.plan.id):
            self._down_with(turn, self._context.regions[number], region)

    def _down_with(self, turn: Turn, consumer: Region, producer: Region) -> None:
        """What it reads is made anew, and may be dealt out otherwise than before: it begins anew too."""
        if consumer.state in PLACED:
            self._deployer.withdraw(turn, consumer, 0)
        elif consumer.state in UP or consumer.state is RegionState.FINISHED:
            self._down(turn, consumer, f"region {producer.plan.id}, which it reads from, runs again")

    def _damaged(self, turn: Turn, region: Region, failure: Failure) -> None:
        """A worker couldn't restore: the checkpoint that it restored from is not to be used again (law 4.6)."""
        newest = self._deployer.point()
        path = region.restored or (newest.path if newest else "")
        if path:
            self._deployer.corrupt(turn, path, failure.message)

    def _decide(self, turn: Turn, region: Region, failure: Failure) -> None:
        if not failure.restartable:
            self._doors.give_up(turn, failure)
            return
        cluster = self._context.cluster
        decision = after_failure(self._context.settings.restart, region.history, turn.now.wall, cluster.chance)
        match decision:
            case Restart(delay=delay, history=history):
                region.history = history
                region.not_before = turn.now.later(delay)
                self.restarts.append(RestartView(region.plan.id, region.failed_number + 1, shown(failure)))
            case GiveUp(reason=reason):
                turn.tell(region.job, f"no restart: {reason}", warning=True)
                self._doors.give_up(turn, failure)

    def end_workers(self, turn: Turn, region: Region, grace: int) -> None:
        """Ask every TaskManager that may run this attempt to end it."""
        for taskmanager in sorted(region.taskmanagers):
            self._context.send(turn, taskmanager, CancelRegion(region.attempt, grace))

    def name(self, turn: Turn, attempt: RegionAttempt, failure: Failure) -> None:
        """A later report of a failed attempt: it may know better what the reason was, and that trying is in vain."""
        if not 0 <= attempt.region < len(self._context.regions):
            return
        region = self._context.regions[attempt.region]
        known = region.failure
        recent = turn.now.monotonic - region.failed_at <= self._context.cluster.settings.primary_grace
        yields = known is not None and known.secondary and not failure.secondary
        if attempt.number != region.failed_number or not (yields and recent):
            return
        region.failure = failure
        turn.tell(region.job, f"region {region.plan.id} failed because: {failure}", warning=True)
        self._doors.rename(failure)
        for place, restart in enumerate(self.restarts):
            if (restart.region, restart.attempt) == (region.plan.id, region.failed_number + 1):
                self.restarts[place] = replace(restart, failure=shown(failure))
        if failure.kind is FailureKind.CHECKPOINT and region.number == region.failed_number:
            self._damaged(turn, region, failure)
        if not failure.restartable:
            self._doors.give_up(turn, failure)

    def slow_start(self, turn: Turn, region: Region) -> None:
        """Nothing was heard of a worker within the time for its start."""
        if region.start_by is None or turn.now.monotonic < region.start_by or not (silent := region.not_started()):
            return
        timeout = self._context.cluster.settings.deployment_timeout
        holder = self._context.open_workers[silent[0]][1] if silent[0] in self._context.open_workers else ""
        text = (
            f"worker {silent[0]} on TaskManager {holder[:8]} has not started within {timeout} ms "
            "(jobmanager.execution.deployment-timeout)"
        )
        self.fail(turn, region, Failure(FailureKind.EXTERNAL, text))

    def missing(self, turn: Turn, region: Region) -> None:
        """A new leader doesn't find all of the region's tasks; this doesn't count against the strategy (law 3.4)."""
        names = ", ".join(str(subtask) for subtask in sorted(region.missing)[:5])
        turn.tell(region.job, f"region {region.plan.id} can't be adopted, nobody runs {names}", warning=True)
        self._down(turn, region, "tasks are missing under the new leader")

    def orphaned(self, turn: Turn, region: Region, failure: Failure) -> None:
        """A worker that a former leader had deployed could not begin under this one; as little a failure as a task that
        is missing (law 3.4). It can't go on for ever: the next attempt is this leader's own.
        """
        turn.tell(region.job, f"region {region.plan.id} can't begin as it was deployed: {failure}", warning=True)
        self._down(turn, region, "a worker could not begin under the new leader")

    def undo_end(self, turn: Turn, region: Region) -> None:
        """A FINISHED region is needed once more; that is nobody's failure."""
        reason = "the final checkpoint that it has FINISHED with is damaged"
        turn.tell(region.job, f"region {region.plan.id} starts again: {reason}", warning=True)
        self._down(turn, region, reason)

    def produce_again(self, turn: Turn, region: Region) -> None:
        """A FINISHED region's results are lost, and needed; that is nobody's failure, or counted as its reader's."""
        reason = "its results are lost, and needed"
        turn.tell(region.job, f"region {region.plan.id} runs again: {reason}", warning=True)
        self.restarts.append(RestartView(region.plan.id, region.number + 1, Failure(FailureKind.EXTERNAL, reason)))
        self._down(turn, region, reason)

    def relocate(self, turn: Turn, region: Region) -> None:
        """It runs elsewhere from now on, for a TaskManager of it is leaving; that is nobody's failure."""
        reason = leaving_words(self._context.leaving(region))
        turn.tell(region.job, f"region {region.plan.id}, attempt {region.number}, moves: {reason}")
        self.restarts.append(RestartView(region.plan.id, region.number + 1, Failure(FailureKind.EXTERNAL, reason)))
        self._down(turn, region, reason)

    def compare(
        self, turn: Turn, taskmanager: TaskManagerId, workers: set[WorkerId], shown: set[TaskId]
    ) -> set[WorkerId]:
        """A new session under the same leader: what it doesn't show was lost on the way there and is sent again (these
        workers are given back), or has died; under a leader that still waits for others it is missing again.
        """
        again: set[WorkerId] = set()
        for region in self._context.regions:
            if region.state not in UP:
                continue
            for worker in region.plan.workers:
                if region.placement[worker.ordinal].taskmanager != taskmanager:
                    continue
                name = region.worker(worker.ordinal)
                known = name in workers or any(TaskId(region.attempt, subtask) in shown for subtask in worker.subtasks)
                if known:
                    continue
                if region.state is RegionState.RECONCILING:
                    region.missing.update(worker.subtasks)
                elif self._untouched(region, worker) and self._deployer.send_again(turn, taskmanager, name):
                    again.add(name)
                else:
                    text = f"worker {name} is gone from TaskManager {taskmanager[:8]}"
                    self.fail(turn, region, Failure(FailureKind.EXTERNAL, text))
                    break
        return again

    def _untouched(self, region: Region, worker: WorkerPlan) -> bool:
        """Nothing was ever heard of it: its deployment may have been lost."""
        return all(region.tasks[subtask].state is TaskState.CREATED for subtask in worker.subtasks)
