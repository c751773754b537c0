"""How a job comes to its end: all regions finished, cancelled, or given up; then the terminal state is recorded, and
only then its data goes (law 2.3). Also what people ask of a running job, since most of that is about ending it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.completed import kept_paths, with_its_end, with_results
from millstream_jobmanager.core.checkpoints.coordinator import Coordinator
from millstream_jobmanager.core.commands import DiscardJob, Reply
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.deployer import Deployer
from millstream_jobmanager.core.events import JobDiscarded
from millstream_jobmanager.core.failover import Failover
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.standing import GOING
from millstream_jobmanager.core.status import job_status
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.client import CancelJob, StopJob, TriggerSavepoint
from millstream_runtime.messages.failures import NOT_STORED, Failure, FailureKind
from millstream_runtime.messages.record import (
    CompletedCheckpoint,
    Intent,
    JobRecord,
    SavepointRequest,
    SavepointResult,
)
from millstream_runtime.messages.session import JobEnded, RegionEnded, StopMode
from millstream_runtime.states import JOB_STATES, JobState

_TARGET = {JobState.FAILING: JobState.FAILED, JobState.CANCELLING: JobState.CANCELED}


class Ending:
    """The end of one job."""

    def __init__(self, context: JobContext, coordinator: Coordinator, deployer: Deployer, failover: Failover) -> None:
        self._context = context
        self._standing = context.standing
        self._coordinator = coordinator
        self._deployer = deployer
        self._failover = failover
        self._recording = False
        self.retry_at: int | None = None

    # ------------------------------------------------------------ what a completed checkpoint means

    def is_last(self, point: CompletedCheckpoint) -> bool:
        """After it the tasks end."""
        return point.kind is SnapshotKind.FINAL and not self.is_restore(point)

    def is_restore(self, point: CompletedCheckpoint) -> bool:
        """It is what the job was started from: another job's, nothing to be told of."""
        return point == self._context.journal.record.restore

    def commits(self, point: CompletedCheckpoint) -> bool:
        """Sinks commit on it; not on a savepoint that doesn't stop the job (law 4.7)."""
        return point.kind is not SnapshotKind.SAVEPOINT

    # ------------------------------------------------------------ after every event

    def settle(self, turn: Turn) -> None:
        """Move towards the end, if that is where the job is going."""
        record = self._context.journal.record
        if self._recording:
            return  # nothing changes its mind any more
        if record.intent is Intent.CANCEL and self._standing.state in GOING:
            self._standing.move(turn, JobState.CANCELLING, "it was cancelled")
        if self._standing.state in _TARGET:
            self._end_regions(turn)
            if all(region.state is RegionState.ENDED for region in self._context.regions):
                self._record(turn, _TARGET[self._standing.state])
        elif self._standing.state is JobState.RUNNING:
            regions = self._context.regions
            if all(region.state is RegionState.FINISHED for region in regions):
                self._record(turn, JobState.FINISHED)

    def _end_regions(self, turn: Turn) -> None:
        for region in self._context.regions:
            if region.state in (RegionState.RECORDING, RegionState.LOADING):
                self._deployer.withdraw(turn, region, 0)
            if region.state not in (RegionState.ENDING, RegionState.ENDED):
                if region.deployed:
                    self._failover.end_workers(turn, region, self.grace())
                region.move(RegionState.ENDING, f"the job is {self._standing.state.name}")
            workers = [
                attempt for attempt, _ in self._context.open_workers.values() if attempt.region == region.plan.id
            ]
            if region.state is RegionState.ENDING and not workers:
                region.move(RegionState.ENDED, "no worker of it is left")

    def grace(self) -> int:
        """What workers that nobody wants get before they are killed: of a job that a user cancels, more (law 3.6)."""
        context = self._context
        user = self._standing.state is JobState.CANCELLING
        return context.settings.cancellation_timeout if user else context.cluster.settings.old_worker_grace

    # ------------------------------------------------------------ the terminal state

    def _record(self, turn: Turn, state: JobState) -> None:
        if self.retry_at is not None and turn.now.monotonic < self.retry_at:
            return
        if self._coordinator.completing:
            return  # whether its pointer is stored must be known before anything is deleted
        if state is JobState.FAILED and (named_at := self._named_at()) > turn.now.monotonic:
            self.retry_at = named_at
            return
        self._recording, self.retry_at = True, None
        wall = turn.now.wall
        self._coordinator.region_failed(turn)

        retained = self._retained(state)

        def mutate(record: JobRecord) -> JobRecord:
            unanswered = tuple(self._unanswered(request, state) for request in record.savepoints)
            return replace(
                with_its_end(record, retained=retained),
                state=state,
                failure=self._standing.failure,
                ended_at=wall,
                savepoints=(),
                results=with_results(record, unanswered),
            )

        def stored(turn: Turn) -> None:
            self._ended(turn, state)

        def refused(turn: Turn, reason: str) -> None:
            turn.tell(
                self._context.job, f"the end of the job could not be stored: {reason}; trying again", warning=True
            )
            self._recording, self.retry_at = False, turn.now.later(self._context.cluster.settings.retry_delay)

        self._context.journal.change(turn, mutate, stored, refused)

    def _named_at(self) -> int:
        """When a failure that follows from another has waited long enough for the primary one."""
        if self._standing.failure is None or not self._standing.failure.secondary:
            return 0
        return max(region.failed_at for region in self._context.regions) + self._context.cluster.settings.primary_grace

    def _unanswered(self, request: SavepointRequest, state: JobState) -> SavepointResult:
        text = f"the job was {state.name} before the savepoint was taken"
        return SavepointResult(request.request, "", Failure(FailureKind.USER, text))

    def _ended(self, turn: Turn, state: JobState) -> None:
        self._standing.move(turn, state, "its end is stored")
        self._standing.ended_monotonic = turn.now.monotonic
        for region in self._context.regions:
            if region.state is RegionState.FINISHED:
                for taskmanager in sorted(region.taskmanagers):
                    self._context.send(turn, taskmanager, RegionEnded(region.attempt))
                region.move(RegionState.ENDED, "the job is FINISHED")
        for taskmanager in self._context.cluster.taskmanagers():
            self._context.send(turn, taskmanager, JobEnded(self._context.job))
        self.discard(turn)

    def discard(self, turn: Turn) -> None:
        """The terminal state is recorded: the job's data goes. A new leader says it again, for its predecessor may have
        died before it was done.
        """
        turn.emit(DiscardJob(self._context.job, kept_paths(self._context.journal.record), self._standing.sweeps))
        self._standing.sweeps += 1

    def discarded(self, turn: Turn, event: JobDiscarded) -> None:
        """The last sweep has to succeed: the record stays until then, for nobody else knows of the job's data."""
        standing = self._standing
        if event.problem:
            turn.tell(event.job, event.problem, warning=True)
        if standing.swept_at is None or event.sweep != standing.sweeps - 1:
            return
        if event.problem:
            standing.swept_at = None
            standing.sweep_not_before = turn.now.later(self._context.cluster.settings.sweep_again)
        else:
            standing.is_swept = True

    def _retained(self, state: JobState) -> bool:
        """The job's checkpoints outlive it: those of one that FAILED always do (law 2.3)."""
        on_cancel = self._context.settings.checkpoints.retain_on_cancel
        return state is JobState.FAILED or (state is JobState.CANCELED and on_cancel)

    # ------------------------------------------------------------ what people ask

    def ask(self, turn: Turn, request: int, ask: CancelJob | StopJob | TriggerSavepoint) -> None:
        """Store the intent, then answer (law 2.2)."""
        if (problem := self._problem(ask)) is not None:
            turn.emit(Reply(request, job_status(self._context, self._coordinator), Failure(FailureKind.USER, problem)))
            return
        intent, record = _intent(ask), self._context.journal.record
        is_new = intent(record) != record

        def stored(turn: Turn) -> None:
            if is_new:
                turn.tell(self._context.job, f"a client asks {_wish(ask)}")
            turn.emit(Reply(request, job_status(self._context, self._coordinator)))

        def refused(turn: Turn, reason: str) -> None:
            failure = Failure(FailureKind.EXTERNAL, f"the request {NOT_STORED}: {reason}")
            turn.emit(Reply(request, None, failure))

        self._context.journal.change(turn, intent, stored, refused)

    def _problem(self, ask: CancelJob | StopJob | TriggerSavepoint) -> str | None:
        """Why it can't be asked now. A job that doesn't run takes no savepoint, and nobody knows when it will run; but
        whoever repeats what is stored already isn't refused.
        """
        if JOB_STATES.is_final(self._standing.state) or self._standing.state in _TARGET:
            return f"job {self._context.job} is {self._standing.state.name}; nothing can be asked of it any more"
        if self._context.settings.batch and not isinstance(ask, CancelJob):
            return f"job {self._context.job} runs in batch mode, which takes no savepoint; cancel it, or let it end"
        if isinstance(ask, CancelJob) or self._standing.state is JobState.RUNNING:
            return None
        if ask.request in _known_requests(self._context.journal.record):
            return None
        state, note = self._standing.state, job_status(self._context, self._coordinator).note
        return f"job {self._context.job} isn't running: it is {state.name}{note and ', '}{note}; ask again when it runs"

    def drop_stop(self, turn: Turn, failure: Failure) -> None:
        """The final checkpoint of a stop can't be taken: forget the intent and answer, in one write."""

        def mutate(record: JobRecord) -> JobRecord:
            stops = tuple(request for request in record.savepoints if request.stop)
            return replace(
                record,
                intent=Intent.RUN if record.intent is Intent.STOP else record.intent,
                savepoints=tuple(request for request in record.savepoints if not request.stop),
                results=with_results(record, [SavepointResult(request.request, "", failure) for request in stops]),
            )

        record = self._context.journal.record
        if record.intent is Intent.STOP or any(request.stop for request in record.savepoints):
            self._context.journal.change(turn, mutate, lambda _: None, lambda _turn, _reason: None)


