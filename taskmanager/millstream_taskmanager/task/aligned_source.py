"""A source task that keeps together with others in event time (`millstream_dataflow.time.alignment`).

It says how far it has come when it has its first watermark, and at every update from then on; and it holds its reader
to what it was told. What it is told comes as a command between two batches; what follows of silence does too.
"""

from collections.abc import Callable

from millstream_dataflow.identity import TaskId
from millstream_dataflow.records.controls import MIN_TIME
from millstream_dataflow.time import ReadingLimit, WatermarkAlignment
from millstream_runtime.messages.session import SourceTime
from millstream_taskmanager.operators.reader import ReaderOperator
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.timers import Alarm


class AlignedSource:
    """See the module."""

    def __init__(
        self,
        task: TaskId,
        reader: ReaderOperator,
        alignment: WatermarkAlignment,
        doors: TaskDoors,
        limits: Callable[[int], None],
    ) -> None:
        """`limits`: let the reader read so far, between two batches."""
        self._task = task
        self._reader = reader
        self._interval = alignment.update_interval
        self._doors = doors
        self._limits = limits
        self._limit = ReadingLimit(alignment, doors.delays.now())
        self._applied = MIN_TIME
        self._alarm = Alarm(doors.delays, self._update)
        self._has_time = False

    def begin(self) -> None:
        """Its reader is open, and may have a watermark from before."""
        self._update()

    def has_read(self) -> None:
        """Records were read. The first watermark is news: nobody may go on before all of the group have one."""
        if not self._has_time and self._reader.time > MIN_TIME:
            self._report()

    def told(self, limit: int) -> None:
        """The leader's word."""
        self._limit.told(limit, self._doors.delays.now())
        self._apply()

    def close(self) -> None:
        """Nothing more is said."""
        self._alarm.set(None)

    def _update(self) -> None:
        self._report()
        self._apply()
        self._alarm.set(self._doors.delays.now() + self._interval)

    def _report(self) -> None:
        time = self._reader.time
        self._has_time = time > MIN_TIME
        self._doors.tell_time(SourceTime(self._task, time, self._reader.idle))

    def _apply(self) -> None:
        limit = self._limit.at(self._doors.delays.now(), self._reader.lowest)
        if limit != self._applied:
            self._applied = limit
            self._limits(limit)
