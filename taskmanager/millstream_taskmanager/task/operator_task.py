"""A task that takes its input from a gate: every one but sources."""

from collections.abc import Iterable

from millstream_dataflow.records import (
    Barrier,
    Batch,
    ColumnBatch,
    End,
    EndOfData,
    EndReason,
    NoSplitNow,
    RowBatch,
    StreamStatus,
    Watermark,
)
from millstream_dataflow.records.controls import MIN_TIME
from millstream_taskmanager.exchange.gate import Gate, Taken
from millstream_taskmanager.operators.valve import Change, Valve
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.protocol import ProtocolError
from millstream_taskmanager.task.pump import Activity
from millstream_taskmanager.task.task import Task, TaskParts


class OperatorTask(Task):
    """See the module. Watermarks of its channels meet in a valve, barriers in an alignment, ends in an ending."""

    def __init__(self, parts: TaskParts, gate: Gate, doors: TaskDoors) -> None:
        super().__init__(parts, gate, doors)
        self._gate = gate
        self._valve = Valve(gate.inputs, time=parts.restored.watermark)
        self._open_channels = {number: gate.inputs.count(number) for number in gate.inputs}
        self._stopped = set[int]()
        self._rest: tuple[int, int, Batch] | None = None  # channel, input, and what later turns will take of a batch

    @property
    def rest(self) -> tuple[int, Batch] | None:
        """See Task."""
        return None if self._rest is None else (self._rest[0], self._rest[2])

    def _starting(self) -> Activity:
        """What it has said of event time before: whoever comes behind may have another input by now that is further, or
        have lost it, since of a channel without records nothing is stored in flight. Its own senders say nothing that
        is news here.
        """
        if self._valve.time > MIN_TIME and self.ending.emits:
            yield from self.chain.event(Watermark(self._valve.time))

    def _has_input(self) -> bool:
        return self._input_waits() and self.outputs.writable and self.chain.accepts

    def _input_waits(self) -> bool:
        return self._rest is not None or self._gate.ready

    def _watermark(self) -> int:
        return self._valve.time

    def _take_input(self) -> Activity | None:
        if self._rest is not None:
            return self._turn(*self._rest)
        taken = self._gate.take()
        if taken is None:
            return None
        element = taken.element
        if isinstance(element, RowBatch | ColumnBatch):
            self.ending.check_data(taken.channel)
            return self._turn(taken.channel, taken.input, element)
        return self._control(taken)

    def _turn(self, channel: int, number: int, batch: Batch) -> Activity:
        """A batch, or as much of it as belongs into a turn."""
        limit = self._turns.limit
        self._rest = None
        if limit is not None and len(batch) > limit:
            self._rest = (channel, number, batch.slice(limit, len(batch)))
            batch = batch.slice(0, limit)
        self._in_turn = len(batch)
        return self.chain.process(number, batch)

    def _turn_over(self) -> None:
        self._gate.pace(self._turns.goal)

    def _release(self) -> None:
        self._rest = None
        super()._release()

    def _control(self, taken: Taken) -> Activity | None:
        channel, number, element = taken
        match element:
            case Watermark():
                self.ending.check_data(channel)
                return self._events(self._valve.watermark(channel, element))
            case StreamStatus():
                self.ending.check_data(channel)
                return self._events(self._valve.status(channel, element))
            case Barrier():
                self._cuts.barrier(self._gate, channel, element)
            case EndOfData(reason=reason):
                return self._end_of_data(channel, number, reason)
            case End():
                self.ending.end(channel)
                self._cuts.end(channel)
            case NoSplitNow() | RowBatch() | ColumnBatch():
                raise ProtocolError(f"{self._gate.channels[channel]} brings {element} to a task that reads no splits")
        return None

    def _events(self, changes: Iterable[Change]) -> Activity:
        for change in changes:
            if self.ending.emits:
                yield from self.chain.event(change)

    def _end_of_data(self, channel: int, number: int, reason: EndReason) -> Activity:
        steps = self.ending.end_of_data(channel, reason)
        self._open_channels[number] -= 1
        if reason is EndReason.STOP:
            self._stopped.add(number)  # it goes on when the job does
        if not self._open_channels[number] and number not in self._stopped and self.ending.emits:
            yield from self.chain.end_of_input(number)
        yield from self._steps(steps)
