"""Reads splits, a batch at a time, one watermark generator each; together they have one watermark (laws 7 and 8).

The reader doesn't know where splits come from: its task gives them to it, and says whether it has asked for one.
While a request is unanswered the reader is active at its watermark, because the split to come may hold older records.

Where sources are aligned, its task says how far it may read: a split whose watermark is beyond that is paused.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from millstream_dataflow.connectors import Boundedness
from millstream_dataflow.operators.specifications import ReaderSpecification
from millstream_dataflow.records import Barrier, Batch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.time import WatermarkAlignment
from millstream_runtime.messages.snapshots import Redistribution
from millstream_taskmanager.operators.base import SLICE, Operator, OperatorContext, Output, Takes
from millstream_taskmanager.operators.idleness import IdleClock
from millstream_taskmanager.operators.open_splits import WHEN_CALLED, Calls, OpenSplit, StoredSplit
from millstream_taskmanager.operators.stamping import Stamper, StampState
from millstream_taskmanager.operators.state import StoredList, stored_list
from millstream_taskmanager.operators.valve import Change, Confluence
from millstream_taskmanager.user_code.copies import copied_singly
from millstream_taskmanager.user_code.errors import ConnectorCode

_STATE = "splits"
_DEALT = "splits of a source without enumerator are dealt out"
_REQUEST = -1  # member of the confluence: a split that was asked for


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
        self._splits: dict[int, OpenSplit] = {}
        self._confluence = Confluence[int]()
        self._number = 0
        self._held = False
        # Aligned, each split reads up to its first watermark, and then waits for the first word.
        self._limit = MAX_TIME if self.alignment is None else MIN_TIME

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
    def idle(self) -> bool:
        """Whether no split holds the watermark back, and none is waited for."""
        return self._confluence.idle

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

    def _open(self, split: Any, position: Any, stamps: StampState | None) -> list[Change]:  # noqa: ANN401  # as above
        stamper = Stamper(self._strategy, self._context.name, self._context.now, self._every)
        if stamps is not None:
            stamper.restore(stamps)
        self._number += 1
        calls = Calls(self._context, self._guard, partial(self._woken, self._number))
        with self._guard:
            reader = self.source.create_reader(calls, split, position)
        now = self._context.now()
        clock = None if self._strategy.idle_timeout is None else IdleClock(self._strategy.idle_timeout, now)
        opened = self._splits[self._number] = OpenSplit(split, reader, calls, stamper, clock)
        opened.paused = stamper.time > self._limit
        opened.hold(now, held=self._held)  # splits come without credit of the outputs
        self._call_for(opened, now)
        return self._confluence.join(self._number, stamper.time)

    def _woken(self, number: int) -> None:
        """A reader was called back: it may have records now. While it waited its clock stood."""
        if (split := self._splits.get(number)) is None:  # it is over, or just being opened
            return
        split.called = True
        waited, split.ready_at = split.waits, 0
        if waited:
            now = self._context.now()
            split.hold(now, held=self._held)
            self._call_for(split, now)

    # --------------------------------------------------------------------------------------------- reading

    def readable(self, now: int) -> bool:
        """Whether a split may have records now, and may be read."""
        for split in self._splits.values():  # noqa: SIM110  # asked at every step: a generator costs as much again
            if split.ready_at <= now and not split.paused:
                return True
        return False

    def next_ready(self) -> int | None:
        """When one may have, milliseconds; None: no split is open, or all wait for a call, or for others."""
        times = (split.ready_at for split in self._splits.values() if not split.paused)
        ready_at = min(times, default=WHEN_CALLED)
        return None if ready_at == WHEN_CALLED else ready_at

    def read(self, limit: int) -> Iterator[Output]:
        """A batch of the next split that is ready, of at most `limit` records; splits take turns."""
        now = self._context.now()
        splits = self._splits.items()
        number = next(number for number, split in splits if split.ready_at <= now and not split.paused)
        split = self._splits.pop(number)
        self._splits[number] = split  # to the end of the line
        split.called = False
        with self._guard:
            read = split.reader.read(split.stamper.room(limit))
            batch = copied_singly(read.batch) if self._copies and read.batch is not None else read.batch
            split.has_read(read, now)
        records = 0 if batch is None else len(batch)
        self.processed += records
        self.skipped = self._context.malformed_records
        self.received = self.processed + self.skipped
        if batch is not None and records:
            yield from self._stamped(number, split, batch, now)
        elif split.clock is not None:
            if split.waits:
                split.hold(now, held=self._held)
            else:
                split.clock.look(now)
        if read.ended:
            yield from self._ended(number, split)

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """Never called."""
        raise TypeError("a reader has no input")

    def _stamped(self, number: int, split: OpenSplit, batch: Batch, now: int) -> Iterator[Output]:
        if split.clock is not None:
            split.clock.record(now)
            if split.quiet:
                split.quiet = False
                self._call_for(split, now)
                yield from self._status(number, split)
        for part in split.stamper.stamp(batch):
            if isinstance(part, int):
                yield from self._advanced(number, split, part)
            else:
                yield part
        yield from self._status(number, split)
        self._regulate(split, now)

    def _ended(self, number: int, split: OpenSplit) -> Iterator[Output]:
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
                yield from self._advanced(number, split, time)
                self._regulate(split, now)
            if split.clock is not None and not split.quiet:
                split.look(now)
                split.quiet = split.clock.is_idle
            yield from self._status(number, split)
        self._arm(now)

    def _advanced(self, number: int, split: OpenSplit, time: int) -> Iterator[Watermark | StreamStatus]:
        """A split has a watermark. One whose generator says so isn't idle any more, unless by the clock."""
        if split.idle and not split.quiet:
            split.idle = False
            yield from self._confluence.status(number, idle=False)
        yield from self._confluence.advance(number, time)

    def _status(self, number: int, split: OpenSplit) -> list[Change]:
        idle = split.quiet or split.stamper.idle
        if idle is split.idle:
            return []
        split.idle = idle
        return self._confluence.status(number, idle=idle)

    def hold(self, *, held: bool) -> None:
        """See Operator."""
        now = self._context.now()
        self._held = held
        for split in self._splits.values():
            split.look(now)
            split.hold(now, held=held)
        self._arm(now)

    def _arm(self, now: int) -> None:
        clocks = [split.clock for split in self._splits.values() if split.clock is not None and not split.quiet]
        due = [look for clock in clocks if (look := clock.next_look(now)) is not None]
        if self._interval:
            due.append(now + self._interval)
        if due:
            self._context.call_at(min(due))

    def _call_for(self, split: OpenSplit, now: int) -> None:
        """Its clock runs again, and perhaps nothing else asks for a call that early."""
        if split.clock is not None and (look := split.clock.next_look(now)) is not None:
            self._context.call_at(look)

    # ------------------------------------------------------------------------------------------- alignment

    @property
    def alignment(self) -> WatermarkAlignment | None:
        """The group of sources that this one keeps together with."""
        return self._strategy.alignment

    @property
    def lowest(self) -> int:
        """The lowest watermark of those splits that have one and aren't idle."""
        times = (split.stamper.time for split in self._splits.values() if not split.idle)
        return min((time for time in times if time > MIN_TIME), default=MIN_TIME)

    def read_up_to(self, limit: int) -> None:
        """Pause splits whose watermark is above that."""
        if limit != self._limit:
            self._limit = limit
            now = self._context.now()
            for split in self._splits.values():
                self._regulate(split, now)

    def _regulate(self, split: OpenSplit, now: int) -> None:
        paused = split.stamper.time > self._limit
        if paused is not split.paused:
            split.look(now)
            split.paused = paused
            split.hold(now, held=self._held)
            self._call_for(split, now)

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
