"""Windows of a keyed stream, the general way: each key's window has a life of its own, with a trigger, timers, and an
end (Flink, "Windows"). It is taken for all but what `operators.window` does for all keys together: sessions and other
windows that merge, windows that no time completes, sliding windows of the clock, assigners of the user's own, triggers
other than the assigner's, evictors.

    record    its windows -> merged with those of the key -> late? -> kept -> the trigger is asked
    a timer   the trigger is asked
    the end   of the window, behind the allowed lateness: all of it is forgotten

What the trigger says is done at once: the window fires, or drops what it holds. Only records all of whose windows are
over are late.

Measured on Python 3.11, 8 k records of 100 keys, M records/s: sums of count windows 0.11, of tumbling windows with
early results 0.09, of sessions 0.26 (`session_runs`); in ten windows each by copies 0.01, where shared panes
(`operators.window`) come to 0.6.
"""

from collections.abc import Callable, Hashable, Iterator
from itertools import repeat
from typing import Any

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.windows import (
    AlignedWindows,
    CountWindow,
    DeltaTrigger,
    EventTimeTrigger,
    Firing,
    PurgingTrigger,
    SessionWindows,
    TimeWindow,
    Trigger,
    TriggerResult,
    Window,
)
from millstream_taskmanager.operators.base import OperatorContext, Output, SideBatch
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.keyed import KeyedOperator, KeyedPart, KeyedRuntimeContext
from millstream_taskmanager.operators.session_runs import Run, Runs
from millstream_taskmanager.operators.window import NO_TIMES
from millstream_taskmanager.operators.window_accumulation import NOTHING, accumulation_of
from millstream_taskmanager.operators.window_assigning import Assigning
from millstream_taskmanager.operators.window_contents import SharedPanes, WholeWindows, shares_panes
from millstream_taskmanager.operators.window_firings import firing_at
from millstream_taskmanager.operators.window_live import LiveWindows
from millstream_taskmanager.operators.window_results import WindowResults
from millstream_taskmanager.operators.window_surroundings import Fired, WindowSurroundings
from millstream_taskmanager.operators.window_timers import WindowTimers
from millstream_taskmanager.operators.window_triggering import TriggerSurroundings
from millstream_taskmanager.state.store import KeyedTables
from millstream_taskmanager.user_code.copies import copy_of
from millstream_taskmanager.user_code.errors import UserCodeError, last_given


