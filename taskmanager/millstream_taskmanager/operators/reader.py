"""Reads splits, a batch at a time, one watermark generator each; together they have one watermark (laws 7 and 8).

The reader doesn't know where splits come from: its task gives them to it, and says whether it has asked for one.
While a request is unanswered the reader is active at its watermark, because the split to come may hold older records.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from millstream_dataflow.connectors import Boundedness, Read, SplitReader
from millstream_dataflow.operators.specifications import ReaderSpecification
from millstream_dataflow.records import Barrier, Batch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.base import SLICE, Operator, OperatorContext, Output, Takes
from millstream_taskmanager.operators.idleness import IdleClock
from millstream_taskmanager.operators.stamping import Stamper, StampState
from millstream_taskmanager.operators.state import StoredList, stored_list
from millstream_taskmanager.operators.valve import Confluence
from millstream_taskmanager.user_code.copies import copied_singly
from millstream_taskmanager.user_code.errors import ConnectorCode

_STATE = "splits"
_DEALT = "splits of a source without enumerator are dealt out"
_REQUEST = -1  # member of the confluence: a split that was asked for
_ASK_AGAIN = 10  # milliseconds until a reader without records is asked again, if it doesn't say itself
_WHEN_CALLED: Final = MAX_TIME  # of a reader that waits for a call, and for no time


# An open split in a checkpoint: where its reader goes on, and how far event time had come. A plain tuple, since a
# savepoint outlives the names of our classes.
StoredSplit = tuple[Any, Any, StampState]


class _Calls:
    """What one split's reader knows of its task (SourceContext), and what it has in the task's threads."""

    def __init__(self, context: OperatorContext, guard: ConnectorCode, woken: Callable[[], None]) -> None:
        """`woken`: a job is through, and the reader has been told."""
        self.subtask_index = context.subtask_index
        self.parallelism = context.parallelism
        self.now = context.now
        self.malformed = context.malformed
        self._context = context
        self._guard = guard
        self._woken = woken
        self.under_way = 0

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        def told(error: Exception | None) -> None:
            self.under_way -= 1
            with self._guard:
                then(error)
            self._woken()

        self.under_way += 1
        self._context.run_blocking(job, told)


@dataclass(slots=True)
class _OpenSplit:
    split: Any
    reader: SplitReader
    calls: _Calls
    stamper: Stamper
    clock: IdleClock | None
    ready_at: int = 0
    idle: bool = False
    called: bool = False
    """Since it was asked last. Inline that may be before it has answered."""

    @property
    def waits(self) -> bool:
        """Whether only a call makes it ready."""
        return self.ready_at == _WHEN_CALLED


class ReaderOperator(Operator):
    """See the module. The head of its chain; it has no input, so `process` is never called."""

    takes = Takes.EITHER
    makes_watermarks = True
    audited = True

    def __init__(
        self, specification: ReaderSpecification, interval: int, batch: int = SLICE, *, reuse: bool = False
    ) -> None:
        """`interval`: milliseconds between two periodic watermarks, 0: none by the clock. `batch`: of bounded splits,
        the records behind which a watermark stands. `reuse`: nobody changes records, so none is copied.
        """
        self.source = specification.source
        self._copies = self.source.keeps_records and not reuse
        self._strategy = specification.strategy
        self.counts_idleness = self._strategy.idle_timeout is not None
        self._interval = interval
        self._every = batch if self.source.boundedness is Boundedness.BOUNDED else None
        self._splits: dict[int, _OpenSplit] = {}
        self._confluence = Confluence[int]()
        self._number = 0
        self._held = False

    def open(self, context: OperatorContext) -> None:
        """Opens the restored splits."""
        self._context = context
        self._guard = ConnectorCode(context.name)
        stored: list[StoredSplit] = context.state.items(_STATE)
        self._restored = bool(context.state.items(_DEALT))
        # The lowest watermark first, since the watermark of all never falls: a split that joins below it is late.
        for split, position, stamps in sorted(stored, key=lambda one: one[2][0]):
            self._open(split, position, stamps)
        self._arm(context.now())

    def start(self) -> Iterator[Output]:
        """What the restored splits say of event time."""
        if self._confluence.time > Confluence[int]().time:
            yield Watermark(self._confluence.time)

    @property
    def restored(self) -> bool:
        """Whether the splits of a source without enumerator have been opened before. Its own state says so: it may be
        new in a job that is restored, and have none left where it isn't.
        """
        return self._restored

    @property
    def time(self) -> int:
        """The watermark of all splits together."""
        return self._confluence.time

    @property
    def splits(self) -> int:
        """How many are open."""
        return len(self._splits)

    # ------------------------------------------------------------------------------------------ splits come

    def add(self, split: Any) -> Iterator[Output]:  # noqa: ANN401  # each source has a split type of its own
        """A split from its beginning."""
        yield from self._open(split, None, None)

    def asked(self) -> Iterator[Output]:
        """The task has asked for a split, and has no answer yet."""
        yield from self._confluence.join(_REQUEST, self._confluence.time)

    def answered(self) -> Iterator[Output]:
        """The request was answered with a split, or will never be: no more are to come."""
        yield from self._confluence.leave(_REQUEST)

    def none_now(self) -> Iterator[Output]:
        """There is no split at the moment: who has none at all is idle (law 7.3)."""
        yield from self._confluence.status(_REQUEST, idle=True)

    def _open(self, split: Any, position: Any, stamps: StampState | None) -> list[Watermark | StreamStatus]:  # noqa: ANN401  # as above
        stamper = Stamper(self._strategy, self._context.name, self._every)
        if stamps is not None:
            stamper.restore(stamps)
        self._number += 1
        calls = _Calls(self._context, self._guard, partial(self._woken, self._number))
        with self._guard:
            reader = self.source.create_reader(calls, split, position)
        self._splits[self._number] = _OpenSplit(split, reader, calls, stamper, self._clock())
        return self._confluence.join(self._number, stamper.time)

    def _woken(self, number: int) -> None:
        """A reader was called back: it may have records now. While it waited its clock stood."""
        if (split := self._splits.get(number)) is None:  # it is over, or just being opened
            return
        split.called = True
        waited, split.ready_at = split.waits, 0
        if waited and split.clock is not None:
            now = self._context.now()
            split.clock.hold(now, held=self._held)
            self._call_for(split.clock, now)

    def _clock(self) -> IdleClock | None:
        if (timeout := self._strategy.idle_timeout) is None:
            return None
        now = self._context.now()
        clock = IdleClock(timeout, now)
        if self._held:  # splits come without credit of the outputs
            clock.hold(now, held=True)
        self._call_for(clock, now)
        return clock

    # --------------------------------------------------------------------------------------------- reading

    def readable(self, now: int) -> bool:
        """Whether a split may have records now."""
        for split in self._splits.values():  # noqa: SIM110  # asked at every step: a generator costs as much again
            if split.ready_at <= now:
                return True
        return False

    def next_ready(self) -> int | None:
        """When one may have, milliseconds; None: no split is open, or all wait for a call."""
        ready_at = min((split.ready_at for split in self._splits.values()), default=_WHEN_CALLED)
        return None if ready_at == _WHEN_CALLED else ready_at

    def read(self, limit: int) -> Iterator[Output]:
        """A batch of the next split that is ready, of at most `limit` records; splits take turns."""
        now = self._context.now()
        number = next(number for number, split in self._splits.items() if split.ready_at <= now)
        split = self._splits.pop(number)
        self._splits[number] = split  # to the end of the line
        split.called = False
        with self._guard:
            read = split.reader.read(split.stamper.room(limit))
            batch = copied_singly(read.batch) if self._copies and read.batch is not None else read.batch
            split.ready_at = _next_read(split, read, now)
        records = 0 if batch is None else len(batch)
        self.processed += records
        self.skipped = self._context.malformed_records
        self.received = self.processed + self.skipped
        if batch is not None and records:
            yield from self._stamped(number, split, batch, now)
        elif split.clock is not None:
            if split.waits:
                split.clock.hold(now, held=True)
            else:
                split.clock.look(now)
        if read.ended:
            yield from self._ended(number, split)

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """Never called."""
        raise TypeError("a reader has no input")

    def _stamped(self, number: int, split: _OpenSplit, batch: Batch, now: int) -> Iterator[Output]:
        if split.clock is not None:
            split.clock.record(now)
            if split.idle:
                split.idle = False
                self._call_for(split.clock, now)
                yield from self._confluence.status(number, idle=False)
        for part in split.stamper.stamp(batch):
            if isinstance(part, int):
                yield from self._confluence.advance(number, part)
            else:
                yield part

    def _ended(self, number: int, split: _OpenSplit) -> Iterator[Output]:
        del self._splits[number]
        with self._guard:
            split.reader.close()
        yield from self._confluence.leave(number)

    # ------------------------------------------------------------------------------------------------- time

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """The task's own word that all has been read."""
        yield watermark

    def on_time(self, now: int) -> Iterator[Output]:
        """Watermarks by the clock, and splits that bring nothing."""
        for number, split in tuple(self._splits.items()):
            if (time := split.stamper.periodic()) is not None:
                yield from self._confluence.advance(number, time)
            if split.clock is not None and not split.idle:
                _look(split, split.clock, now)
                if split.clock.is_idle:
                    split.idle = True
                    yield from self._confluence.status(number, idle=True)
        self._arm(now)

    def hold(self, *, held: bool) -> None:
        """See Operator."""
        now = self._context.now()
        self._held = held
        for split in self._splits.values():
            if split.clock is not None:
                _look(split, split.clock, now)
                split.clock.hold(now, held=held or split.waits)
        self._arm(now)

    def _arm(self, now: int) -> None:
        clocks = [split.clock for split in self._splits.values() if split.clock is not None and not split.idle]
        due = [look for clock in clocks if (look := clock.next_look(now)) is not None]
        if self._interval:
            due.append(now + self._interval)
        if due:
            self._context.call_at(min(due))

    def _call_for(self, clock: IdleClock, now: int) -> None:
        """It runs again, and perhaps nothing else asks for a call that early."""
        if (look := clock.next_look(now)) is not None:
            self._context.call_at(look)

    # ---------------------------------------------------------------------------------------------- storing

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """The open splits, each with its position."""
        with self._guard:
            items: list[StoredSplit] = [
                (split.split, split.reader.position(), split.stamper.snapshot()) for split in self._splits.values()
            ]
            # From any old subtask to each new one: with another parallelism splits would be dealt out otherwise.
            return [stored_list(_STATE, items), stored_list(_DEALT, [True], Redistribution.BROADCAST)]

    def close(self) -> None:
        """Closes what is open."""
        for split in self._splits.values():
            split.reader.close()
        self._splits.clear()


def _look(split: _OpenSplit, clock: IdleClock, now: int) -> None:
    """By its reader's own word it has nothing yet; who might have something is looked at by reading it."""
    if split.ready_at > now:
        clock.look(now)


def _next_read(split: _OpenSplit, read: Read, now: int) -> int:
    if read.batch is not None or split.called:
        return 0  # whatever is done to the clock
    if read.waits and not read.ended:
        if not split.calls.under_way:
            raise RuntimeError(f"{type(split.reader).__name__}.read waits for a job, but it has none under way")
        return _WHEN_CALLED
    return now + _ASK_AGAIN if read.ready_at is None else read.ready_at
