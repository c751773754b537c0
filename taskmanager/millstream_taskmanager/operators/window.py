"""Windows of a keyed stream (Flink, "Windows"): accumulators by window and key, and what happens at a window's end.

All keys of a window lie together, and a window has one timer whatever their number: it fires when event time has
reached its last millisecond (or the clock has passed it), and is kept for the allowed lateness. A record that comes
meanwhile fires its key anew; one that comes later goes to the side output for late records, or is dropped and counted.

Measured on Python 3.11, 8 k records of 100 keys, M records/s: sums by reduce 2.6, means by aggregate 2.4.
"""

import heapq
from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from millstream_dataflow.errors import InvalidProgramError
from millstream_dataflow.operators.specifications import WindowSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.batches import Times
from millstream_dataflow.windows import (
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    WindowAssigner,
)
from millstream_taskmanager.operators.base import SLICE, OperatorContext, Output, SideBatch
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.keyed import KeyedOperator, KeyedPart
from millstream_taskmanager.operators.window_results import KINDS, WindowResults, WindowSurroundings, accumulation_of
from millstream_taskmanager.state.runs import Where
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.state.tables import WINDOWS, NamespaceTable
from millstream_taskmanager.user_code.errors import UnsupportedOperatorError, UserCodeError, last_given

_FEW = 32  # times; below, numpy costs more than it saves
_SHORT = 8  # records in a row; below, on the average, putting them in order costs less than they do one by one
_SAMPLE = 64  # times: every so many-th is looked at first
_MANY_KNOWN = 1_024  # periods; most jobs have a few open, and late records may ask for any


@dataclass(slots=True)
class _OpenWindow:
    """A window and its entries in the table; `last` is its last millisecond."""

    window: TimeWindow
    last: int
    entries: dict[Hashable, Any] | None = None


