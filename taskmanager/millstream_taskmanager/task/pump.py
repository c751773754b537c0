"""What a task is at: one iterator over what leaves the task, pulled as far as the credit of its outputs goes.

Data that finds an output without credit is held, and the iterator rests. So it shows whether there was any: a barrier
that stands behind needn't wait for credit in order to learn that there was none. Controls spend no credit. What comes
behind a slice of records is held too, so that a batch that is a slice by itself takes one step; but where slices are
slow to come, each is sent before the next is made. An activity may also rest, until something has happened outside.

An unaligned barrier waits for the iterator too, and for nothing else. So that it needn't wait for credit as well, a few
slices may go out without (`hasten`): they wait in the outputs then, and are stored with the checkpoint.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from types import GeneratorType
from typing import Final

from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.exchange.output import Outputs
from millstream_taskmanager.operators.base import PAUSE, SLICE
from millstream_taskmanager.operators.chain import Emission
from millstream_taskmanager.operators.waiting import Rest
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.timers import Alarm
from millstream_taskmanager.user_code.forks import leave_if_forked

Activity = Iterator[Emission]

OVERDRAFT: Final = 4 * SLICE
"""Records that go out without credit for the sake of one barrier. An iterator seldom has more left: it began with
credit, and what a slow task takes in at a turn is little. Flink's overdraft is of 5 buffers."""

_SHORT: Final = 1.0  # milliseconds: a step that has taken no more may look one element further


class Pump:
    """The only activity of a task, and when what has come of it is sent."""

    def __init__(self, outputs: Outputs, doors: TaskDoors, failed: Callable[[BaseException], None]) -> None:
        """`failed`: a record that is sent between two steps can't travel."""
        self._outputs = outputs
        self._delays = doors.delays
        self._work_clock = doors.work_clock
        self._activity: Activity | None = None
        self._held: Emission | None = None
        self._overdraft = 0
        self._rest: Rest | None = None
        self.busy = 0.0
        """Milliseconds that the activity has worked so far; what it waits for credit doesn't count."""
        self._failed = failed
        self._alarm = Alarm(self._delays, self._on_alarm)

    @property
    def idle(self) -> bool:
        """Whether the next thing may begin."""
        return self._activity is None

    @property
    def ready(self) -> bool:
        """Whether the activity could go on."""
        if self._rest is not None and not self._rest.over():
            return False
        return self._held is None or self._outputs.writable or self._overdraft > 0

    def begin(self, activity: Activity) -> None:
        """The next thing."""
        self._activity = activity
        self.busy = 0.0

    def pull(self) -> None:
        """Until it is through, until data finds an output without credit, for a slice of records, or to a pause."""
        if self._activity is None:
            return
        started = self._work_clock()
        self._emit(self._activity, self._delays.now(), started + _SHORT)
        self.busy += self._work_clock() - started

    def _emit(self, activity: Activity, now: int, short: float) -> None:
        outputs, records = self._outputs, 0
        held, self._held, self._rest = self._held, None, None
        for index, element in activity if held is None else chain((held,), activity):
            leave_if_forked()
            if element is PAUSE:
                return
            if isinstance(element, RowBatch | ColumnBatch):
                if records >= SLICE or not (outputs.writable or self._drawn(len(element))):
                    self._held = (index, element)
                    return
                records += len(element)
            elif isinstance(element, Rest):
                self._rest = element
                return
            outputs.emit(index, element, now)
            if records >= SLICE and self._work_clock() > short:
                return
        self._activity = None

    def hasten(self) -> None:
        """Come to the end without credit, as far as that goes, until `relax`."""
        self._overdraft = OVERDRAFT

    def relax(self) -> None:
        """Wait for credit again."""
        self._overdraft = 0

    def _drawn(self, records: int) -> bool:
        """Whether so many may go out without credit."""
        if self._overdraft <= 0:
            return False
        self._overdraft -= records
        return True

    def send(self, *, more_input: bool) -> None:
        """Natural batching: who has no more input sends what there is; who is busy, when it has waited for the
        timeout.
        """
        if self._rest is not None or (self.idle and not more_input):
            self._outputs.flush()
        else:
            self._send_in_time()

    def _on_alarm(self) -> None:
        try:
            self._send_in_time()
        except BaseException as error:  # noqa: BLE001  # the user's class may raise what it likes when it is pickled
            self._failed(error)

    def _send_in_time(self) -> None:
        outputs = self._outputs
        due = outputs.due
        if due is not None and due <= (now := self._delays.now()):
            outputs.flush_old(now)
            due = outputs.due
        self._alarm.set(None if due is None or outputs.writable else due)

    def close(self) -> None:
        """Nothing more. The user's generators are closed, unless it is one of them that asks for it."""
        activity = self._activity
        self._activity = self._held = self._rest = None
        self._alarm.set(None)
        if isinstance(activity, GeneratorType) and not activity.gi_running:
            activity.close()
