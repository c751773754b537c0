"""`assign_timestamps_and_watermarks` behind a source: one generator per subtask, which makes its own watermarks.

What its input says of event time is dropped, but for the end: the highest watermark passes (Flink's
TimestampsAndWatermarksOperator).
"""

from collections.abc import Iterator, Sequence

from millstream_dataflow.operators.specifications import TimestampsSpecification
from millstream_dataflow.records import Barrier, Batch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.base import Operator, OperatorContext, Output, Takes
from millstream_taskmanager.operators.idleness import IdleClock
from millstream_taskmanager.operators.stamping import Stamper, StampState
from millstream_taskmanager.operators.state import Inheritance, StoredList, stored_list

_STATE = "watermarks"


class TimestampsOperator(Operator):
    """See the module."""

    takes = Takes.EITHER
    makes_watermarks = True

    def __init__(self, specification: TimestampsSpecification, interval: int) -> None:
        """`interval`: milliseconds between two periodic watermarks; 0: none by the clock."""
        self._strategy = specification.strategy
        self.counts_idleness = self._strategy.idle_timeout is not None
        self._interval = interval
        self._clock: IdleClock | None = None
        self._round = 0
        self._quiet = False  # by the clock
        self._idle = False  # as it was told: quiet, or by the generator's word
        self._untold = False  # what the watermark was at the checkpoint

    def open(self, context: OperatorContext) -> None:
        """See Operator."""
        self._context = context
        self._stamper = Stamper(self._strategy, context.name, context.now)
        if (state := _own_state(context.state, context.subtask_index)) is not None:
            self._stamper.restore(state)
            self._untold = self._stamper.time > MIN_TIME
            context.resume()
        if (timeout := self._strategy.idle_timeout) is not None:
            self._clock = IdleClock(timeout, context.now())
        self._arm(context.now())

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """See Operator."""
        if self._clock is not None:
            self._clock.record(now := self._context.now())
            if self._quiet:
                self._quiet = False
                self._arm(now)
                yield from self._status()
        for part in self._stamper.stamp(batch):
            if isinstance(part, int):
                yield from self._watermark(part)
            else:
                yield part
        yield from self._status()

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """Only the end of all input passes."""
        if watermark.time == MAX_TIME:
            if self._idle:
                yield StreamStatus(idle=False)
            yield watermark

    def on_time(self, now: int) -> Iterator[Output]:
        """Watermarks by the clock, and the loss of it; first of all, the restored one."""
        if self._untold:
            self._untold = False
            yield Watermark(self._stamper.time)
        if (time := self._stamper.periodic()) is not None:
            yield from self._watermark(time)
        if self._clock is not None and not self._quiet:
            self._look(self._clock, now)
            self._quiet = self._clock.is_idle
        yield from self._status()
        self._arm(now)

    def hold(self, *, held: bool) -> None:
        """See Operator."""
        if self._clock is not None:
            now = self._context.now()
            self._look(self._clock, now)
            self._clock.hold(now, held=held)
            self._arm(now)

    def _look(self, clock: IdleClock, now: int) -> None:
        """What has come would be here by now: every task has had a turn since the last look."""
        if (done := self._context.rounds()) != self._round:
            self._round = done
            clock.look(now)

    def _watermark(self, time: int) -> Iterator[Output]:
        """A generator that has a watermark is not idle."""
        if self._idle and not self._quiet:
            self._idle = False
            yield StreamStatus(idle=False)
        yield Watermark(time)

    def _status(self) -> Iterator[Output]:
        """What has changed."""
        idle = self._quiet or self._stamper.idle
        if idle is not self._idle:
            self._idle = idle
            yield StreamStatus(idle=idle)

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """Each subtask's own, told to all: another parallelism starts at the minimum (law 7.1)."""
        item = (self._context.subtask_index, self._stamper.snapshot())
        return [stored_list(_STATE, [item], Redistribution.UNION)]

    def _arm(self, now: int) -> None:
        due = [now + self._interval] if self._interval else []
        if self._clock is not None and not self._quiet and (look := self._clock.next_look(now)) is not None:
            due.append(look)
        if due:
            self._context.call_at(min(due))


def _own_state(state: Inheritance, subtask: int) -> StampState | None:
    stored: list[tuple[int, StampState]] = state.items(_STATE)
    if not stored:
        return None
    if state.rescaled:
        return min(time for _, (time, _, _) in stored), None, 0
    own: list[StampState] = [item for index, item in stored if index == subtask]
    return own[0] if own else None
