"""What a task may ask of its surroundings: a worker process, inline execution, the simulation, a test."""

from collections.abc import Callable
from typing import Protocol

from millstream_dataflow.identity import CheckpointId
from millstream_runtime.messages.failures import Failure
from millstream_runtime.messages.session import SourceTime, TaskReport
from millstream_taskmanager.operators.waiting import TaskCoroutines
from millstream_taskmanager.task.snapshot import TaskPart


class Timer(Protocol):
    """A call that was asked for."""

    def cancel(self) -> None:
        """Don't call."""
        ...


class Delaying(Protocol):
    """A clock that nobody sets, in milliseconds since whenever: how long something has waited."""

    def now(self) -> int:
        """The time."""
        ...

    def call_at(self, time: int, action: Callable[[], None]) -> Timer:
        """Call at that time or soon after, between steps."""
        ...


class TaskDoors(Protocol):
    """Times are processing time, milliseconds since the epoch. Nothing here blocks."""

    @property
    def delays(self) -> Delaying:
        """For what isn't processing time: a machine's clock may be set."""
        ...

    @property
    def coroutines(self) -> TaskCoroutines:
        """Where `async def` functions of the user's run."""
        ...

    def work_clock(self) -> float:
        """A clock that nobody sets, in milliseconds since whenever, and fine: how long work takes."""
        ...

    def now(self) -> int:
        """The time."""
        ...

    def call_at(self, time: int, action: Callable[[], None]) -> Timer:
        """Call at that time or soon after, between steps."""
        ...

    def wake(self) -> None:
        """The task may be runnable."""
        ...

    def rounds(self) -> int:
        """How many times all tasks of this thread that had something to do have had a turn."""
        ...

    def report(self, report: TaskReport) -> None:
        """The task's state has changed, or its inputs have ended."""
        ...

    def tell_time(self, time: SourceTime) -> None:
        """How far the task has come in event time, for the group of sources that it is aligned with."""
        ...

    def acknowledge(self, part: TaskPart) -> None:
        """The task's part of a checkpoint, to be made durable and acknowledged."""
        ...

    def forget(self, checkpoint: CheckpointId, *, older_too: bool) -> None:
        """What was handed over for these checkpoints is of no use any more."""
        ...

    def decline(self, checkpoint: CheckpointId, failure: Failure) -> None:
        """The task gives its part up."""
        ...

    def fail(self, report: TaskReport, error: Exception) -> None:
        """The task has failed; `error` is what was raised, a UserCodeError where it was the user's code."""
        ...

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """Do in a thread of this task what may block, then call back between steps, with what it raised. One is done
        after the other; one that hangs holds up no other task.
        """
        ...

    def fetch(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """The same for what is read: a few at once, in threads of their own, so that a disk that is slow to read from
        holds up no commit.
        """
        ...

    def write_out(self, text: str) -> None:
        """To the task's standard output."""
        ...

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        """Count and show an input record that can't be read."""
        ...
