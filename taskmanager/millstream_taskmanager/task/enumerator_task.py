"""A task that finds splits and gives each to a reader that has asked (law 8.1). It takes triggers, and reads nothing.

A reader that has asked while there is nothing to give is told so once: it is idle then. When nothing more will be found
the readers get end of data; a stop that comes later is told them all the same, by a second one.

To look for splits may block, so it is done in a thread. Meanwhile splits are given and barriers pass, and nobody is
told that there is nothing.
"""

from collections.abc import Sequence

from millstream_dataflow.records import EndOfData, EndReason, NoSplitNow
from millstream_runtime.messages.session import StopMode
from millstream_taskmanager.exchange.output import SplitOutput
from millstream_taskmanager.exchange.pending import PendingList
from millstream_taskmanager.operators.enumerator import EnumeratorOperator
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.ending import Phase
from millstream_taskmanager.task.pump import Activity
from millstream_taskmanager.task.task import STOP_REASONS, Task, TaskParts


class EnumeratorTask(Task):
    """See the module. Its parts have no outputs: splits go out by an output of their own kind."""

    def __init__(self, parts: TaskParts, output: SplitOutput, doors: TaskDoors) -> None:
        super().__init__(parts, None, doors)
        enumerator = parts.chain.head.operator
        if not isinstance(enumerator, EnumeratorOperator):
            raise TypeError(f"an enumerator task needs an enumerator at its head, not {type(enumerator).__name__}")
        self._enumerator = enumerator
        self._output = output
        self._told = set[int]()  # readers that have asked, and know that there is nothing
        for channel in output.channels:
            channel.when_writable(doors.wake, self._fail)

    @property
    def channels(self) -> Sequence[PendingList]:
        """See Task."""
        return self._output.channels

    def stop(self, mode: StopMode) -> None:
        """See Task. Also when everything has been found: the readers may be far from their ends."""
        self._command(lambda: self._stop(STOP_REASONS[mode]))

    def _stop(self, reason: EndReason) -> Activity:
        if self.ending.phase is Phase.RUNNING:
            yield from self._steps(self.ending.exhausted(reason))
        elif self.ending.reason is EndReason.INPUT:
            self.broadcast(EndOfData(reason))

    def _has_input(self) -> bool:
        if self.ending.phase is not Phase.RUNNING:
            return False
        return self._discovers() or self._enumerator.exhausted or self._gives() or bool(self._asking())

    def _input_waits(self) -> bool:
        return False

    def _discovers(self) -> bool:
        due = self._enumerator.due
        return due is not None and due <= self._doors.now()

    def _gives(self) -> bool:
        return self._enumerator.has_splits and self._output.writable

    def _asking(self) -> list[int]:
        """Readers that have asked and can't be given anything, and don't know it yet."""
        if self._enumerator.has_splits or self._enumerator.looks:
            return []
        channels = enumerate(self._output.channels)
        return [position for position, channel in channels if channel.writable and position not in self._told]

    def _take_input(self) -> Activity | None:
        """One thing at a time, so that barriers find their way between."""
        if not self._has_input():
            return None
        if self._discovers():
            self._doors.run_blocking(self._enumerator.discover(), self._discovered)
        elif self._gives():
            self._give()
        elif self._enumerator.exhausted:
            return self._steps(self.ending.exhausted(EndReason.INPUT))
        else:
            for position in self._asking():
                self._told.add(position)
                self._output.channels[position].add_control(NoSplitNow(), self._doors.delays.now())
        return None

    def _discovered(self, error: Exception | None) -> None:
        if self.over:
            return
        if error is not None:
            self._fail(error)
            return
        self._enumerator.discovered()
        self._alarm.set(self._next_input())
        self._doors.wake()

    def _give(self) -> None:
        position = self._output.give(self._enumerator.next_split(), self._doors.delays.now())
        if position is not None:
            self._enumerator.given()
            self._told.discard(position)

    def _next_input(self) -> int | None:
        return self._enumerator.due if self.ending.phase is Phase.RUNNING else None
