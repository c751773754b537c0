"""A task that reads splits, given by an enumerator or known from the start (law 8).

Splits, barriers and ends come through its gate and are taken at once, between batches and without credit of the
outputs: nothing but the batches that it reads needs room. Its gate's credit is the number of splits that it has room
for.
"""

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.records import Barrier, End, EndOfData, EndReason, NoSplitNow, RowBatch
from millstream_taskmanager.exchange.gate import Gate, Taken
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.task.aligned_source import AlignedSource
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.ending import Phase
from millstream_taskmanager.task.protocol import ProtocolError
from millstream_taskmanager.task.pump import Activity
from millstream_taskmanager.task.task import Task, TaskParts

_ROOM_WHEN_BOUNDED = 1  # a split after the other, so that event time doesn't mix files that lie far apart
_ROOM_WHEN_UNBOUNDED = 128  # splits that never end must all be open; 128 files are few for a process


class SourceTask(Task):
    """See the module."""

    def __init__(self, parts: TaskParts, gate: Gate | None, doors: TaskDoors) -> None:
        super().__init__(parts, gate, doors)
        reader = parts.chain.head.operator
        if not isinstance(reader, ReaderOperator):
            raise TypeError(f"a source task needs a reader at its head, not {type(reader).__name__}")
        self._reader = reader
        bounded = reader.source.boundedness is Boundedness.BOUNDED
        self._room = _ROOM_WHEN_BOUNDED if bounded else _ROOM_WHEN_UNBOUNDED
        self._asked = False
        self._no_more = gate is None
        alignment = reader.alignment
        self._aligned = (
            None if alignment is None else AlignedSource(self.place.task, reader, alignment, doors, self._read_up_to)
        )

    # ------------------------------------------------------------------------------------------------ splits

    def _starting(self) -> Activity:
        yield from self.chain.from_head(self._reader.start())
        if self._aligned is not None:
            self._aligned.begin()
        if self.gate is not None:
            yield from self._request(self.gate)
        elif not self._reader.restored and self.ending.emits:
            share = self._reader.source.static_splits(self.place.parallelism)
            for split in share[self.place.task.subtask.index :: self.place.parallelism]:
                yield from self.chain.from_head(self._reader.add(split))

    def _request(self, gate: Gate) -> Activity:
        """Ask for a split, if there is room and more may come."""
        if self._asked or self._no_more or self._reader.splits >= self._room or not self._reads:
            return
        self._asked = True
        yield from self.chain.from_head(self._reader.asked())
        gate.grant(0, 1)

    def _split(self, gate: Gate, split: object) -> Activity:
        if self._reads:
            self._asked = False
            yield from self.chain.from_head(self._reader.add(split))
            yield from self.chain.from_head(self._reader.answered())
            yield from self._request(gate)

    def _end_of_data(self, reason: EndReason) -> Activity:
        """No more splits; the open ones are read to their ends unless the job is to end."""
        self._no_more = True
        if self._asked:
            self._asked = False
            yield from self.chain.from_head(self._reader.answered())
        if reason is not EndReason.INPUT:
            yield from self._steps(self.ending.exhausted(reason))

    # --------------------------------------------------------------------------------------------- alignment

    def limit_time(self, limit: int) -> None:
        """The leader says how far it may read: the highest watermark of a split (see WatermarkAlignment)."""
        if self._aligned is not None and not self.over:
            self._aligned.told(limit)

    def _read_up_to(self, limit: int) -> None:
        self._command(lambda: self._reader.read_up_to(limit))

    def _turn_over(self) -> None:
        if self._aligned is not None:
            self._aligned.has_read()

    def _release(self) -> None:
        if self._aligned is not None:
            self._aligned.close()
        super()._release()

    # ------------------------------------------------------------------------------------------------- input

    @property
    def _reads(self) -> bool:
        return self.ending.phase is Phase.RUNNING

    @property
    def _exhausted(self) -> bool:
        return self._no_more and self._reader.splits == 0 and self._reads

    def _readable(self) -> bool:
        # `_reads`, but asked three times a step
        return self.ending.phase is Phase.RUNNING and self._reader.readable(self._doors.now())

    @property
    def urgent(self) -> bool:
        """See Task. What comes from the enumerator is taken at once: a barrier may be among it."""
        return super().urgent or (self.gate is not None and self.gate.ready)

    def _has_input(self) -> bool:
        if self.gate is not None and self.gate.ready:
            return True
        return self.outputs.writable and self.chain.accepts and (self._exhausted or self._readable())

    def _input_waits(self) -> bool:
        return self._readable()

    def _watermark(self) -> int:
        return self._reader.time

    def _records_read(self) -> int:
        return self._reader.processed

    def _take_input(self) -> Activity | None:
        if self.gate is not None and (taken := self.gate.take()) is not None:
            return self._taken(self.gate, taken)
        if self._exhausted:
            return self._steps(self.ending.exhausted(EndReason.INPUT))
        return self._read() if self._readable() else None

    def _taken(self, gate: Gate, taken: Taken) -> Activity | None:
        channel, _, element = taken
        match element:
            case RowBatch(values=[split]):
                return self._split(gate, split)
            case NoSplitNow():
                return self.chain.from_head(self._reader.none_now() if self._asked else ())
            case Barrier():
                self._cuts.barrier(gate, channel, element)
            case EndOfData(reason=reason):
                return self._end_of_data(reason)
            case End():
                self._cuts.end(channel)
            case _:
                raise ProtocolError(f"{gate.channels[channel]} brings {element} to a task that reads splits")
        return None

    def _read(self) -> Activity:
        before = self._reader.received
        yield from self.chain.from_head(self._reader.read(self._turns.records))
        self._in_turn = self._reader.received - before
        if self.gate is not None:
            yield from self._request(self.gate)

    def _next_input(self) -> int | None:
        """When a split that has nothing at the moment may have something."""
        return self._reader.next_ready() if self._reads else None
