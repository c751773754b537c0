"""One task: what a step of it does.

A step goes on with what the task is at, or begins the next thing, and ends when the thing is done, when an output is
out of credit, or after a slice of records. The thing is an iterator over what leaves the task, and **it is the task's
only activity**: commands, timers and input wait until it is through (ARCHITECTURE 3). Only cancel and an aborted
checkpoint act meanwhile. So no operator meets a barrier or a timer in the middle of a batch.

In order of precedence: what it is at; commands (completions, triggers, stop), which need no credit; timers; input.

Measured on Python 3.11, two tasks in one process, a reader and a map with a sink, records/s in batches of 8 k: passed
on 36 M ints; dealt out in turn to two 29 M; by hash 10 M ints, 8 M strings, 8 M pairs by a string in them. A batch of
one record costs 9 us from the reader's call to the sink's, by hash 16 us.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from millstream_dataflow.identity import ChannelId, CheckpointId, OperatorId
from millstream_dataflow.records import (
    Barrier,
    Batch,
    Control,
    End,
    EndOfData,
    EndReason,
    Watermark,
)
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_runtime.messages.session import StopMode, TaskReport, TaskTotals
from millstream_runtime.states import TASK_STATES, TaskState
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.exchange.output import Outputs
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.operators.base import Commit, OperatorContext, TaskPlace
from millstream_taskmanager.operators.chain import Chain
from millstream_taskmanager.task.alignment import Guarantee
from millstream_taskmanager.task.commits import CommitQueue
from millstream_taskmanager.task.cuts import Cuts
from millstream_taskmanager.task.doors import TaskDoors, Timer
from millstream_taskmanager.task.ending import AnnounceEnd, Close, Ending, Finish, Step
from millstream_taskmanager.task.in_flight import Overtaking
from millstream_taskmanager.task.pump import Activity, Pump
from millstream_taskmanager.task.restored import Restored
from millstream_taskmanager.task.stage import StageParts
from millstream_taskmanager.task.timers import Alarm, OperatorTimers
from millstream_taskmanager.task.turns import Turns
from millstream_taskmanager.user_code.errors import UserCodeError, failure_of, user_error
from millstream_taskmanager.user_code.forks import leave_if_forked

STOP_REASONS = {StopMode.STOP: EndReason.STOP, StopMode.DRAIN: EndReason.DRAIN}
"""What ends the data of a task that is told to stop."""

_CLIENT_CHECK = 5_000  # ms between two looks at whether a client that stopped fetching is gone


@dataclass(frozen=True, slots=True)
class TaskParts:
    """What a task is made of."""

    place: TaskPlace
    chain: Chain
    outputs: Outputs
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE
    restored: Restored = Restored()  # noqa: RUF009  # frozen, so one may be shared
    batch: int = 8_192
    """The most records that it takes in at a turn."""
    overtaking: Overtaking | None = None
    """How its barriers may overtake; None: not at all."""
    stage: StageParts | None = None
    """What binds it to other stages of its job; None: the job has but one."""


class Task(ABC):
    """What all tasks have in common. Everything is called from one thread, nothing from within a step but the doors."""

    def __init__(self, parts: TaskParts, gate: Gate | None, doors: TaskDoors) -> None:
        channels = () if gate is None else gate.channels
        self.place = parts.place
        self.state = TaskState.DEPLOYING
        self.over = False
        """Whether the task has come to its end, whichever."""
        self._overtakes = False  # a barrier does, for which others wait
        self._triggers = 0  # that the coordinator has sent and that aren't heeded yet
        self.chain = parts.chain
        self.outputs = parts.outputs
        self.gate = gate
        self.stage = parts.stage
        self.ending = Ending(len(channels), restored=parts.restored.ended)
        self._cuts = Cuts(self, parts.guarantee, doors, parts.restored.counts, parts.overtaking)
        self._restored = parts.restored
        self._doors = doors
        self._timers = OperatorTimers(doors)
        self._commits = CommitQueue(doors.run_blocking, self._fail)
        self._commands = deque[Callable[[], Activity | None]]()
        self._pump = Pump(parts.outputs, doors, self._fail)
        self._turns = Turns(parts.batch)
        self._in_turn = 0  # records of the turn at hand
        self._pump.begin(self._opening())
        self._is_held_back = False
        self._alarm = Alarm(doors, doors.wake)
        self._awaits_client: Timer | None = None
        self.outputs.when_writable(self._credited, self._fail)

    @property
    def aligned(self) -> Sequence[ChannelId]:
        """The channels by which barriers come: none brings what a finished stage has left."""
        if self.gate is None or (self.stage is not None and self.stage.reads_results):
            return ()
        return self.gate.channels

    # ---------------------------------------------------------------------------------------------------- steps

    @property
    def runnable(self) -> bool:
        """Whether a step would do something."""
        return not self.over and (self._goes_on or self._cuts.encodes)

    @property
    def urgent(self) -> bool:
        """Whether others wait for what needs no more than a step of this task: for a barrier that overtakes records
        here, or is still to be put behind what has left the task; or for its first step, which opens the operators,
        since no job runs before. What lies downstream may be busy for long, for ever with what other processes send;
        whatever is done first, a barrier stands behind the same records.
        """
        return self._overtakes or self._triggers > 0 or self.state is TaskState.DEPLOYING

    @property
    def background(self) -> bool:
        """Whether a step would but encode a slice of a snapshot, which other tasks needn't wait for."""
        return self._cuts.encodes and not self._goes_on

    @property
    def _goes_on(self) -> bool:
        if not self._pump.idle:
            return self._pump.ready
        return bool(self._commands) or self._has_input() or (self._timers.ready and self.outputs.writable)

    def step(self) -> None:
        """Go on. What is raised ends the task."""
        try:
            if self._cuts.encodes:
                goes_on = self._goes_on
                self._cuts.encode_slice()
                if not goes_on:
                    return
            if self._pump.idle and (activity := self._next()) is not None:
                self._pump.begin(activity)
            self._pump.pull()
            leave_if_forked()
            if not self.over:
                self._after_step()
        except BaseException as error:  # noqa: BLE001  # the user's code may raise what it likes
            self._fail(error)

    def _after_step(self) -> None:
        if self._in_turn and self._pump.idle:
            room = min(self.outputs.room(self._in_turn), self.chain.room)
            self._turns.took(self._in_turn, self._pump.busy, room)
            self._in_turn = 0
            self._turn_over()
        more_input = self._input_waits()
        self._pump.send(more_input=more_input)
        self._update_hold()
        if not more_input:
            self._alarm.set(self._next_input())

    @abstractmethod
    def _has_input(self) -> bool:
        """Whether `_take_input` has something, and may."""

    @abstractmethod
    def _input_waits(self) -> bool:
        """Whether there is input at hand, taken or not: then batches wait for their companions."""

    @abstractmethod
    def _take_input(self) -> Activity | None:
        """Take what is next, if there is something; None when nothing comes of it that leaves the task."""

    def _turn_over(self) -> None:  # noqa: B027  # most have nobody to tell
        """Records were taken in, and what has come of them has left the task."""

    def _next_input(self) -> int | None:
        """There is none at hand: the processing time at which there may be some, milliseconds. None: whoever brings it
        wakes the task.
        """
        return None

    def _starting(self) -> Activity:
        """What the task has to say when it is open."""
        return iter(())

    def _next(self) -> Activity | None:
        if self._commands:
            return self._commands.popleft()()
        if self._timers.ready and self.outputs.writable:
            return self._on_time()
        return self._take_input()

    def _credited(self) -> None:
        self._update_hold()
        self._doors.wake()

    def _update_hold(self) -> None:
        """Clocks of idleness stop while the task can't take input."""
        if not self.chain.counts_idleness:
            return
        takes = self.outputs.writable and self.chain.accepts
        held = not takes or bool(self.gate is not None and self.gate.blocked)
        if held is not self._is_held_back:
            self._is_held_back = held
            self.chain.hold(held=held)

    def _on_time(self) -> Activity:
        now = self._doors.now()
        for operator in self._timers.due(now):
            if self.ending.emits:  # timers of an ended task are silent
                yield from self.chain.on_time(operator, now)

    # ------------------------------------------------------------------------------------------------- commands

    def trigger(self, barrier: Barrier) -> None:
        """Put a barrier into the outputs: for tasks that take triggers (law 8.2)."""
        if not self.over:
            self._cuts.triggered(barrier)
            self._triggers += 1
            self._command(lambda: self._trigger(barrier))

    def _trigger(self, barrier: Barrier) -> None:
        self._triggers -= 1
        self._cuts.trigger(barrier)

    def completed(self, checkpoint: CheckpointId, *, commits: bool, last: bool) -> None:
        """The checkpoint is stored; told at least once. `last`: the task ends when its sinks have committed."""
        self._command(lambda: self._on_completed(checkpoint, commits=commits, last=last))

    def stop(self, mode: StopMode) -> None:
        """Read nothing more: for tasks that take triggers (law 5.1)."""
        self._command(lambda: self._steps(self.ending.exhausted(STOP_REASONS[mode])))

    def leader(self, *, present: bool) -> None:
        """The TaskManager has lost its leader, or has one again (law 4.2)."""
        if not self.over:
            self._cuts.leader(present=present)
            self._update_hold()

    def aborted(self, checkpoint: CheckpointId, *, older_too: bool = False) -> None:
        """The checkpoint is given up: whatever it blocks goes on at once (law 4.2)."""
        if not self.over:
            self._cuts.aborted(checkpoint, older_too=older_too)
            self._update_hold()

    def cancel(self) -> None:
        """End now; nothing more is emitted."""
        if self.over:
            return
        self._move(TaskState.CANCELING, "it was cancelled")
        try:
            self._release()
        except KeyboardInterrupt:  # Ctrl-C, where a program runs its job itself
            raise
        except BaseException as error:  # noqa: BLE001  # the user's close() can't hinder a cancel
            leave_if_forked(error)
        finally:
            self._move(TaskState.CANCELED, "it was cancelled")

    def fail(self, error: Exception) -> None:
        """End now, for a reason that lies outside: a lost peer."""
        self._fail(error)

    def ask(self, operator: OperatorId, payload: bytes) -> bytes:
        """A question to one of its operators. LookupError when nobody here answers it. What user code raises meanwhile
        ends the task, as anywhere else.
        """
        found = None if self.over else self.chain.find(operator)
        if found is None:
            raise LookupError(f"task {self.place.task} runs no operator {operator}")
        try:
            answer = found.ask(payload)
        except UserCodeError as error:
            self._fail(error)
            raise
        if self._awaits_client is not None and self.chain.settled:
            self._close()
        if not self.over:
            self._update_hold()
        self._doors.wake()
        return answer

    def drop_leftovers(self, operator: OperatorId, spared: Sequence[CheckpointId]) -> None:
        """Delete hidden output that former attempts of a sink left (law 6.2). What can't be deleted hurts nobody.

        It waits its turn among the commits, so that the task doesn't close before it is done.
        """
        found = None if self.over else self.chain.find(operator)
        job = None if found is None else found.drop_leftovers(spared)
        if job is not None:
            self._commits.add([Commit(partial(_quietly, job), _nothing)], _nothing)

    def totals(self) -> TaskTotals:
        """Counters since the attempt began."""
        taken = 0 if self.gate is None else sum(self.gate.records)
        written = sum(channel.records for channel in self.channels)
        late = sum(operator.late for operator in self.chain.operators)
        read, metrics = self._records_read(), self.chain.metrics()
        return TaskTotals(self.place.task, taken, written, late, self._watermark(), read, metrics)

    def _records_read(self) -> int:
        return 0

    def _watermark(self) -> int:
        return MIN_TIME

    def _command(self, command: Callable[[], Activity | None]) -> None:
        self._commands.append(command)
        self._doors.wake()

    # -------------------------------------------------------------------------------------------------- a life

    def _opening(self) -> Activity:
        self._move(TaskState.INITIALIZING, "it was deployed")
        self.chain.open(self._context)
        for operator, state in self._restored.states.items():
            if self.chain.find(operator) is None:
                self.chain.keep(operator, state.left((), self.place.task.subtask.index))
        self._restored = Restored()  # operators have what they need of it, and it may be as big as all state
        self._move(TaskState.RUNNING, "its operators are open")
        self._commits.add(self.chain.restored_commits(), self._restored_commits_done)
        yield from self._starting()
        if self.stage is not None and self.stage.inputs is not None:
            self.stage.inputs.start(self._doors.fetch, self.fail)
        if self.ending.finished:  # restored as such: its peers may be running, and wait for its watermark
            for channel in self.outputs.channels:
                channel.add_control(Watermark(MAX_TIME), self._doors.delays.now())
        yield from self._steps(self.ending.start())

    def _context(self, operator: OperatorId, name: str) -> OperatorContext:
        doors = _OperatorDoors(self._doors, self._timers, self._fail)
        return OperatorContext(operator, name, self.place, doors, self._restored.of(operator))

    def _restored_commits_done(self) -> None:
        self._doors.report(TaskReport(self.place.task, self.state, ended=self._ended(), commits_restored=True))

    def _ended(self) -> EndReason | None:
        return None if self.ending.emits else self.ending.reason

    def _move(self, state: TaskState, reason: str) -> None:
        self._set_state(state, reason)
        self._doors.report(TaskReport(self.place.task, state, ended=self._ended()))

    def _set_state(self, state: TaskState, reason: str) -> None:
        TASK_STATES.check(f"task {self.place.task}", self.state, state, reason)
        self.state = state
        self.over = TASK_STATES.is_final(state)

    def _fail(self, error: BaseException) -> None:
        if self.over:
            return
        error = user_error(error, self.place.vertex_name)
        self._set_state(TaskState.FAILED, type(error).__name__)
        with suppress(BaseException):  # the first error is the one that counts
            self._release()
        leave_if_forked()  # close() of the user's may have forked
        self._doors.fail(TaskReport(self.place.task, self.state, failure_of(error)), error)

    def _release(self) -> None:
        """Give everything back. The user's generators are closed before the functions that made them."""
        self._pump.close()
        self._commands.clear()
        self._commits.clear()
        self._timers.close()
        self._alarm.set(None)
        self._cuts.close()
        if self._awaits_client is not None:
            self._awaits_client.cancel()
        if self.gate is not None:
            self.gate.close()
        if self.stage is not None:
            self.stage.close()
        self.chain.close()

    # --------------------------------------------------------------------------------------------------- ends

    @property
    def channels(self) -> Sequence[PendingList]:
        """All channels that the task writes to."""
        return self.outputs.channels

    def broadcast(self, control: Control) -> None:
        """Into every channel."""
        for channel in self.channels:
            self.add_control(channel, control)

    def add_control(self, channel: PendingList, control: Control) -> None:
        """Into one of them."""
        channel.add_control(control, self._doors.delays.now())

    # ------------------------------------------------------------------------------- what its cuts ask (`cuts.CutTask`)

    @property
    def rest(self) -> tuple[int, Batch] | None:
        """What it has taken from a channel, and not begun with yet."""
        return None

    def hasten(self, then: Callable[[], None] | None) -> None:
        """Come to the end of what it is at although credit is lacking, then do that."""
        self._pump.hasten()
        self._overtakes = True
        if then is None:
            self._doors.wake()
        else:
            self._command(then)

    def relax(self) -> None:
        """Credit counts again."""
        self._pump.relax()
        self._overtakes = False

    def _steps(self, steps: Iterable[Step]) -> Activity:
        """Do what the ending says."""
        for step in steps:
            match step:
                case Finish(fire=fire):
                    if fire:
                        yield from self._finish()
                    yield from self._steps(self.ending.emitted())
                case AnnounceEnd(reason=reason):
                    self.broadcast(EndOfData(reason))
                    self._doors.report(TaskReport(self.place.task, self.state, ended=reason))
                    if self.stage is not None and self.stage.ends_alone:
                        yield from self._steps(self.ending.completed(last=True))
                case Close():
                    files = () if self.stage is None else self.stage.files
                    self._commits.add([Commit(file.complete, _nothing) for file in files], self._close)

    def _finish(self) -> Activity:
        if self._watermark() < MAX_TIME:
            yield from self.chain.event(Watermark(MAX_TIME))
        yield from self.chain.finish()

    def _on_completed(self, checkpoint: CheckpointId, *, commits: bool, last: bool) -> Activity:
        if commits:
            self._commits.add(self.chain.commits(checkpoint), _nothing)
        yield from self._steps(self.ending.completed(last=last))

    def _close(self) -> None:
        """Everything is committed. What a client has still to fetch is waited for, though not for ever."""
        if self._awaits_client is not None:
            self._awaits_client.cancel()
        if not self.chain.settled:
            delays = self._doors.delays
            self._awaits_client = delays.call_at(delays.now() + _CLIENT_CHECK, self._close)
            return
        try:
            self.broadcast(End())
            self._release()
            self._move(TaskState.FINISHED, "the last checkpoint is stored")
        except BaseException as error:  # noqa: BLE001  # the user's close() may raise what it likes
            self._fail(error)


class _OperatorDoors:
    """The doors of one task's operators."""

    def __init__(self, doors: TaskDoors, timers: OperatorTimers, failed: Callable[[BaseException], None]) -> None:
        self._fetch = doors.fetch
        self._wake = doors.wake
        self._failed = failed
        self.now = doors.now
        self.rounds = doors.rounds
        self.write_out = doors.write_out
        self.malformed = doors.malformed
        self.call_at = timers.call_at
        self.resume = timers.resume
        self.delays = doors.delays
        self.coroutines = doors.coroutines

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        def ran(error: Exception | None) -> None:
            try:
                then(error)
            except BaseException as problem:  # noqa: BLE001  # the user's source may raise what it likes
                self._failed(problem)
            self._wake()

        self._fetch(job, ran)


def _nothing() -> None:
    """For who waits for nothing."""


def _quietly(job: Callable[[], None]) -> None:
    """For who can go on without."""
    with suppress(Exception):
        job()
