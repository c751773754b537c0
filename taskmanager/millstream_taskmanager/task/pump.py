"""What a task is at: one iterator over what leaves the task, pulled as far as the credit of its outputs goes.

Data that finds an output without credit is held, and the iterator rests. So it shows whether there was any: a barrier
that stands behind needn't wait for credit in order to learn that there was none. Controls spend no credit. What comes
behind a slice of records is held too, so that a batch that is a slice by itself takes one step; but where slices are
slow to come, each is sent before the next is made.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from types import GeneratorType
from typing import Final

from millstream_dataflow.records import ColumnBatch, RowBatch
from millstream_taskmanager.exchange.output import Outputs
from millstream_taskmanager.operators.base import PAUSE, SLICE
from millstream_taskmanager.operators.chain import Emission
from millstream_taskmanager.task.doors import TaskDoors
from millstream_taskmanager.task.timers import Alarm
from millstream_taskmanager.user_code.forks import leave_if_forked

Activity = Iterator[Emission]

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
        return self._held is None or self._outputs.writable

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
        held, self._held = self._held, None
        for index, element in activity if held is None else chain((held,), activity):
            leave_if_forked()
            if element is PAUSE:
                return
            if isinstance(element, RowBatch | ColumnBatch):
                if records >= SLICE or not outputs.writable:
                    self._held = (index, element)
                    return
                records += len(element)
            outputs.emit(index, element, now)
            if records >= SLICE and self._work_clock() > short:
                return
        self._activity = None

    def send(self, *, more_input: bool) -> None:
        """Natural batching: who has no more input sends what there is; who is busy, when it has waited for the
        timeout.
        """
        if self.idle and not more_input:
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
        self._activity = self._held = None
        self._alarm.set(None)
        if isinstance(activity, GeneratorType) and not activity.gi_running:
            activity.close()