class KeyedWindowOperator(KeyedOperator):
    """See the module."""

    def __init__(self, specification: WindowSpecification, *, reuse: bool = False) -> None:
        """`reuse`: as Collector says."""
        functions = (specification.reduce, specification.aggregate, specification.process)
        super().__init__(specification.key, [function for function in functions if function is not None])
        self._specification = specification
        self._assigner = specification.assigner
        self._trigger = specification.trigger or self._assigner.get_default_trigger(None)
        self._evictor = specification.evictor
        self._by_event_time = self._assigner.is_event_time()
        self._lateness = specification.allowed_lateness if self._by_event_time else 0
        self._reuse = reuse
        # What the trigger may keep is no part of what the window holds: the user's code may change either.
        self._lends = _keeps_records(self._trigger)
        # Sessions whose records can be taken by runs: of those nothing fires but by the watermark.
        by_runs = self._by_event_time and self._evictor is None and type(self._trigger) is EventTimeTrigger
        assigner = self._assigner
        self._sessions: SessionWindows | None = None
        if isinstance(assigner, SessionWindows) and not assigner.is_overridden and by_runs:
            self._sessions = assigner

    def open_state(self, context: OperatorContext) -> None:
        """See KeyedOperator. The ends of restored windows follow from them."""
        assigner, backend = self._assigner, self.backend
        tables = KeyedTables(self.current, backend)
        self._assigning = Assigning(assigner, context, KeyedRuntimeContext(context, tables))
        merging = self._assigning.merging is not None
        self._around = WindowSurroundings(self.current, tables, context, backend, merging=merging)
        accumulation = accumulation_of(self._specification)
        self._results = WindowResults(self._specification, accumulation, self._around, reuse=self._reuse)
        if shares_panes(assigner, self._trigger, self._evictor) and isinstance(assigner, AlignedWindows):
            self._contents: SharedPanes | WholeWindows = SharedPanes(backend, accumulation, assigner, self._results)
        else:
            self._contents = WholeWindows(backend, "windows-of-keys", accumulation)
        sessions = self._assigning.sessions is not None
        self._live = LiveWindows(backend, self._end_of, merging=merging, sessions=sessions)
        self._triggering = TriggerSurroundings(context, backend, is_event_time=self._by_event_time)
        self._functions.open(context, tables, (self._specification.reduce, self._specification.aggregate))
        self._turn(self.times.time)
        self._call()

    def _end_of(self, window: Window) -> int:
        """When a window is forgotten."""
        return window.max_timestamp() + self._lateness

    # ---------------------------------------------------------------------------------------------- records

    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """See Operator."""
        late = RowBatch([], None if batch.timestamps is None else [])
        if self._by_event_time and batch.timestamps is None and batch.values:
            raise UserCodeError(InvalidProgramError(NO_TIMES), self._name, batch.values[0])
        self._assigning.moment = self._context.now()
        for part in self.parts(batch):
            self._turn(part.time)
            yield from self._process(part, late)
        self.late += len(late)
        self.processed += len(batch) - len(late)
        if late.values and self._specification.late is not None:
            yield SideBatch(self._specification.late.tag_id, late)

    def _turn(self, watermark: int) -> None:
        """The watermark that holds for the keys that come."""
        self._watermark = self._around.watermark = self._triggering.watermark = watermark

    def _process(self, part: KeyedPart, late: RowBatch) -> Iterator[Output]:
        collector = Collector(timed=True, reuse=self._reuse)
        times: Any = repeat(MIN_TIME) if part.times is None else part.times
        runs = Runs(self._live.meeting)
        for value, key, identity, time in zip(part.values, part.keys, part.identities, times, strict=False):
            self.current.set(key, identity)
            try:
                taken = self._sessions is not None and self._gathered(runs, self._sessions.gap_of(value), value, time)
                taken = taken or self._take(value, time, collector)
            except UserCodeError:
                raise
            except BaseException as error:  # the user's code may raise what it likes
                raise UserCodeError(error, self._name, value) from error
            if not taken:
                late.values.append(value)
                if late.timestamps is not None:
                    late.timestamps.append(time)
            if collector.full:
                yield from collector.take()
        for run in runs.all():
            self._keep(run)
        yield from collector.take()

    def _gathered(self, runs: Runs, gap: int, value: Any, time: int) -> bool:  # noqa: ANN401  # any record
        """Whether a record of the current key was put into its run. One of a session that is over fires by itself."""
        identity, end = self.current.identity, time + gap
        is_open = end - 1 > self._watermark
        if is_open and runs.extends(identity, time, end, value):
            return True
        if (run := runs.pop(identity)) is not None:
            self._keep(run)
        return is_open and runs.begins(self.current.key, identity, time, end, value)

    def _keep(self, run: Run) -> None:
        """The records of a run, as if they were one."""
        self.current.set(run.key, run.identity)
        given = iter(run.values)
        try:
            window = self._window_for(TimeWindow(run.start, run.end))
            if window is None or not isinstance(self._contents, WholeWindows):
                raise RuntimeError(f"a run of records of {run.start} to {run.end} has no session")
            self._contents.add_all(run.identity, window, given, len(run.values))
            self._triggering.at(self.current, window)
            self._trigger.on_element(run.values[-1], run.start, window, self._triggering)
        except UserCodeError:
            raise
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, last_given(run.values, given)) from error

    def _take(self, value: Any, time: int, out: Collector) -> bool:  # noqa: ANN401  # any record
        """A record of the current key; False if it is late."""
        identity = self.current.identity
        windows = self._assigning.windows_of(value, time)
        record = value if self._evictor is None else (value, None if time == MIN_TIME else time)
        moment = time if self._by_event_time else self._assigning.moment
        first = True
        for place, assigned in enumerate(windows, start=1):
            window = self._window_for(assigned)
            if window is None:
                continue
            if not self._contents.shared:
                own = record if place == len(windows) else copy_of(record)
                self._contents.add(identity, window, own, moment)
            elif first:
                self._contents.add(identity, window, record, moment)
            first = False
            self._triggering.at(self.current, window)
            shown = copy_of(value) if self._lends else value
            result = self._trigger.on_element(shown, time, window, self._triggering)
            if result is not TriggerResult.CONTINUE:
                so_far = self._watermark if self._by_event_time else moment - 1
                self._obey(result, window, firing_at(window, so_far, None), out)
        # In no window that is still there: all of them are over, or it belongs to none and is old.
        return not (first and self._by_event_time and (windows or time + self._lateness <= self._watermark))

    def _window_for(self, assigned: Window) -> Window | None:
        """The window of the key that a record's window is, or becomes a part of; None if it is over."""
        identity = self.current.identity
        if self._live.has(identity, assigned):
            return assigned
        if self._assigning.merging is not None:
            assigned, merges = self._assigning.merged(assigned, identity, self._live)
            for whole, parts in merges:
                self._merge(parts, whole)
            if self._live.has(identity, assigned):
                return assigned
        if self._by_event_time and self._end_of(assigned) <= self._watermark:
            return None
        self._open(assigned)
        return assigned

    def _open(self, window: Window, firings: int = 0) -> None:
        self._live.open(self.current.identity, window, firings)
        if not self._by_event_time and (end := self._live.next_end()) is not None:
            self._context.call_at(end + 1)

    def _merge(self, parts: list[Window], whole: Window) -> None:
        """Windows of a key, the earliest first, become one, which may be one of them."""
        if self._by_event_time and self._end_of(whole) <= self._watermark:
            what = f"{type(self._assigner).__name__} has merged windows into {whole}, which is over already"
            raise InvalidProgramError(f"{what}; a merged window must not end before its parts do")
        if not isinstance(self._contents, WholeWindows):
            raise TypeError("windows that merge share no panes")
        identity = self.current.identity
        self._contents.merge(identity, parts, whole)
        others = [window for window in parts if window != whole]
        firings = sum(self._live.close(identity, window) for window in others)
        if self._live.has(identity, whole):
            self._live.add_firings(identity, whole, firings)
        else:
            self._open(whole, firings)
        self._triggering.at(self.current, whole, others)
        self._trigger.on_merge(whole, self._triggering)
        for window in others:
            self._triggering.at(self.current, window)
            self._trigger.clear(window, self._triggering)

    # --------------------------------------------------------------------------------------- what triggers say

    def _obey(self, result: TriggerResult, window: Window, firing: Firing, out: Collector) -> None:
        """The trigger has said so of a window of the current key."""
        if type(result) is not TriggerResult:
            name = type(self._trigger).__name__
            raise InvalidTypesError(f"{name} must return a TriggerResult, but gave {short_repr(result)}")
        if result.is_fire():
            if isinstance(window, CountWindow) and result.is_purge():
                firing = Firing.ON_TIME  # it is full
            self._fire(window, firing, out, keeps=not result.is_purge())
        if result.is_purge():
            if isinstance(window, CountWindow):  # there may be any number, and none comes back
                self._close(window)
            elif isinstance(self._contents, WholeWindows):
                self._contents.forget(self.current.identity, window)
                self._emptied(window)

    def _fire(self, window: Window, firing: Firing, out: Collector, *, keeps: bool) -> None:
        """What a window gives; one that holds nothing gives nothing."""
        key, identity = self.current.key, self.current.identity
        self._around.at(window, key, identity, firing)
        kept = self._contents.get(identity, window)
        if kept is NOTHING:
            return
        self._around.at(window, key, identity, firing, self._live.fired(identity, window))
        if self._evictor is None or not isinstance(self._contents, WholeWindows):
            self._results.fire(kept, out, keeps=keeps and not self._contents.shared)
        else:
            left = self._results.fire_evicted(kept, self._evictor, out)
            self._contents.put(identity, window, left)
            if not left:
                self._emptied(window)

    def _emptied(self, window: Window) -> None:
        """A window of the current key holds nothing any more. One that never ends isn't there then, since there may be
        one of each key there ever was: but for what its trigger keeps, it begins anew with the next record.
        """
        if self._is_endless(window) and self._live.has(self.current.identity, window):
            self._live.close(self.current.identity, window)

    def _is_endless(self, window: Window) -> bool:
        """Whether no time completes it, nor a number of records; what others become has to be known to them."""
        merges = self._assigning.merging is not None
        return self._end_of(window) >= MAX_TIME and not (merges or isinstance(window, CountWindow))

    def _close(self, window: Window) -> None:
        """A window of the current key is forgotten, with all that belongs to it."""
        key, identity = self.current.key, self.current.identity
        self._contents.forget(identity, window)
        self._triggering.at(self.current, window)
        self._trigger.clear(window, self._triggering)
        if self._results.clears:
            self._around.at(window, key, identity)
            self._results.clear()
        self._live.close(identity, window)

    # ------------------------------------------------------------------------------------------------- times

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """See Operator."""
        if self.times.advance(watermark.time):
            yield from self._reached(watermark.time, self._triggering.event_time, by_event_time=True)
            self.times.settle()

    def on_time(self, now: int) -> Iterator[Output]:
        """See Operator. Records of this very millisecond may still come: so it is over when the next one begins."""
        yield from self._reached(now - 1, self._triggering.processing_time, by_event_time=False)
        self._call()

    def _call(self) -> None:
        """Ask for the next call by the clock."""
        times = [self._triggering.processing_time.next_time()]
        if not self._by_event_time:
            times.append(self._live.next_end())
        known = [time for time in times if time is not None]
        if known:
            self._context.call_at(min(known) + 1)

    def _reached(self, until: int, timers: WindowTimers, *, by_event_time: bool) -> Iterator[Output]:
        """Timers and ends in their order; a window ends behind the timers of the same time."""
        collector = Collector(timed=True, reuse=self._reuse)
        own = by_event_time == self._by_event_time
        while True:
            due, end = timers.next_time(), self._live.next_end() if own else None
            if due is not None and due <= until and (end is None or due <= end):
                time, identity, window = timers.pop()
                if self._live.has(identity, window) or self._is_endless(window):  # of one that is gone it says nothing
                    self._guarded(identity, window, lambda: self._wake(time, window, collector, by_event_time))  # noqa: B023  # called at once
            elif end is not None and end <= until:
                identity, window = self._live.pop_end()
                self._guarded(identity, window, lambda: self._close(window))  # noqa: B023  # called at once
            else:
                break
            if collector.full:
                yield from collector.take()
        yield from collector.take()

    def _wake(self, time: int, window: Window, out: Collector, by_event_time: bool) -> None:  # noqa: FBT001  # of two kinds
        """A timer of a window of the current key."""
        trigger, triggering = self._trigger, self._triggering
        triggering.at(self.current, window)
        result = (trigger.on_event_time if by_event_time else trigger.on_processing_time)(time, window, triggering)
        if result is not TriggerResult.CONTINUE:
            so_far = self._watermark if self._by_event_time else self._context.now() - 1
            counts = by_event_time == self._by_event_time or window.max_timestamp() == MAX_TIME
            self._obey(result, window, firing_at(window, so_far, time if counts else None), out)

    def forget_key(self) -> None:
        """See Operator."""
        super().forget_key()
        self._contents.forget_all()
        self._live.forget_all()
        self._triggering.event_time.forget_all()
        self._triggering.processing_time.forget_all()

    def _guarded(self, identity: Hashable, window: Window, act: Callable[[], None]) -> None:
        """The turn of a window that no record has asked for; its key's own watermark holds."""
        key = self.backend.forms.of(identity)
        self.current.set(key, identity)
        self._turn(self.times.of(key))
        try:
            act()
        except UserCodeError:
            raise
        except BaseException as error:  # the user's code may raise what it likes
            raise UserCodeError(error, self._name, Fired(key, window)) from error


def _keeps_records(trigger: Trigger[Any, Any]) -> bool:
    """Whether a trigger may keep records: ours don't, but for one."""
    while isinstance(trigger, PurgingTrigger):
        trigger = trigger.nested_trigger
    return isinstance(trigger, DeltaTrigger) or type(trigger).__module__.partition(".")[0] != "millstream_dataflow"