def _wish(ask: CancelJob | StopJob | TriggerSavepoint) -> str:
    """`to stop it with a savepoint in /directory`."""
    match ask:
        case CancelJob():
            return "to cancel it"
        case StopJob(target=target, mode=mode):
            how = "drain and stop" if mode is StopMode.DRAIN else "stop"
            return f"to {how} it with a savepoint{target and ' in '}{target}"
        case TriggerSavepoint(target=target):
            return f"for a savepoint{target and ' in '}{target}"


def _intent(ask: CancelJob | StopJob | TriggerSavepoint) -> Callable[[JobRecord], JobRecord]:
    """The record with the intent in it; a repeated request changes nothing."""
    match ask:
        case CancelJob():
            return lambda record: replace(record, intent=Intent.CANCEL)
        case StopJob(request=name, target=target, mode=mode):
            return partial(_with_stop, wanted=SavepointRequest(name, target, stop=True, mode=mode))
        case TriggerSavepoint(request=name, target=target):
            wanted = SavepointRequest(name, target, stop=False)
            return lambda record: _with_request(record, wanted)


def _with_stop(record: JobRecord, wanted: SavepointRequest) -> JobRecord:
    """A stop that was answered already, with a failure, is over: whoever asks again has not heard of it."""
    asked = _with_request(record, wanted)
    return asked if asked is record or record.intent is Intent.CANCEL else replace(asked, intent=Intent.STOP)


def _with_request(record: JobRecord, wanted: SavepointRequest) -> JobRecord:
    if wanted.request in _known_requests(record):
        return record
    return replace(record, savepoints=(*record.savepoints, wanted))


def _known_requests(record: JobRecord) -> set[str]:
    """Asked for, or answered."""
    return {request.request for request in record.savepoints} | {result.request for result in record.results}