class WindowOperator(KeyedOperator):
    """See the module. One namespace of the table is one window."""

    def __init__(self, specification: WindowSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        functions = (specification.reduce, specification.aggregate, specification.process)
        super().__init__(specification.key, [function for function in functions if function is not None])
        self._specification = specification
        self._by_clock = not specification.assigner.is_event_time()
        self._lateness = 0 if self._by_clock else specification.allowed_lateness  # by the clock nothing is late
        self._reuse = reuse
        self._accumulation = accumulation_of(specification)
        self._windows = _Windows(specification.assigner)
        self._due: list[tuple[int, TimeWindow]] = []

    def open_state(self, context: OperatorContext) -> None:
        """See KeyedOperator. The times of restored windows follow from them."""
        kind = self._accumulation.kind
        where = Where(context.name, f"windows-{kind}", "what windows hold")
        mend = "records; do as before, or give the operator another uid"
        others = {f"windows-{other}": f"{other} {mend}" for other in KINDS}
        self.backend.refuse_others(where, f"is {kind} records now", others)
        self._table = self.backend.add(NamespaceTable[Any](where, namespaces=WINDOWS))
        tables = KeyedTables(self.current, self.backend)
        self._around = WindowSurroundings(self.current, tables, context, self.backend)
        self._around.watermark = self.times.time
        self._results = WindowResults(self._specification, self._accumulation, self._around, reuse=self._reuse)
        self._functions.open(context, tables)
        for window in self._table.entries:
            self._register(window)

    # ---------------------------------------------------------------------------------------------- records

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        late = RowBatch([], None if batch.timestamps is None else [])
        for part in self.parts(batch):
            self._around.watermark = part.time
            if self._by_clock:  # nothing is late, and all are of one time
                for window in self._windows.at(self._context.now()):
                    self._add(window, part.values, part.identities)
            else:
                yield from self._process(part, self._times(batch, part), late)
        self.late += len(late)
        self.processed += len(batch) - len(late)
        if late.values and self._specification.late is not None:
            yield SideBatch(self._specification.late.tag_id, late)

    def _process(self, part: KeyedPart, times: Sequence[int], late: RowBatch) -> Iterator[Output]:
        """Records that follow one another in one window are taken together. Where windows take turns, records are put
        in their order first, unless some are late: what comes of those has its place among the others.
        """
        collector = Collector(timed=True, reuse=self._reuse)
        stretches = self._windows.stretches(times)
        if len(stretches) > max(_FEW, len(times) // _SHORT) and not self._is_any_late(part.time, times):
            part = part.at(self._windows.order(times))
            stretches = self._windows.stretches(times := part.times or ())
        for start, end in stretches:
            values, identities = part.values[start:end], part.identities[start:end]
            for window in self._windows.at(times[start]):
                if window.last > part.time:
                    self._add(window, values, identities)
                elif window.last + self._lateness > part.time:
                    for value, identity in zip(values, identities, strict=True):
                        self._add(window, [value], [identity])
                        self._fire_key(window, identity, collector)
                        if collector.full:
                            yield from collector.take()
                else:
                    _append(late, values, times[start:end])
        yield from collector.take()

    def _times(self, batch: RowBatch, part: KeyedPart) -> Sequence[int]:
        if part.times is None:
            mend = "assign timestamps and watermarks before the window, or use windows of processing time"
            error = InvalidProgramError(f"windows of event time need records with times, and these have none; {mend}")
            raise UserCodeError(error, self._name, batch.values[0])
        return part.times

    def _is_any_late(self, time: int, times: Sequence[int]) -> bool:
        """Whether the window of one of them has ended by then."""
        return any(window.last <= time for window in self._windows.at(min(times)))

    def _add(self, window: _OpenWindow, values: list[Any], identities: Sequence[Hashable]) -> None:
        """Records of one window."""
        if self._table.shadows:
            self._table.touch_all(identities, window.window)
        entries = window.entries
        if entries is None:
            is_new = window.window not in self._table.entries
            entries = window.entries = self._table.of(window.window)
            if is_new:
                self._register(window.window)
        given = iter(values)
        try:
            self._accumulation.add(entries, given, identities)
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, last_given(values, given)) from error

    def _fire_key(self, open_: _OpenWindow, identity: Hashable, collector: Collector) -> None:
        window = open_.window
        key = self.backend.forms.of(identity)
        self._results.fire(window, key, identity, self._table.of(window)[identity], collector)

    # ------------------------------------------------------------------------------------------------- times

    def _register(self, window: TimeWindow) -> None:
        """The times at which a window fires and is forgotten; one that is new but late has nothing to wait for."""
        last = window.max_timestamp()
        for time in {last, last + self._lateness}:
            if time > self.times.time or self._by_clock:
                heapq.heappush(self._due, (time, window))
        if self._by_clock:
            self._context.call_at(last + 1)

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """See Operator."""
        if self.times.advance(watermark.time):
            self._around.watermark = watermark.time
            if not self._by_clock:
                yield from self._reached(watermark.time)
            self.times.settle()

    def on_time(self, now: int) -> Iterator[Output]:
        """See Operator. Records of this very millisecond may still come: a window fires when its last one is over."""
        yield from self._reached(now - 1)
        if self._due:
            self._context.call_at(self._due[0][0] + 1)

    def _reached(self, time: int) -> Iterator[Output]:
        while self._due and self._due[0][0] <= time:
            due, window = heapq.heappop(self._due)
            if due == window.max_timestamp():
                yield from self._fire(window)
            if due == window.max_timestamp() + self._lateness:
                self._forget(window)

    def _fire(self, window: TimeWindow) -> Iterator[Output]:
        collector = Collector(timed=True, reuse=self._reuse)
        entries, key_of = self._table.of(window), self.backend.forms.of
        for identities in self._taking_part(window, list(entries)):
            if self._table.shadows:
                self._table.touch_all(identities, window)
            if not self._results.fire_all(window, list(map(entries.__getitem__, identities)), collector):
                for identity in identities:
                    self._results.fire(window, key_of(identity), identity, entries[identity], collector)
                    if collector.full:
                        yield from collector.take()
            yield from collector.take()

    def _taking_part(self, window: TimeWindow, identities: list[Hashable]) -> Iterator[list[Hashable]]:
        """The keys that a window fires for, in slices: not those for which it has fired before a restore (law 7.1)."""
        last = window.max_timestamp()
        for start in range(0, len(identities), SLICE):
            part = identities[start : start + SLICE]
            if not (self.times.settled or self._by_clock):
                times = self.times.restored_of(self.backend.forms.of_all(part))
                part = [identity for identity, time in zip(part, times, strict=True) if time < last]
            yield part

    def forget_key(self) -> None:
        """See Operator."""
        super().forget_key()
        self._windows.forget_all()
        self._due.clear()

    def _forget(self, window: TimeWindow) -> None:
        if self._results.clears:
            for identity in self._table.of(window):
                self._results.clear(window, self.backend.forms.of(identity), identity)
        self._table.purge(window)
        self._windows.forget(window)


class _Windows:
    """The windows of a time. Those of one period are the same, so they are made once (46 ns a record instead of
    312).
    """

    def __init__(self, assigner: WindowAssigner) -> None:
        if not isinstance(assigner, TumblingEventTimeWindows | TumblingProcessingTimeWindows):
            raise UnsupportedOperatorError(f"this version has no windows by {type(assigner).__name__}")
        self._assigner = assigner
        self._known: dict[int, Sequence[_OpenWindow]] = {}
        self._limit = _MANY_KNOWN

    def stretches(self, times: Sequence[int]) -> list[tuple[int, int]]:
        """Places of times that follow one another in one period: where such a stretch begins, and ends."""
        if len(times) < _FEW:
            size, offset = self._assigner.size, self._assigner.offset
            few = [(time - offset) // size for time in times]
            cuts = [place for place in range(1, len(few)) if few[place] != few[place - 1]]
        elif _is_sorted(times):
            cuts = self._ends(times)
        else:
            periods = self._periods(times)
            cuts = (np.flatnonzero(periods[1:] != periods[:-1]) + 1).tolist()
        return list(pairwise([0, *cuts, len(times)])) if times else []

    def _ends(self, times: Sequence[int]) -> list[int]:
        """Where periods end in times that never fall, the last one left out."""
        size, offset = self._assigner.size, self._assigner.offset
        cuts: list[int] = []
        place = 0
        while (place := bisect_left(times, times[place] - (times[place] - offset) % size + size, place)) < len(times):
            cuts.append(place)
        return cuts

    def order(self, times: Sequence[int]) -> list[int]:
        """The places of times, by their period; within one as they are."""
        order: list[int] = np.argsort(self._periods(times), kind="stable").tolist()
        return order

    def _periods(self, times: Sequence[int]) -> Times:
        """Their numbers, by steps that overflow at no time."""
        size = self._assigner.size
        offset = self._assigner.offset % size
        moments = np.array(times, np.int64)
        periods = moments // size
        return periods - (moments % size < offset) if offset else periods

    def at(self, time: int) -> Sequence[_OpenWindow]:
        """All windows that a time belongs to."""
        assigner = self._assigner
        start = time - (time - assigner.offset) % assigner.size
        windows = self._known.get(start)
        if windows is None:
            if len(self._known) >= self._limit:
                self._known = {start: known for start, known in self._known.items() if known[0].entries is not None}
                self._limit = max(_MANY_KNOWN, 2 * len(self._known))
            assigned = assigner.assign_windows(time)
            windows = self._known[start] = [_OpenWindow(window, window.max_timestamp()) for window in assigned]
        return windows

    def forget(self, window: TimeWindow) -> None:
        """Its entries are gone."""
        self._known.pop(window.start, None)

    def forget_all(self) -> None:
        """The entries of all are gone."""
        self._known.clear()


def _is_sorted(times: Sequence[int]) -> bool:
    """Whether times never fall, as they mostly do not within a batch: 20 ns a time, where an array costs 90. Some are
    looked at before all are, since sorting what isn't sorted is dear.
    """
    some = times[::_SAMPLE]
    return sorted(some) == list(some) and sorted(times) == times


def _append(batch: RowBatch, values: list[Any], times: Sequence[int]) -> None:
    batch.values += values
    if batch.timestamps is not None:
        batch.timestamps += times
